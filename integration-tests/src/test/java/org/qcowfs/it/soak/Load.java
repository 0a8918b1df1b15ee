package org.qcowfs.it.soak;

import java.io.IOException;
import java.util.List;

/** Work on mounts that verifies itself. */
interface Load extends AutoCloseable {
  /**
   * Works for some seconds, and verifies what it did.
   *
   * @param number of this round, from 1 on
   * @throws AssertionError if something is not as it must be
   */
  void round(int number) throws IOException, InterruptedException;

  /** The serving processes that live as long as the load does, quiet between rounds. */
  default List<Long> processes() {
    return List.of();
  }

  /** What was done so far, in a few words. */
  String done();

  /** Ends everything, and verifies what is left. */
  @Override
  void close() throws IOException;
}
