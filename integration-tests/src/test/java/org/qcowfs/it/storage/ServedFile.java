package org.qcowfs.it.storage;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.fuse.tree.FileContent;
import org.qcowfs.fuse.tree.WritableContent;
import org.qcowfs.it.storage.Faults.Call;

/** An open file of a {@link BadStorage}. */
class ServedFile implements FileContent {
  private final PosixHostFile file;
  private final Faults faults;
  private final int generation;

  ServedFile(PosixHostFile file, Faults faults) {
    this.file = file;
    this.faults = faults;
    this.generation = faults.generation();
  }

  final PosixHostFile file() {
    return file;
  }

  final void check(Call call) throws ImageException {
    Faults.check(faults.errno(call));
    Faults.check(generation == faults.generation() ? 0 : Errno.ESTALE);
  }

  @Override
  public long size() throws ImageException {
    return file.length();
  }

  @Override
  public void read(long offset, DataBuffer dst, int position, int length) throws ImageException {
    faults.beginRead(length);
    try {
      check(Call.READ);
      int got = file.read(offset, dst, position, length);
      dst.zero(position + got, length - got);
    } finally {
      faults.endRead(length);
    }
  }

  @Override
  public long nextData(long offset) throws ImageException {
    faults.awaitRelease(Call.SEEK);
    check(Call.SEEK);
    if (!faults.isSeekable()) {
      return offset;
    }
    long found = file.nextData(offset);
    return found == Long.MAX_VALUE ? -1 : found;
  }

  @Override
  public long nextHole(long offset) throws ImageException {
    faults.awaitRelease(Call.SEEK);
    check(Call.SEEK);
    return faults.isSeekable() ? Math.min(file.nextHole(offset), file.length()) : file.length();
  }

  @Override
  public void released() throws ImageException {
    file.close();
  }

  /** One that can be written to, past its end too. */
  static final class Writer extends ServedFile implements WritableContent {
    /** The driver cuts what is asked for to the size; the file has none yet. */
    private static final long NO_END = 1L << 60;

    Writer(PosixHostFile file, Faults faults) {
      super(file, faults);
    }

    @Override
    public long size() {
      return NO_END;
    }

    @Override
    public void write(long offset, DataBuffer src, int position, int length, boolean durable)
        throws ImageException {
      check(Call.WRITE);
      file().write(offset, src, position, length);
    }

    @Override
    public void zero(long offset, long length) throws ImageException {
      allocate(offset, length);
    }

    @Override
    public void allocate(long offset, long length) throws ImageException {
      check(Call.FALLOCATE);
      Faults.check(Errno.EOPNOTSUPP);
    }

    @Override
    public void outgrown() {}
  }
}
