package org.qcowfs.engine.proof;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.proof.GuestOperation.Allocate;
import org.qcowfs.engine.proof.GuestOperation.Flush;
import org.qcowfs.engine.proof.GuestOperation.Write;
import org.qcowfs.engine.proof.GuestOperation.Zero;
import org.qcowfs.engine.testing.CrashReplay;
import org.qcowfs.engine.testing.FaultyHostFiles;
import org.qcowfs.engine.testing.FaultyHostFiles.Fault;
import org.qcowfs.engine.testing.Journal;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RecordingHostFiles;
import org.qcowfs.engine.testing.RefcountAudit;
import org.qcowfs.engine.testing.ReferenceDisk;

/** Requests on an image in memory of whose host's calls some fail. */
final class FaultSequence {
  private final Template template;
  private final MemoryHostFiles files;
  private final Map<String, MemoryContent> before;
  private final Journal journal = new Journal();
  private final FaultyHostFiles faulty;
  private final ReferenceDisk model;
  private final LiveSnapshots snapshots;
  private final Image image;
  private boolean failed;

  private FaultSequence(Template template) throws IOException {
    this.template = template;
    files = template.inMemory();
    before = files.copy();
    faulty = new FaultyHostFiles(new RecordingHostFiles(files, journal));
    model = new ReferenceDisk(template.content());
    snapshots = new LiveSnapshots(template.snapshots());
    image = Images.open(template.path(), CrashSequence.WRITABLE, faulty);
  }

  /** Calls of {@code kinds} that the requests make, the close not counted. */
  static long count(
      Template template, List<GuestOperation> operations, java.util.Set<FaultyHostFiles.Call> kinds)
      throws IOException {
    FaultSequence sequence = new FaultSequence(template);
    sequence.faulty.arm(new Fault(kinds, Long.MAX_VALUE, 0, 0, false));
    for (GuestOperation operation : operations) {
      sequence.request(operation);
    }
    long counted = sequence.faulty.counted();
    sequence.image.close();
    return counted;
  }

  /**
   * Does the requests while {@code fault} is armed; a request that fails is followed by others that
   * must succeed, unless a sync has failed: then none that changes anything may.
   *
   * @return what failed, or null if nothing did
   */
  static @Nullable String run(Template template, List<GuestOperation> operations, Fault fault)
      throws IOException {
    FaultSequence sequence = new FaultSequence(template);
    sequence.faulty.arm(fault);
    String hit = null;
    try {
      for (GuestOperation operation : operations) {
        sequence.step(operation, fault);
      }
      hit = sequence.faulty.hit();
      sequence.finish(fault);
      return hit;
    } catch (IOException | RuntimeException | AssertionError e) {
      throw new AssertionError(fault + " hit " + sequence.faulty.hit() + ": " + e.getMessage(), e);
    }
  }

  private void step(GuestOperation operation, Fault fault) throws IOException {
    int began = journal.size();
    ImageException failure = null;
    try {
      request(operation);
    } catch (ImageException e) {
      failure = e;
    }
    if (failure == null) {
      if (failed && !(operation instanceof Allocate) && !snapshots.isVoid(operation)) {
        throw new AssertionError(operation + " succeeded although the image is FAILED");
      }
      succeeded(operation, began);
      return;
    }
    if (faulty.hit() == null) {
      throw new AssertionError(operation + " failed without a fault: " + failure.getMessage());
    }
    // Only what leaves the file in doubt is final: a failed sync, or a failed write of the header.
    String hit = String.valueOf(faulty.hit());
    boolean inDoubt =
        hit.startsWith("SYNC")
            || hit.contains("disk.qcow2 0x30+")
            || hit.contains("disk.qcow2 0x18+");
    if (failed) {
      if (failure.kind() != ErrorKind.FAILED) {
        throw new AssertionError(operation + " failed with " + failure.kind() + ", not FAILED");
      }
      return;
    }
    if (failure.kind() == ErrorKind.CORRUPT) {
      throw new AssertionError(operation + " calls the image corrupt: " + failure.getMessage());
    }
    if (failure.errno() != fault.errno() && failure.kind() != ErrorKind.FAILED) {
      throw new AssertionError(
          operation + " failed with errno " + failure.errno() + ", the host with " + fault.errno());
    }
    if (operation instanceof Write write) {
      model.failed(began, write.offset(), write.data(), found(write.offset(), write.length()));
    } else if (operation instanceof Zero zero) {
      model.failed(
          began, zero.offset(), new byte[zero.length()], found(zero.offset(), zero.length()));
    }
    failed = inDoubt || failure.kind() == ErrorKind.FAILED && hit.startsWith("READ");
    if (!failed) {
      snapshots.undone(image);
    }
    if (fault.count() == 1 && !failed) {
      repeat(operation);
    }
  }

  /** After one failure there is room again: the same request succeeds. */
  private void repeat(GuestOperation operation) throws IOException {
    int began = journal.size();
    request(operation);
    succeeded(operation, began);
  }

  private void succeeded(GuestOperation operation, int began) throws IOException {
    if (operation instanceof Write write) {
      model.write(began, write.offset(), write.data());
      model.verify(write.offset(), found(write.offset(), write.length()));
    } else if (operation instanceof Zero zero) {
      model.zero(began, zero.offset(), zero.length());
      model.verify(zero.offset(), found(zero.offset(), zero.length()));
    } else if (operation instanceof Flush) {
      model.flushed(journal.size(), model.requests());
    }
  }

  private byte[] found(int offset, int length) throws ImageException {
    faulty.pause(true);
    try {
      return GuestDisk.read(image, offset, length);
    } finally {
      faulty.pause(false);
    }
  }

  private void request(GuestOperation operation) throws ImageException {
    if (operation instanceof Write write) {
      GuestDisk.write(image, write);
    } else if (operation instanceof Zero zero) {
      image.zero(zero.offset(), zero.length(), zero.unmap());
    } else if (operation instanceof Allocate allocate) {
      image.allocate(allocate.offset(), allocate.length());
    } else if (operation instanceof Flush) {
      image.flush();
    } else {
      snapshots.request(image, operation, model.now(), journal::size);
    }
  }

  private void finish(Fault fault) throws IOException {
    model.verify(0, found(0, model.size())); // reads go on whatever failed
    faulty.arm(null);
    boolean closed = true;
    try {
      image.close();
      model.flushed(journal.size(), model.requests());
    } catch (ImageException e) {
      closed = false;
      if (!failed) {
        throw new AssertionError("close failed: " + e.getMessage(), e);
      }
    }
    if (failed && closed) {
      throw new AssertionError("close succeeded although the image is FAILED");
    }
    judge(files, closed);
    CrashReplay replay = new CrashReplay(before, journal.operations());
    Random random = new Random(fault.first());
    while (replay.advance()) {
      if (random.nextInt(Math.max(8, journal.size() / 12)) == 0) {
        judgeCrash(replay, replay.killed());
        judgeCrash(replay, replay.powerCut(random));
      }
    }
  }

  private void judge(MemoryHostFiles left, boolean closed) throws IOException {
    audit(left);
    try (Image again = Images.open(template.path(), CrashSequence.READABLE, left)) {
      byte[] all = GuestDisk.readAll(again);
      if (closed) {
        int at = Arrays.mismatch(all, model.now());
        if (at >= 0) {
          throw new AssertionError(String.format("after the close byte 0x%x is wrong", at));
        }
      } else {
        model.verifyAfterCrash(journal.size() + 1, all);
      }
      snapshots.verifyAfterCrash(again, journal.size() + 1);
    }
  }

  private void judgeCrash(CrashReplay replay, MemoryHostFiles left) throws IOException {
    audit(left);
    try (Image again = Images.open(template.path(), CrashSequence.READABLE, left)) {
      model.verifyAfterCrash(replay.position(), GuestDisk.readAll(again));
      snapshots.verifyAfterCrash(again, replay.position());
    }
  }

  private void audit(MemoryHostFiles left) throws IOException {
    try (HostFile file = left.open(template.path(), false)) {
      RefcountAudit.Report report = RefcountAudit.check(file);
      if (!report.corruptions().isEmpty()) {
        throw new AssertionError("corruptions: " + report.corruptions());
      }
    }
  }
}
