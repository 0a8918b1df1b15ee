package org.qcowfs.fuse.session;

import static org.qcowfs.fuse.session.WireFormat.*;

import com.kenai.jffi.Closure;
import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * One descriptor of {@code /dev/fuse} with the buffers of the one request it has in work, and the
 * libfuse channel that replies through it.
 *
 * <p>The data of a WRITE and the data of a READ's reply begin on a page: the kernel then copies
 * whole pages, and direct I/O on the host is possible.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
final class DeviceChannel implements Closure {
  /** Where the data of a reply begins in {@link #reply()}. */
  static final int REPLY_DATA = 4096;

  private static final int REPLY_HEADER = REPLY_DATA - OUT_HEADER;

  /** Where the data of a WRITE begins in {@link #requestMemory()}. */
  static final int REQUEST_DATA = 4096;

  private static final int REQUEST_START = REQUEST_DATA - WRITE_IN;
  private static final int REQUEST_CAPACITY = InitNegotiation.MAX_TRANSFER + 4096;

  private final Kernel kernel;
  private final int descriptor;
  private final boolean ownsDescriptor;

  /** Where the request in work came from, and its reply goes. */
  private int replyTo;

  /** The errno that was answered last, 0 for success. */
  private int error;

  private static final int REQUEST_BYTES = 4096 + REQUEST_CAPACITY;
  private static final int REPLY_BYTES = REPLY_DATA + InitNegotiation.MAX_TRANSFER;
  private static final int PAGE = 4096;

  /** Both buffers, never touched before they are used: memory is taken page by page. */
  private final long memory =
      MemoryIO.getInstance().allocateMemory(REQUEST_BYTES + REPLY_BYTES + PAGE, false);

  private final DataBuffer requestMemory;
  private final DataBuffer replyMemory;

  /** The number of the request in work, 0 for none, with {@link #INTERRUPTIBLE}. */
  private final AtomicLong current = new AtomicLong();

  /** In {@link #current}: it may be answered before it is done. Requests have even numbers. */
  private static final long INTERRUPTIBLE = 1;

  /** The thread that made the request in work; set before {@link #current}. */
  private int requester;

  /** Requests from here that others have yet to answer. */
  private final AtomicInteger lent = new AtomicInteger();

  private final ByteBuffer request;
  private final ByteBuffer replyHeader;
  private final DataBuffer changedReply = DataBuffer.allocate(INIT_REPLY, 8);
  private final ByteBuffer changedReplyBytes =
      changedReply.bytes().duplicate().order(ByteOrder.nativeOrder());
  private final Closure.Handle send;
  private final long channel;

  private DeviceChannel(int descriptor, boolean ownsDescriptor, Kernel kernel) {
    this.kernel = kernel;
    this.descriptor = descriptor;
    this.replyTo = descriptor;
    this.ownsDescriptor = ownsDescriptor;
    long first = memory + PAGE - 1 & -PAGE;
    this.requestMemory = DataBuffer.at(first, REQUEST_BYTES);
    this.replyMemory = DataBuffer.at(first + REQUEST_BYTES, REPLY_BYTES);
    this.request =
        requestMemory.bytes().slice(REQUEST_START, REQUEST_CAPACITY).order(ByteOrder.nativeOrder());
    this.replyHeader = replyMemory.bytes().duplicate().order(ByteOrder.nativeOrder());
    this.send = FuseLibrary.sendClosure(this);
    this.channel = FuseLibrary.newChannel(send, descriptor, REQUEST_CAPACITY);
  }

  /**
   * Opens another descriptor of the mount behind {@code master}; where the device may not be opened
   * again (a mount by an ordinary user of a 0600 device), shares {@code master} itself.
   */
  static DeviceChannel cloneOf(int master, Kernel kernel) {
    int clone = PosixCalls.open("/dev/fuse", PosixCalls.O_RDWR | PosixCalls.O_CLOEXEC);
    if (clone >= 0 && PosixCalls.ioctl(clone, FUSE_DEV_IOC_CLONE, master) != 0) {
      PosixCalls.close(clone);
      clone = -1;
    }
    return clone >= 0
        ? new DeviceChannel(clone, true, kernel)
        : new DeviceChannel(master, false, kernel);
  }

  /** Uses {@code master} itself. */
  static DeviceChannel sharing(int master, Kernel kernel) {
    return new DeviceChannel(master, false, kernel);
  }

  /**
   * Waits for a request.
   *
   * @return its length in bytes, or the negative errno
   */
  int receive() {
    long n = PosixCalls.read(descriptor, requestMemory.address() + REQUEST_START, REQUEST_CAPACITY);
    return n < 0 ? -PosixCalls.errno() : (int) n;
  }

  /** The request received last is in work from now on; costs two plain stores. */
  void begin() {
    int opcode = opcode();
    requester = request.getInt(IN_PID);
    long unique = request.getLong(IN_UNIQUE) & ~INTERRUPTIBLE; // odd only in an INTERRUPT
    current.setRelease(unique | (opcode == READ || opcode == LSEEK ? INTERRUPTIBLE : 0));
  }

  /** Nothing is in work. */
  void end() {
    current.setRelease(0);
  }

  /** Whether a request is in work; any thread. */
  boolean isBusy() {
    return current.getAcquire() != 0;
  }

  /** The number of the request in work if it may be answered early, else 0; any thread. */
  long interruptible() {
    long now = current.getAcquire();
    return (now & INTERRUPTIBLE) == 0 ? 0 : now & ~INTERRUPTIBLE;
  }

  /** The thread that made the request in work; 0 if the kernel cannot name it here. */
  int requester() {
    return requester;
  }

  /** Answers a request that is perhaps still in work; of two answers the kernel drops one. */
  void replyInterrupted(long unique) {
    DataBuffer header = DataBuffer.allocate(OUT_HEADER, 8);
    ByteBuffer bytes = header.bytes().duplicate().order(ByteOrder.nativeOrder());
    bytes.putInt(OUT_LENGTH, OUT_HEADER);
    bytes.putInt(OUT_ERROR, -Errno.EINTR);
    bytes.putLong(OUT_UNIQUE, unique);
    PosixCalls.write(replyTo, header.address(), OUT_HEADER);
    Reference.reachabilityFence(header);
  }

  /** Another channel answers the request received last, through this one's descriptor. */
  void lend() {
    lent.incrementAndGet();
  }

  /** It has. */
  void returned() {
    lent.decrementAndGet();
  }

  /** Whether the descriptor is needed by another channel. */
  boolean isLent() {
    return lent.get() != 0;
  }

  /** The descriptor requests are read from. */
  int descriptor() {
    return descriptor;
  }

  /** A copy of the request received last. */
  byte[] copyRequest(int length) {
    byte[] copy = new byte[length];
    request.get(0, copy);
    return copy;
  }

  /** Makes {@code bytes}, which another channel received, the request in work. */
  void adopt(byte[] bytes, int receivedFrom) {
    request.put(0, bytes);
    replyTo = receivedFrom;
  }

  /** The memory of the request; the data of a WRITE begins at {@link #REQUEST_DATA}. */
  DataBuffer requestMemory() {
    return requestMemory;
  }

  /** The request received last, from its header on. */
  ByteBuffer request() {
    return request;
  }

  int opcode() {
    return request.getInt(IN_OPCODE);
  }

  /** The memory a reply's data is put in, from {@link #REPLY_DATA} on. */
  DataBuffer reply() {
    return replyMemory;
  }

  /** Puts the offset of a SEEK reply at {@link #REPLY_DATA}. */
  void putReplyLong(long value) {
    replyHeader.putLong(REPLY_DATA, value);
  }

  /** Puts the count of a WRITE's reply at {@link #REPLY_DATA}. */
  void putReplyCount(int count) {
    replyHeader.putInt(REPLY_DATA, count);
    replyHeader.putInt(REPLY_DATA + 4, 0);
  }

  /** Answers the request with {@code dataLength} bytes of {@link #reply()}. */
  int replyData(int dataLength) {
    return replyNow(0, dataLength);
  }

  /**
   * Answers the request with a failure.
   *
   * @param errno positive
   */
  int replyError(int errno) {
    return replyNow(-errno, 0);
  }

  /** The errno that was answered since {@link #forgetError}; 0 for success. */
  int error() {
    return error;
  }

  /** Forgets what {@link #error} tells. */
  void forgetError() {
    error = 0;
  }

  private int replyNow(int negativeErrno, int dataLength) {
    int length = OUT_HEADER + dataLength;
    replyHeader.putInt(REPLY_HEADER + OUT_LENGTH, length);
    replyHeader.putInt(REPLY_HEADER + OUT_ERROR, negativeErrno);
    error = -negativeErrno;
    replyHeader.putLong(REPLY_HEADER + OUT_UNIQUE, request.getLong(IN_UNIQUE));
    long n = PosixCalls.write(replyTo, replyMemory.address() + REPLY_HEADER, length);
    return n < 0 ? -PosixCalls.errno() : 0;
  }

  /** Has libfuse answer the request. */
  void process(long session, int length) {
    FuseLibrary.process(session, requestMemory.address() + REQUEST_START, length, channel);
    Reference.reachabilityFence(this);
  }

  /** libfuse's replies: {@code int send(struct fuse_chan *ch, const struct iovec *iov, size_t)}. */
  @Override
  public void invoke(Closure.Buffer call) {
    long iov = call.getAddress(1);
    long count = call.getLong(2);
    if (iov == 0) {
      call.setIntReturn(0);
      return;
    }
    // The first part of struct iovec[] is the header of the reply.
    error = -MemoryIO.getInstance().getInt(MemoryIO.getInstance().getAddress(iov) + OUT_ERROR);
    int opcode = opcode();
    boolean changed = opcode == INIT || opcode == OPEN;
    long n = changed ? sendChanged(iov, count) : PosixCalls.writev(replyTo, iov, count);
    call.setIntReturn(n < 0 ? -PosixCalls.errno() : 0);
  }

  /** Sends a reply to which libfuse could not put all that we want in it. */
  private long sendChanged(long iov, long count) {
    MemoryIO memory = MemoryIO.getInstance();
    int length = 0;
    for (long i = 0; i < count; i++) {
      // struct iovec { void *base; size_t length }
      int part = (int) memory.getLong(iov + 16 * i + 8);
      if (length + part > changedReply.capacity()) {
        return PosixCalls.writev(replyTo, iov, count);
      }
      memory.copyMemory(memory.getAddress(iov + 16 * i), changedReply.address() + length, part);
      length += part;
    }
    if (opcode() == INIT) {
      length = InitNegotiation.improve(request, changedReplyBytes, length, kernel.writeback());
    } else if (length == OPEN_REPLY) {
      opened();
    }
    return PosixCalls.write(replyTo, changedReply.address(), length);
  }

  /** A file was opened: direct writes need not wait for one another; who writes is noted. */
  private void opened() {
    int flags = changedReplyBytes.getInt(OPEN_OUT_FLAGS);
    if ((flags & FOPEN_DIRECT_IO) != 0) {
      changedReplyBytes.putInt(OPEN_OUT_FLAGS, flags | FOPEN_PARALLEL_DIRECT_WRITES);
    }
    if ((request.getInt(OPEN_FLAGS) & O_ACCMODE) != PosixCalls.O_RDONLY) {
      kernel.openedForWriting(request.getLong(IN_NODE));
    }
  }

  /** Frees the channel and the clone; the thread that used it must have ended. */
  void close() {
    FuseLibrary.destroyChannel(channel);
    send.dispose();
    MemoryIO.getInstance().freeMemory(memory);
    if (ownsDescriptor) {
      PosixCalls.close(descriptor);
    }
  }

  /** Whether a failed reply means only that nobody waits for it any more. */
  static boolean isRequesterGone(int negativeErrno) {
    return negativeErrno == -Errno.ENOENT;
  }
}
