package org.qcowfs.engine.host.posix;

import com.kenai.jffi.CallContext;
import com.kenai.jffi.CallingConvention;
import com.kenai.jffi.HeapInvocationBuffer;
import com.kenai.jffi.Invoker;
import com.kenai.jffi.Library;
import com.kenai.jffi.MemoryIO;
import com.kenai.jffi.Type;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A raw deflate compressor of the system's zlib, with the 12-bit window that qcow2 wants and that
 * Java's own {@code Deflater} cannot be asked for.
 *
 * <p>The layout is that of zlib's {@code z_stream} on 64-bit Linux.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
public final class Zlib implements AutoCloseable {
  private static final int STREAM_BYTES = 112;
  private static final int NEXT_IN = 0;
  private static final int AVAIL_IN = 8;
  private static final int NEXT_OUT = 24;
  private static final int AVAIL_OUT = 32;

  private static final int DEFAULT_LEVEL = -1;
  private static final int DEFLATED = 8;
  private static final int RAW_WINDOW_BITS = -12;
  private static final int MEMORY_LEVEL = 9;
  private static final int FINISH = 4;
  private static final int STREAM_END = 1;

  private static final MemoryIO MEMORY = MemoryIO.getInstance();
  private static final Invoker INVOKER = Invoker.getInstance();
  private static final CallContext LONG_1 = context(1);
  private static final CallContext LONG_2 = context(2);
  private static final CallContext LONG_8 = context(8);
  private static final @Nullable Library LIBRARY =
      Library.getCachedInstance("libz.so.1", Library.LAZY);
  private static final long INIT = symbol("deflateInit2_");
  private static final long DEFLATE = symbol("deflate");
  private static final long RESET = symbol("deflateReset");
  private static final long END = symbol("deflateEnd");
  private static final long VERSION = symbol("zlibVersion");

  private long stream;

  private Zlib(long stream) {
    this.stream = stream;
  }

  private static CallContext context(int arguments) {
    Type[] types = new Type[arguments];
    Arrays.fill(types, Type.SINT64);
    return CallContext.getCallContext(Type.SINT64, types, CallingConvention.DEFAULT, false);
  }

  private static long symbol(String name) {
    return LIBRARY == null ? 0 : LIBRARY.getSymbolAddress(name);
  }

  /** A compressor, or null where the system has no zlib. */
  public static @Nullable Zlib open() {
    if (INIT == 0 || DEFLATE == 0 || RESET == 0 || END == 0 || VERSION == 0) {
      return null;
    }
    long stream = MEMORY.allocateMemory(STREAM_BYTES, true);
    HeapInvocationBuffer arguments = new HeapInvocationBuffer(LONG_8);
    arguments.putLong(stream);
    arguments.putLong(DEFAULT_LEVEL);
    arguments.putLong(DEFLATED);
    arguments.putLong(RAW_WINDOW_BITS);
    arguments.putLong(MEMORY_LEVEL);
    arguments.putLong(0);
    arguments.putLong(
        INVOKER.invokeLong(context(0), VERSION, new HeapInvocationBuffer(context(0))));
    arguments.putLong(STREAM_BYTES);
    if ((int) INVOKER.invokeLong(LONG_8, INIT, arguments) != 0) {
      MEMORY.freeMemory(stream);
      return null;
    }
    return new Zlib(stream);
  }

  /**
   * Compresses {@code length} bytes at {@code source}.
   *
   * @return the bytes written to {@code target}, or -1 if they are more than {@code room}
   */
  public int compress(long source, int length, long target, int room) {
    if (stream == 0) {
      throw new IllegalStateException("closed");
    }
    INVOKER.invokeN1(LONG_1, RESET, stream);
    MEMORY.putAddress(stream + NEXT_IN, source);
    MEMORY.putInt(stream + AVAIL_IN, length);
    MEMORY.putAddress(stream + NEXT_OUT, target);
    MEMORY.putInt(stream + AVAIL_OUT, room);
    int result = (int) INVOKER.invokeN2(LONG_2, DEFLATE, stream, FINISH);
    return result == STREAM_END ? room - MEMORY.getInt(stream + AVAIL_OUT) : -1;
  }

  @Override
  public void close() {
    if (stream != 0) {
      INVOKER.invokeN1(LONG_1, END, stream);
      MEMORY.freeMemory(stream);
      stream = 0;
    }
  }
}
