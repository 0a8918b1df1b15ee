/**
 * Copying what disks hold: into another image, or only as far as comparing and measuring go.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.convert.Source} joins one or more open images into one range of bytes.
 * {@link org.qcowfs.engine.convert.Convert} walks its extents, skips what reads as zeroes by
 * metadata, and hands pieces of the rest to a few threads: they read, look for runs of zeroes,
 * compress, and then write in the order of the disk, so that the target is laid out as one reader
 * would have laid it out.
 *
 * <pre>
 *   walk --> piece --> read | find zeroes | compress   (several threads at once)
 *                      write                           (one after the other)
 * </pre>
 *
 * With copy offloading a piece is a run of data in one host file, whose blocks the target is to
 * share ({@link org.qcowfs.engine.layer.RangeCopy}); where the host refuses, the piece goes the
 * usual way.
 *
 * <h2>What must hold</h2>
 *
 * A source is never written to. Memory does not depend on the size of a disk: a few buffers per
 * thread. A failure of one piece stops all; the target is then incomplete, and the caller is told.
 */
@NullMarked
package org.qcowfs.engine.convert;

import org.jspecify.annotations.NullMarked;
