package org.qcowfs.engine.layer;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;

/** A layer that can copy guest bytes by sharing the blocks of another file. */
public interface RangeCopy {
  /** Bytes that are copied as a whole: what {@link #copyRange} is asked for is a multiple of it. */
  int copyRangeUnit();

  /**
   * Makes a guest range hold what a range of a host file does.
   *
   * @param guestOffset a multiple of {@link #copyRangeUnit}
   * @param length a multiple of {@link #copyRangeUnit}
   * @return how many bytes were copied, from the first one on; fewer where the host cannot, or
   *     where the layer stores something already: that is to be written as usual
   * @throws ImageException as {@link WritableLayer#write}
   */
  long copyRange(long guestOffset, HostFile source, long hostOffset, long length)
      throws ImageException;
}
