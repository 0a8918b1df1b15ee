package org.qcowfs.engine.layer;

import org.jspecify.annotations.Nullable;

/**
 * How an image names the file below it.
 *
 * @param name the file name as recorded; relative names are relative to the naming file's folder
 * @param format the recorded format, or null where none is recorded
 */
public record BackingReference(String name, @Nullable String format) {}
