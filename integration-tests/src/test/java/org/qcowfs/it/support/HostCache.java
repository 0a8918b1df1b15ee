package org.qcowfs.it.support;

import java.nio.file.Path;

/**
 * The host's page cache. The kernel takes a block that was reserved but never written for data as
 * soon as its (zero) page is cached, so whoever compares holes drops the cache first.
 */
public final class HostCache {
  private HostCache() {}

  /** Writes a file back and drops its cached pages. */
  public static void drop(Path file) {
    Run.ok("dd", "of=" + file, "oflag=nocache", "conv=notrunc,fdatasync", "count=0", "status=none");
  }
}
