package org.qcowfs.engine.qcow2.write;

import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.util.concurrent.atomic.LongAdder;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.WritableLayer.GuestReader;

/**
 * Stores guest bytes in a host range together with what must surround them (copy-on-write head and
 * tail), in one write.
 *
 * <p><b>Thread safety:</b> safe; each thread assembles in a buffer of its own.
 */
final class ClusterFill {
  private static final ThreadLocal<DataBuffer[]> BUFFER =
      ThreadLocal.withInitial(() -> new DataBuffer[] {DataBuffer.allocate(1 << 16)});

  private final HostFile file;
  private final long guestSize;
  private final LongAdder copied = new LongAdder();

  /**
   * @param guestSize size of the disk: what a cluster has behind it is filled with zeroes
   */
  ClusterFill(HostFile file, long guestSize) {
    this.file = file;
    this.guestSize = guestSize;
  }

  /**
   * Fills the host range of guest range {@code [from, to)}.
   *
   * @param hostOffset where guest offset {@code from} lives
   * @param guestOffset where the new bytes begin, at least {@code from}
   * @param length how many there are; they end at {@code to} or before
   * @param visible the disk as it was before
   */
  void fill(
      long hostOffset,
      long from,
      long to,
      long guestOffset,
      DataBuffer src,
      int position,
      int length,
      GuestReader visible)
      throws ImageException {
    if (guestOffset == from && guestOffset + length == to) {
      file.write(hostOffset, src, position, length);
      return;
    }
    int total = (int) (to - from);
    DataBuffer whole = buffer(total);
    int head = (int) (guestOffset - from);
    read(from, whole, 0, head, visible);
    MemoryIO.getInstance().copyMemory(src.address() + position, whole.address() + head, length);
    Reference.reachabilityFence(src);
    int tail = head + length;
    read(guestOffset + length, whole, tail, total - tail, visible);
    file.write(hostOffset, whole, 0, total);
  }

  private void read(long guestOffset, DataBuffer dst, int position, int length, GuestReader visible)
      throws ImageException {
    int inside = (int) Math.max(0, Math.min(length, guestSize - guestOffset));
    if (inside > 0) {
      visible.read(guestOffset, dst, position, inside);
      copied.add(inside);
    }
    dst.zero(position + inside, length - inside);
  }

  /** Guest bytes that were read only to be written again. */
  long copiedBytes() {
    return copied.sum();
  }

  private static DataBuffer buffer(int bytes) {
    DataBuffer[] held = BUFFER.get();
    if (held[0].capacity() < bytes) {
      held[0] = DataBuffer.allocate(bytes);
    }
    return held[0];
  }
}
