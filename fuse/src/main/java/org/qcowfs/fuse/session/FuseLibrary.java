package org.qcowfs.fuse.session;

import com.kenai.jffi.CallContext;
import com.kenai.jffi.CallingConvention;
import com.kenai.jffi.Closure;
import com.kenai.jffi.ClosureManager;
import com.kenai.jffi.HeapInvocationBuffer;
import com.kenai.jffi.Invoker;
import com.kenai.jffi.Library;
import com.kenai.jffi.MemoryIO;
import com.kenai.jffi.Type;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The session calls of libfuse 2.9 by their C names, which jnr-fuse does not bind. Pointers are
 * plain addresses.
 *
 * <p>{@code fuse_new} and {@code fuse_main} must not be bound: without a symbol version they
 * resolve to the entry points of libfuse 2.1, with other parameters.
 */
final class FuseLibrary {
  private static final Library LIBRARY = load();
  private static final Invoker INVOKER = Invoker.getInstance();
  private static final MemoryIO MEMORY = MemoryIO.getInstance();

  private static final CallContext LONG_1 = context(1);
  private static final CallContext LONG_2 = context(2);
  private static final CallContext LONG_4 = context(4);
  private static final CallContext LONG_7 = context(7);
  private static final CallContext SEND =
      CallContext.getCallContext(
          Type.SINT32,
          new Type[] {Type.POINTER, Type.POINTER, Type.SINT64},
          CallingConvention.DEFAULT,
          false);

  private static final long SETUP = symbol("fuse_setup");
  private static final long TEARDOWN = symbol("fuse_teardown");
  private static final long GET_SESSION = symbol("fuse_get_session");
  private static final long SESSION_NEXT_CHAN = symbol("fuse_session_next_chan");
  private static final long SESSION_PROCESS = symbol("fuse_session_process");
  private static final long CHAN_FD = symbol("fuse_chan_fd");
  private static final long CHAN_NEW = symbol("fuse_chan_new");
  private static final long CHAN_DESTROY = symbol("fuse_chan_destroy");

  private FuseLibrary() {}

  /**
   * What {@code fuse_setup} made.
   *
   * @param fuse {@code struct fuse *}
   * @param mountPoint {@code char *}, freed by {@link #teardown}
   */
  record Mounted(long fuse, long mountPoint) {}

  private static Library load() {
    Library library = Library.getCachedInstance("libfuse.so.2", Library.LAZY);
    if (library == null) {
      throw new UnsatisfiedLinkError("libfuse.so.2: " + Library.getLastError());
    }
    return library;
  }

  private static long symbol(String name) {
    long address = LIBRARY.getSymbolAddress(name);
    if (address == 0) {
      throw new UnsatisfiedLinkError("libfuse.so.2 has no " + name);
    }
    return address;
  }

  private static CallContext context(int arguments) {
    Type[] types = new Type[arguments];
    Arrays.fill(types, Type.SINT64);
    return CallContext.getCallContext(Type.SINT64, types, CallingConvention.DEFAULT, false);
  }

  /**
   * Parses the options, mounts, and makes the session.
   *
   * @param arguments as for a program's {@code main}, with {@code -f}: without it libfuse forks,
   *     which a JVM does not survive
   * @param operations the bytes of {@code struct fuse_operations}
   * @return null if libfuse refused; it has then said why on the standard error
   */
  static @Nullable Mounted setup(List<String> arguments, byte[] operations) {
    long[] strings = arguments.stream().mapToLong(FuseLibrary::cString).toArray();
    long argv = MEMORY.allocateMemory(8L * (strings.length + 1), true);
    MEMORY.putLongArray(argv, strings, 0, strings.length);
    long mountPoint = MEMORY.allocateMemory(16, true);
    long table = MEMORY.allocateMemory(operations.length, false);
    MEMORY.putByteArray(table, operations, 0, operations.length);
    try {
      HeapInvocationBuffer call = new HeapInvocationBuffer(LONG_7);
      call.putLong(strings.length);
      call.putLong(argv);
      call.putLong(table);
      call.putLong(operations.length);
      call.putLong(mountPoint);
      call.putLong(mountPoint + 8); // multithreaded, unused
      call.putLong(0);
      long fuse = INVOKER.invokeLong(LONG_7, SETUP, call);
      return fuse == 0 ? null : new Mounted(fuse, MEMORY.getLong(mountPoint));
    } finally {
      // libfuse works on copies of all of these.
      MEMORY.freeMemory(table);
      MEMORY.freeMemory(mountPoint);
      MEMORY.freeMemory(argv);
      for (long string : strings) {
        MEMORY.freeMemory(string);
      }
    }
  }

  /** Unmounts if still mounted, and frees everything {@link #setup} made. */
  static void teardown(Mounted mounted) {
    INVOKER.invokeN2(LONG_2, TEARDOWN, mounted.fuse(), mounted.mountPoint());
  }

  static long session(Mounted mounted) {
    return INVOKER.invokeN1(LONG_1, GET_SESSION, mounted.fuse());
  }

  /** The descriptor of {@code /dev/fuse} the session was mounted with. */
  static int deviceDescriptor(long session) {
    long channel = INVOKER.invokeN2(LONG_2, SESSION_NEXT_CHAN, session, 0);
    return (int) INVOKER.invokeN1(LONG_1, CHAN_FD, channel);
  }

  /** Makes native code of {@code int send(struct fuse_chan *, const struct iovec *, size_t)}. */
  static Closure.Handle sendClosure(Closure send) {
    return ClosureManager.getInstance().newClosure(send, SEND);
  }

  /**
   * Makes a channel that replies through {@code send}.
   *
   * @param bufferSize the greatest request in bytes; libfuse grants writes of 4096 less
   */
  static long newChannel(Closure.Handle send, int descriptor, int bufferSize) {
    // struct fuse_chan_ops { receive, send, destroy }, copied
    long operations = MEMORY.allocateMemory(24, true);
    try {
      MEMORY.putLong(operations + 8, send.getAddress());
      return INVOKER.invokeN4(LONG_4, CHAN_NEW, operations, descriptor, bufferSize, 0);
    } finally {
      MEMORY.freeMemory(operations);
    }
  }

  static void destroyChannel(long channel) {
    INVOKER.invokeN1(LONG_1, CHAN_DESTROY, channel);
  }

  /** Answers one request: calls back into the operations table, then the channel's send. */
  static void process(long session, long request, long length, long channel) {
    INVOKER.invokeN4(LONG_4, SESSION_PROCESS, session, request, length, channel);
  }

  private static long cString(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    long address = MEMORY.allocateMemory(bytes.length + 1L, false);
    MEMORY.putZeroTerminatedByteArray(address, bytes, 0, bytes.length);
    return address;
  }
}
