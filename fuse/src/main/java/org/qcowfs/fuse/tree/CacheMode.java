package org.qcowfs.fuse.tree;

/** Who may keep written bytes, and for how long, in QEMU's words. */
public enum CacheMode {
  /** The kernel and the host keep them until fsync, close or unmount. */
  WRITEBACK(true, false, false, false),
  /** Each write is durable before it returns. */
  WRITETHROUGH(false, true, false, false),
  /** The kernel keeps nothing of the mounted file; the host may, until fsync. */
  NONE(false, false, true, false),
  /** As {@link #NONE}, and each write is durable before it returns. */
  DIRECTSYNC(false, true, true, false),
  /** As {@link #WRITEBACK}, and nothing is made durable before the unmount. */
  UNSAFE(true, false, false, true);

  private final boolean kernelWriteback;
  private final boolean durableWrites;
  private final boolean direct;
  private final boolean ignoresFlush;

  CacheMode(boolean kernelWriteback, boolean durableWrites, boolean direct, boolean ignoresFlush) {
    this.kernelWriteback = kernelWriteback;
    this.durableWrites = durableWrites;
    this.direct = direct;
    this.ignoresFlush = ignoresFlush;
  }

  /** Whether the kernel may take a write without telling us yet. */
  public boolean kernelWriteback() {
    return kernelWriteback;
  }

  /** Whether a write is answered only when it is durable. */
  public boolean durableWrites() {
    return durableWrites;
  }

  /** Whether the kernel's page cache is passed by. */
  public boolean direct() {
    return direct;
  }

  /** Whether fsync and close do nothing. */
  public boolean ignoresFlush() {
    return ignoresFlush;
  }
}
