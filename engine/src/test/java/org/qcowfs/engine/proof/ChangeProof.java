package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.testing.CrashReplay;
import org.qcowfs.engine.testing.FaultyHostFiles;
import org.qcowfs.engine.testing.FaultyHostFiles.Fault;
import org.qcowfs.engine.testing.HostOperation;
import org.qcowfs.engine.testing.Journal;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RecordingHostFiles;
import org.qcowfs.engine.testing.RefcountAudit;

/**
 * One change of a whole image, in memory: it does what it should, every crash in the middle leaves
 * the disk as it was or as it was to be, and so does each call of the host that fails.
 */
final class ChangeProof {
  private static final int CUTS = 2;
  private static final int SAMPLE = 100;
  private static final long MOST_FAULTS = 20;

  /** What is done to the template's image. */
  @FunctionalInterface
  interface Change {
    void apply(String path, HostFiles files) throws IOException;
  }

  private final Template template;
  private final Change change;
  private final byte[] expected;
  private int states;

  private ChangeProof(Template template, Change change, byte[] expected) {
    this.template = template;
    this.change = change;
    this.expected = expected;
  }

  /**
   * Judges {@code change} on {@code template}, whose disk it makes {@code expected}.
   *
   * @return states of a crash that were judged
   */
  static int judge(Template template, Change change, byte[] expected) throws IOException {
    ChangeProof proof = new ChangeProof(template, change, expected);
    proof.crashes();
    proof.faults();
    return proof.states;
  }

  private void crashes() throws IOException {
    MemoryHostFiles files = template.inMemory();
    Map<String, MemoryContent> before = files.copy();
    Journal journal = new Journal();
    change.apply(template.path(), new RecordingHostFiles(files, journal));
    verify(files, List.of(expected), true);
    Path scratch = Path.of(template.path()).resolveSibling("changed.qcow2");
    files.content(template.path()).store(scratch);
    Tool.check(scratch, false);
    List<HostOperation> operations = journal.operations();
    CrashReplay replay = new CrashReplay(before, operations);
    Random random = new Random(operations.size());
    List<byte[]> allowed = List.of(template.content(), expected);
    do {
      crashed(replay, replay.killed(), "killed", allowed, operations);
      for (int i = 0; i < Math.min(CUTS, 2 * replay.pending()); i++) {
        crashed(replay, replay.powerCut(random), "power cut " + i, allowed, operations);
      }
    } while (replay.advance());
  }

  private void crashed(
      CrashReplay replay,
      MemoryHostFiles left,
      String how,
      List<byte[]> allowed,
      List<HostOperation> operations)
      throws IOException {
    states++;
    try {
      verify(left, allowed, false);
      if (states % SAMPLE == 0) {
        Path scratch = Path.of(template.path()).resolveSibling("crashed.qcow2");
        left.content(template.path()).store(scratch);
        Tool.check(scratch, true);
      }
    } catch (IOException | RuntimeException | AssertionError e) {
      StringBuilder message = new StringBuilder(how + " after operation " + replay.position());
      message.append(": ").append(e.getMessage()).append("\nthe last operations were:");
      for (int i = Math.max(0, replay.position() - 20); i < replay.position(); i++) {
        message.append("\n  ").append(i + 1).append(' ').append(operations.get(i));
      }
      throw new AssertionError(message.toString(), e);
    }
  }

  private void faults() throws IOException {
    for (int errno : List.of(Errno.EIO, Errno.ENOSPC)) {
      Set<FaultyHostFiles.Call> calls =
          errno == Errno.EIO ? FaultyHostFiles.CHANGES : FaultyHostFiles.GROWING;
      FaultyHostFiles counting = new FaultyHostFiles(template.inMemory());
      counting.arm(new Fault(calls, Long.MAX_VALUE, 0, 0, false));
      change.apply(template.path(), counting);
      long count = counting.counted();
      for (long n = 1; n <= count; n += Math.max(1, count / MOST_FAULTS)) {
        fault(new Fault(calls, n, 1, errno, false));
      }
    }
  }

  private void fault(Fault fault) throws IOException {
    MemoryHostFiles files = template.inMemory();
    FaultyHostFiles faulty = new FaultyHostFiles(files);
    faulty.arm(fault);
    ImageException failure = null;
    try {
      change.apply(template.path(), faulty);
    } catch (ImageException e) {
      failure = e;
    }
    String hit = String.valueOf(faulty.hit());
    try {
      if (failure == null) {
        verify(files, List.of(expected), false); // only a hole was not punched
      } else {
        boolean inDoubt = failure.kind() == ErrorKind.FAILED || hit.startsWith("SYNC");
        verify(files, List.of(template.content(), expected), false);
        if (!inDoubt && failure.errno() != fault.errno()) {
          throw new AssertionError("failed with " + failure.getMessage());
        }
      }
    } catch (IOException | RuntimeException | AssertionError e) {
      throw new AssertionError(fault + " hit " + hit + ": " + e.getMessage(), e);
    }
  }

  /** The disk is one of {@code allowed}, snapshots are as ever, and no metadata is damaged. */
  private void verify(MemoryHostFiles files, List<byte[]> allowed, boolean clean)
      throws IOException {
    for (String path : files.copy().keySet()) {
      if (path.endsWith(".qcow2")) {
        try (HostFile file = files.open(path, false)) {
          RefcountAudit.Report report = RefcountAudit.check(file);
          if (!report.corruptions().isEmpty() || clean && !report.clean()) {
            throw new AssertionError(path + ": " + report);
          }
        }
      }
    }
    try (Image image = Images.open(template.path(), CrashSequence.READABLE, files)) {
      byte[] now = GuestDisk.readAll(image);
      List<String> differences = new ArrayList<>();
      for (byte[] candidate : allowed) {
        differences.add(
            candidate.length == now.length
                ? "byte 0x" + Integer.toHexString(Arrays.mismatch(candidate, now))
                : "size " + now.length + " instead of " + candidate.length);
        if (Arrays.equals(candidate, now)) {
          if (template.shape().backing() == Shape.Backing.NONE) {
            snapshots(image); // over a backing file they change with it, as with QEMU
          }
          return;
        }
      }
      throw new AssertionError("the disk is wrong: " + differences);
    }
  }

  private void snapshots(Image image) throws IOException {
    for (SnapshotInfo snapshot : image.snapshots()) {
      byte[] now = GuestDisk.readAll(image.snapshot(snapshot));
      if (!Arrays.equals(now, template.snapshots().get(snapshot.name()))) {
        throw new AssertionError("snapshot " + snapshot.name() + " is wrong");
      }
    }
    if (image.snapshots().size() != template.snapshots().size()) {
      throw new AssertionError(image.snapshots().size() + " snapshots");
    }
  }
}
