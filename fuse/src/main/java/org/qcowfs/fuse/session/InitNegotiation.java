package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.*;

import java.nio.ByteBuffer;

/**
 * Improves libfuse's answer to INIT, which speaks protocol 7.19: requests of up to 1 MiB instead of
 * 128 KiB, asynchronous direct I/O, lookups of one folder in parallel, shared mappings of files
 * opened for direct I/O, and the writeback cache where it is wanted.
 *
 * <p>Never asked for: ATOMIC_O_TRUNC (the kernel would take the size of the disk for 0),
 * READDIRPLUS (libfuse 2 cannot answer it) and AUTO_INVAL_DATA (it drops cached pages when a time
 * stamp changes).
 */
final class InitNegotiation {
  /** The greatest READ or WRITE in bytes. */
  static final int MAX_TRANSFER = 1 << 20;

  private static final int PAGE = 4096;
  private static final int SHORT_REPLY = OUT_HEADER + 24;
  private static final int OUR_MINOR = 31;

  /** The first minor version with the 64-byte answer and {@code max_pages}. */
  private static final int MIN_MINOR = 28;

  private static final int WANTED =
      FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_PARALLEL_DIROPS | FUSE_MAX_PAGES;

  private InitNegotiation() {}

  /**
   * Rewrites libfuse's reply in place.
   *
   * @param request the INIT request
   * @param reply libfuse's reply from byte 0, with room for {@link WireFormat#INIT_REPLY} bytes
   * @param length bytes of libfuse's reply
   * @param writeback whether the kernel may keep what is written
   * @return bytes of the reply to send
   */
  static int improve(ByteBuffer request, ByteBuffer reply, int length, boolean writeback) {
    int kernelMinor = request.getInt(INIT_IN_MINOR);
    int offered = request.getInt(INIT_IN_FLAGS);
    boolean refused = reply.getInt(OUT_ERROR) != 0;
    if (refused
        || length != SHORT_REPLY
        || kernelMinor < MIN_MINOR
        || (offered & FUSE_MAX_PAGES) == 0) {
      return length;
    }
    for (int i = length; i < INIT_REPLY; i++) {
      reply.put(i, (byte) 0);
    }
    reply.putInt(OUT_LENGTH, INIT_REPLY);
    reply.putInt(INIT_OUT_MINOR, Math.min(kernelMinor, OUR_MINOR));
    reply.putInt(INIT_OUT_MAX_READAHEAD, MAX_TRANSFER);
    int given = reply.getInt(INIT_OUT_FLAGS) & ~FUSE_ATOMIC_O_TRUNC;
    int wanted = given | WANTED | (writeback ? FUSE_WRITEBACK_CACHE : 0);
    if ((offered & FUSE_INIT_EXT) != 0) {
      wanted |= FUSE_INIT_EXT;
      reply.putInt(INIT_OUT_FLAGS2, FUSE_DIRECT_IO_ALLOW_MMAP & request.getInt(INIT_IN_FLAGS2));
    }
    reply.putInt(INIT_OUT_FLAGS, wanted & offered);
    reply.putInt(INIT_OUT_MAX_WRITE, MAX_TRANSFER);
    reply.putInt(INIT_OUT_TIME_GRANULARITY, 1);
    reply.putShort(INIT_OUT_MAX_PAGES, (short) (MAX_TRANSFER / PAGE));
    return INIT_REPLY;
  }
}
