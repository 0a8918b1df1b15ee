package org.qcowfs.engine.testing;

import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.posix.Errno;

/**
 * Another host's files, of whose calls chosen ones fail.
 *
 * <p><b>Thread safety:</b> safe.
 */
public final class FaultyHostFiles extends ForwardingHostFiles {
  /** Calls that can fail. */
  public enum Call {
    READ,
    WRITE,
    SYNC,
    TRUNCATE,
    ALLOCATE,
    ZERO_RANGE,
    PUNCH_HOLE
  }

  /** The calls that change a file or make changes durable. */
  public static final Set<Call> CHANGES =
      Set.of(Call.WRITE, Call.SYNC, Call.TRUNCATE, Call.ALLOCATE, Call.ZERO_RANGE, Call.PUNCH_HOLE);

  /** The calls that need room on the host: what a full disk makes fail. */
  public static final Set<Call> GROWING =
      Set.of(Call.WRITE, Call.TRUNCATE, Call.ALLOCATE, Call.ZERO_RANGE);

  /**
   * What fails.
   *
   * @param calls the kinds of calls that are counted
   * @param first the first counted call that fails, from 1
   * @param count how many counted calls fail from there on
   * @param errno the host's reason
   * @param partly whether a failing write writes its first half before
   */
  public record Fault(Set<Call> calls, long first, long count, int errno, boolean partly) {}

  private @Nullable Fault fault;
  private boolean paused;
  private long counted;
  private @Nullable String hit;

  public FaultyHostFiles(HostFiles under) {
    super(under);
  }

  /** Counts from 0 again, with {@code next} to come, or nothing to fail. */
  public synchronized void arm(@Nullable Fault next) {
    fault = next;
    counted = 0;
    hit = null;
  }

  /** Neither counts nor fails calls from now on, or does so again. */
  public synchronized void pause(boolean pause) {
    paused = pause;
  }

  /** Counted calls since {@link #arm}. */
  public synchronized long counted() {
    return counted;
  }

  /** What failed first since {@link #arm}, or null. */
  public synchronized @Nullable String hit() {
    return hit;
  }

  private synchronized @Nullable Fault due(Call call, String path, long offset, long length) {
    Fault armed = fault;
    if (paused || armed == null || !armed.calls.contains(call)) {
      return null;
    }
    counted++;
    if (counted < armed.first || counted - armed.first >= armed.count) {
      return null;
    }
    if (hit == null) {
      String name = path.substring(path.lastIndexOf('/') + 1);
      hit = String.format("%s %s 0x%x+0x%x", call, name, offset, length);
    }
    return armed;
  }

  @Override
  ForwardingHostFile wrap(HostFile file) {
    return new Faulty(file);
  }

  private final class Faulty extends ForwardingHostFile {
    Faulty(HostFile under) {
      super(under);
    }

    private void step(Call call, long offset, long length) throws ImageException {
      Fault due = due(call, path(), offset, length);
      if (due != null) {
        throw failure(call, due.errno);
      }
    }

    private ImageException failure(Call call, int errno) {
      boolean full = errno == Errno.ENOSPC || errno == Errno.EDQUOT || errno == Errno.EFBIG;
      return new ImageException(
          full ? ErrorKind.NO_SPACE : ErrorKind.IO,
          path(),
          "Could not " + call.name().toLowerCase(Locale.ROOT) + ": " + Errno.text(errno),
          errno,
          null);
    }

    @Override
    public int read(long hostOffset, DataBuffer dst, int position, int length)
        throws ImageException {
      step(Call.READ, hostOffset, length);
      return super.read(hostOffset, dst, position, length);
    }

    @Override
    public void write(long hostOffset, DataBuffer src, int position, int length)
        throws ImageException {
      Fault due = due(Call.WRITE, path(), hostOffset, length);
      if (due != null) {
        int part = length / 2 / 512 * 512;
        if (due.partly && part > 0) {
          super.write(hostOffset, src, position, part);
        }
        throw failure(Call.WRITE, due.errno);
      }
      super.write(hostOffset, src, position, length);
    }

    @Override
    public void sync() throws ImageException {
      step(Call.SYNC, 0, 0);
      super.sync();
    }

    @Override
    public void truncate(long length) throws ImageException {
      step(Call.TRUNCATE, length, 0);
      super.truncate(length);
    }

    @Override
    public void allocate(long hostOffset, long length) throws ImageException {
      step(Call.ALLOCATE, hostOffset, length);
      super.allocate(hostOffset, length);
    }

    @Override
    public void zeroRange(long hostOffset, long length) throws ImageException {
      step(Call.ZERO_RANGE, hostOffset, length);
      super.zeroRange(hostOffset, length);
    }

    @Override
    public boolean punchHole(long hostOffset, long length) throws ImageException {
      step(Call.PUNCH_HOLE, hostOffset, length);
      return super.punchHole(hostOffset, length);
    }
  }
}
