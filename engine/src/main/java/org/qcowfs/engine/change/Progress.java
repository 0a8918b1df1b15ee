package org.qcowfs.engine.change;

/** Is told how far a long change has come; called from the threads that do it, one at a time. */
@FunctionalInterface
public interface Progress {
  /** Tells nobody. */
  Progress NONE = (done, total) -> {};

  /**
   * {@code done} of {@code total} are done.
   *
   * @param total at least 1
   */
  void at(long done, long total);
}
