package org.qcowfs.engine.host;

import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * A fixed piece of off-heap memory with a known address, big-endian (qcow2's order).
 *
 * <p>Data lives at {@link #bytes()}'s absolute positions 0 to {@link #capacity()}; position and
 * limit of that buffer are never used. The memory is freed when the object becomes unreachable.
 *
 * <p><b>Thread safety:</b> none beyond that of plain memory: one thread at a time, or disjoint
 * ranges.
 */
public final class DataBuffer {
  private final ByteBuffer bytes;
  private final long address;

  private DataBuffer(ByteBuffer bytes) {
    this.bytes = bytes;
    this.address = MemoryIO.getInstance().getDirectBufferAddress(bytes);
  }

  /** Allocates {@code capacity} zeroed bytes whose first byte is aligned to {@code alignment}. */
  public static DataBuffer allocate(int capacity, int alignment) {
    ByteBuffer whole = ByteBuffer.allocateDirect(Math.addExact(capacity, alignment));
    int skip = (int) (-MemoryIO.getInstance().getDirectBufferAddress(whole) & alignment - 1);
    return new DataBuffer(whole.slice(skip, capacity).order(ByteOrder.BIG_ENDIAN));
  }

  /** Allocates {@code capacity} zeroed bytes on a page boundary. */
  public static DataBuffer allocate(int capacity) {
    return allocate(capacity, 4096);
  }

  /** Wraps a direct buffer: byte 0 of the result is {@code direct}'s index 0. */
  public static DataBuffer wrap(ByteBuffer direct) {
    if (!direct.isDirect()) {
      throw new IllegalArgumentException("not a direct buffer");
    }
    return new DataBuffer(direct.duplicate().clear().order(ByteOrder.BIG_ENDIAN));
  }

  /** Memory that is there already, and stays the caller's to free after the last use. */
  public static DataBuffer at(long address, int capacity) {
    return wrap(MemoryIO.getInstance().newDirectByteBuffer(address, capacity));
  }

  /** The bytes; use absolute positions only. */
  public ByteBuffer bytes() {
    return bytes;
  }

  /** The native address of byte 0; keep this object reachable while it is used. */
  public long address() {
    return address;
  }

  public int capacity() {
    return bytes.capacity();
  }

  /** Writes zeroes to {@code length} bytes from {@code position}. */
  public void zero(int position, int length) {
    java.util.Objects.checkFromIndexSize(position, length, capacity());
    MemoryIO.getInstance().setMemory(address + position, length, (byte) 0);
    Reference.reachabilityFence(this);
  }
}
