package org.qcowfs.engine.qcow2.check;

import org.jspecify.annotations.Nullable;

/**
 * What a check counted; the numbers are {@code qemu-img check}'s.
 *
 * @param corruptions findings that endanger data
 * @param leaks host clusters whose refcount is higher than their use
 * @param checkErrors things that could not be examined
 * @param totalClusters clusters of the guest disk
 * @param allocatedClusters of those, how many have a host cluster in the active disk
 * @param fragmentedClusters of those, how many do not follow the one before
 * @param compressedClusters of those, how many are compressed
 * @param imageEndOffset the host offset behind the last cluster in use, 0 if the check did not come
 *     that far
 * @param refcountsUnusable whether a repair would have to make new refcount structures
 * @param failure why the check ended early, or null
 */
public record CheckResult(
    long corruptions,
    long leaks,
    long checkErrors,
    long totalClusters,
    long allocatedClusters,
    long fragmentedClusters,
    long compressedClusters,
    long imageEndOffset,
    boolean refcountsUnusable,
    @Nullable String failure) {
  /** {@code qemu-img check}'s exit code: 0 clean, 1 not examined, 2 corruption, 3 leaks only. */
  public int exitCode() {
    if (failure != null || checkErrors > 0) {
      return 1;
    }
    return corruptions > 0 ? 2 : leaks > 0 ? 3 : 0;
  }
}
