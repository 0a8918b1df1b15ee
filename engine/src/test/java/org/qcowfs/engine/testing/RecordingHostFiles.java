package org.qcowfs.engine.testing;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;

/**
 * Another host's files, with every change and sync that succeeded written into one {@link Journal}.
 *
 * <p>A call and its journal entry are one step: the order in the journal is the order in which the
 * host saw the calls, also with several threads.
 */
public final class RecordingHostFiles extends ForwardingHostFiles {
  private final Journal journal;

  public RecordingHostFiles(HostFiles under, Journal journal) {
    super(under);
    this.journal = journal;
  }

  @Override
  ForwardingHostFile wrap(HostFile file) {
    return new Recorder(file, journal);
  }

  private static final class Recorder extends ForwardingHostFile {
    private final Journal journal;

    Recorder(HostFile under, Journal journal) {
      super(under);
      this.journal = journal;
    }

    private void record(HostOperation.Kind kind, long offset, long length) {
      record(kind, offset, length, new byte[0]);
    }

    private void record(HostOperation.Kind kind, long offset, long length, byte[] data) {
      journal.add(new HostOperation(path(), kind, offset, length, data));
    }

    @Override
    public void write(long hostOffset, DataBuffer src, int position, int length)
        throws ImageException {
      byte[] data = new byte[length];
      src.bytes().get(position, data);
      synchronized (journal) {
        super.write(hostOffset, src, position, length);
        record(HostOperation.Kind.WRITE, hostOffset, length, data);
      }
    }

    @Override
    public void sync() throws ImageException {
      synchronized (journal) {
        super.sync();
        record(HostOperation.Kind.SYNC, 0, 0);
      }
    }

    @Override
    public void truncate(long length) throws ImageException {
      synchronized (journal) {
        super.truncate(length);
        record(HostOperation.Kind.TRUNCATE, length, 0);
      }
    }

    @Override
    public void allocate(long hostOffset, long length) throws ImageException {
      synchronized (journal) {
        super.allocate(hostOffset, length);
        record(HostOperation.Kind.ALLOCATE, hostOffset, length);
      }
    }

    @Override
    public void zeroRange(long hostOffset, long length) throws ImageException {
      synchronized (journal) {
        super.zeroRange(hostOffset, length);
        record(HostOperation.Kind.ZERO_RANGE, hostOffset, length);
      }
    }

    @Override
    public boolean punchHole(long hostOffset, long length) throws ImageException {
      synchronized (journal) {
        boolean done = super.punchHole(hostOffset, length);
        if (done) {
          record(HostOperation.Kind.PUNCH_HOLE, hostOffset, length);
        }
        return done;
      }
    }
  }
}
