package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.*;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.KernelCache;

/** The kernel's cache of the one file of the mount that can be written to. */
final class Kernel implements KernelCache {
  private final int device;
  private final Session.@Nullable Writing writing;
  private final FaultLog log;
  private final DataBuffer message = DataBuffer.allocate(NOTIFY_INVAL_INODE, 8);
  private final ByteBuffer bytes = message.bytes().duplicate().order(ByteOrder.nativeOrder());

  /** The file's number in the protocol; 0 before it was first opened for writing. */
  private volatile long node;

  /**
   * @param device a descriptor of the mount
   * @param writing null if nothing can be written
   */
  Kernel(int device, Session.@Nullable Writing writing, FaultLog log) {
    this.device = device;
    this.writing = writing;
    this.log = log;
  }

  /** Whether the kernel is to keep what is written. */
  boolean writeback() {
    return writing != null && writing.writeback();
  }

  /** The kernel is told that {@code openedNode} is now open for writing. */
  void openedForWriting(long openedNode) {
    node = openedNode;
  }

  @Override
  public synchronized void writeBack(long offset, long length) {
    if (node == 0) {
      return;
    }
    bytes.putInt(OUT_LENGTH, NOTIFY_INVAL_INODE);
    bytes.putInt(OUT_ERROR, FUSE_NOTIFY_INVAL_INODE);
    bytes.putLong(OUT_UNIQUE, 0);
    bytes.putLong(NOTIFY_NODE, node);
    bytes.putLong(NOTIFY_OFFSET, offset);
    bytes.putLong(NOTIFY_LENGTH, length);
    if (PosixCalls.write(device, message.address(), NOTIFY_INVAL_INODE) < 0) {
      int errno = PosixCalls.errno();
      // ENOENT: the kernel has forgotten the file, and so holds nothing of it.
      if (errno != Errno.ENOENT && errno != Errno.ENODEV) {
        log.line("could not make the kernel write back: " + Errno.text(errno));
      }
    }
  }

  @Override
  public void restoreSize() {
    if (writing != null) {
      writing.sizeRestorer().run();
    }
  }
}
