/**
 * Internal. The raw format: guest offset is host offset.
 *
 * <h2>What must hold</h2>
 *
 * {@code map} answers DATA for everything; what is a hole is the host's to say, and asked only
 * where holes matter.
 */
@NullMarked
package org.qcowfs.engine.raw;

import org.jspecify.annotations.NullMarked;
