package org.qcowfs.fuse.tree;

/**
 * How a mount writes.
 *
 * @param cache who may keep written bytes
 * @param discard whether zeroing gives host space back
 * @param detectZeroes what becomes of written zeroes
 * @param growable whether writing behind the end makes the disk larger
 */
public record WritePolicy(
    CacheMode cache, boolean discard, DetectZeroes detectZeroes, boolean growable) {
  /** What a mount does unless told otherwise. */
  public static final WritePolicy DEFAULT =
      new WritePolicy(CacheMode.WRITEBACK, true, DetectZeroes.OFF, false);
}
