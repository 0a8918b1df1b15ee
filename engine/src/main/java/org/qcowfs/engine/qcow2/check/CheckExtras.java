package org.qcowfs.engine.qcow2.check;

/**
 * What a check does beside what QEMU's does.
 *
 * @param explain whether to find out what the findings affect
 * @param data whether to decompress every compressed cluster
 * @param progress told how far the check is
 */
public record CheckExtras(boolean explain, boolean data, Progress progress) {
  /** Nothing. */
  public static final CheckExtras NONE = new CheckExtras(false, false, (done, total) -> {});

  /** Told how far a check is. */
  @FunctionalInterface
  public interface Progress {
    /**
     * Called after each L2 table.
     *
     * @param done tables that were gone through
     * @param total tables there are, at least 1
     */
    void at(long done, long total);
  }
}
