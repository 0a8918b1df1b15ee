package org.qcowfs.engine.convert;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How pieces are copied.
 *
 * @param compress whether clusters are stored compressed
 * @param overBacking whether the target shows a backing file where nothing is written
 * @param sparseBytes least run of zeroes that is not written as data; 0 for none
 * @param grain zeroes are looked for in units of this many bytes
 * @param salvage receives what could not be read, or null to fail then
 */
record PieceSettings(
    boolean compress,
    boolean overBacking,
    int sparseBytes,
    int grain,
    @Nullable Consumer<String> salvage) {}
