package org.qcowfs.fuse.tree;

/**
 * What the kernel keeps of the mounted disk.
 *
 * <p><b>Thread safety:</b> any thread, but never one that the kernel needs to write back: both
 * methods may wait until other requests have been answered.
 */
public interface KernelCache {
  /** A kernel that keeps nothing. */
  KernelCache NONE =
      new KernelCache() {
        @Override
        public void writeBack(long offset, long length) {}

        @Override
        public void restoreSize() {}
      };

  /**
   * Makes the kernel hand over what was written to a range and has not reached us, and forget the
   * range.
   *
   * @param length bytes; 0 means up to the end
   */
  void writeBack(long offset, long length);

  /** Makes the kernel take the disk's own size for its size again; returns at once. */
  void restoreSize();
}
