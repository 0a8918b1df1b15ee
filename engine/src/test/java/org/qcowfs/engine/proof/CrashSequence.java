package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.file.Path;
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
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.proof.GuestOperation.Allocate;
import org.qcowfs.engine.proof.GuestOperation.Flush;
import org.qcowfs.engine.proof.GuestOperation.Reopen;
import org.qcowfs.engine.proof.GuestOperation.Write;
import org.qcowfs.engine.proof.GuestOperation.Zero;
import org.qcowfs.engine.testing.CrashReplay;
import org.qcowfs.engine.testing.HostOperation;
import org.qcowfs.engine.testing.Journal;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;
import org.qcowfs.engine.testing.RecordingHostFiles;
import org.qcowfs.engine.testing.RefcountAudit;
import org.qcowfs.engine.testing.ReferenceDisk;

/** Requests on an image in memory, recorded; then every state a crash could have left is judged. */
final class CrashSequence {
  static final OpenOptions WRITABLE = OpenOptions.readOnly().withFormat("qcow2").withWritable(true);
  static final OpenOptions READABLE = OpenOptions.readOnly().withFormat("qcow2");

  private final Template template;
  private final Map<String, MemoryContent> before;
  private final ReferenceDisk model;
  private final LiveSnapshots snapshots;
  private final List<HostOperation> journal;
  private int states;
  private int leaky;

  private CrashSequence(
      Template template,
      Map<String, MemoryContent> before,
      ReferenceDisk model,
      LiveSnapshots snapshots,
      List<HostOperation> journal) {
    this.template = template;
    this.before = before;
    this.model = model;
    this.snapshots = snapshots;
    this.journal = journal;
  }

  /** Does the requests on a copy of the template in memory. */
  static CrashSequence record(Template template, List<GuestOperation> operations)
      throws IOException {
    MemoryHostFiles files = template.inMemory();
    Map<String, MemoryContent> before = files.copy();
    Journal journal = new Journal();
    HostFiles recording = new RecordingHostFiles(files, journal);
    ReferenceDisk model = new ReferenceDisk(template.content());
    LiveSnapshots snapshots = new LiveSnapshots(template.snapshots());
    Image image = Images.open(template.path(), WRITABLE, recording);
    for (GuestOperation operation : operations) {
      if (operation instanceof Reopen) {
        image.close();
        model.flushed(journal.size(), model.requests());
        image = Images.open(template.path(), WRITABLE, recording);
      } else {
        apply(image, operation, model, journal);
        int began = journal.size();
        byte[] applied = changeSnapshots(template, image, operation, model, snapshots, journal);
        if (applied != null) {
          model.write(began, 0, applied);
          image.close();
          model.flushed(journal.size(), model.requests());
          image = Images.open(template.path(), WRITABLE, recording);
        }
      }
    }
    image.close();
    model.flushed(journal.size(), model.requests());
    return new CrashSequence(template, before, model, snapshots, journal.operations());
  }

  private static byte @Nullable [] changeSnapshots(
      Template template,
      Image image,
      GuestOperation operation,
      ReferenceDisk model,
      LiveSnapshots snapshots,
      Journal journal)
      throws IOException {
    try {
      return snapshots.request(image, operation, model.now(), journal::size);
    } catch (ImageException e) {
      if (e.kind() != ErrorKind.NO_SPACE || template.shape().refcountBits() > 4) {
        throw e;
      }
      snapshots.undone(image);
      return null;
    }
  }

  private static void apply(
      Image image, GuestOperation operation, ReferenceDisk model, Journal journal)
      throws IOException {
    if (operation instanceof Write write) {
      model.write(journal.size(), write.offset(), write.data());
      GuestDisk.write(image, write);
    } else if (operation instanceof Zero zero) {
      model.zero(journal.size(), zero.offset(), zero.length());
      image.zero(zero.offset(), zero.length(), zero.unmap());
    } else if (operation instanceof Allocate allocate) {
      image.allocate(allocate.offset(), allocate.length());
    } else if (operation instanceof Flush) {
      image.flush();
      model.flushed(journal.size(), model.requests());
    }
  }

  /** The same requests with another journal: what a program without some rule would have done. */
  CrashSequence withJournal(List<HostOperation> other) {
    return new CrashSequence(template, before, model, snapshots, other);
  }

  List<HostOperation> journal() {
    return journal;
  }

  /** States judged so far. */
  int states() {
    return states;
  }

  /** States judged so far whose image had leaks. */
  int leaky() {
    return leaky;
  }

  /**
   * Judges the state after every prefix of the journal, and {@code cuts} power cuts at each.
   *
   * @param sample one in this many states is also judged by {@code qemu-img check}, and written on
   * @throws AssertionError naming the first state that is wrong
   */
  void judgeAll(long seed, int cuts, int sample) throws IOException {
    CrashReplay replay = new CrashReplay(before, journal);
    Random random = new Random(seed);
    do {
      judge(replay, replay.killed(), "killed", sample);
      for (int i = 0; i < Math.min(cuts, 2 * replay.pending()); i++) {
        judge(replay, replay.powerCut(random), "power cut " + i, sample);
      }
    } while (replay.advance());
  }

  private void judge(CrashReplay replay, MemoryHostFiles files, String how, int sample)
      throws IOException {
    int position = replay.position();
    states++;
    try {
      judge(files, position);
      if (states % sample == 0) {
        Path scratch = Path.of(template.path()).resolveSibling("crashed.qcow2");
        files.content(template.path()).store(scratch);
        Tool.check(scratch, true);
        writeOn(files, position);
      }
    } catch (IOException | RuntimeException | AssertionError e) {
      int from = Math.max(0, position - 24);
      StringBuilder message = new StringBuilder(how + " after operation " + position + ": ");
      message.append(e.getMessage()).append("\nthe last operations were:");
      for (int i = from; i < position; i++) {
        message.append("\n  ").append(i + 1).append(' ').append(journal.get(i));
      }
      throw new AssertionError(message.toString(), e);
    }
  }

  private void judge(MemoryHostFiles files, int position) throws IOException {
    RefcountAudit.Report report;
    try (HostFile file = files.open(template.path(), false)) {
      report = RefcountAudit.check(file);
    }
    if (!report.corruptions().isEmpty()) {
      throw new AssertionError("corruptions: " + report.corruptions());
    }
    if (!report.leaks().isEmpty()) {
      leaky++;
    }
    try (Image image = Images.open(template.path(), READABLE, files)) {
      model.verifyAfterCrash(position, GuestDisk.readAll(image));
      snapshots.verifyAfterCrash(image, position);
    }
  }

  /** After the crash the image is taken into use again, and stays sound. */
  private void writeOn(MemoryHostFiles files, int position) throws IOException {
    byte[] now;
    try (Image image = Images.open(template.path(), WRITABLE, files)) {
      now = GuestDisk.readAll(image);
      Random random = new Random(position);
      for (int i = 0; i < 6; i++) {
        byte[] data = new byte[1 + random.nextInt(Math.min(now.length, 70_000))];
        random.nextBytes(data);
        int offset = random.nextInt(now.length - data.length + 1);
        GuestDisk.write(image, offset, data);
        System.arraycopy(data, 0, now, offset, data.length);
      }
    }
    try (Image image = Images.open(template.path(), READABLE, files);
        HostFile file = files.open(template.path(), false)) {
      int at = Arrays.mismatch(now, GuestDisk.readAll(image));
      if (at >= 0) {
        throw new AssertionError(
            String.format("written on after the crash, byte 0x%x is wrong", at));
      }
      RefcountAudit.Report report = RefcountAudit.check(file);
      if (!report.corruptions().isEmpty()) {
        throw new AssertionError(
            "written on after the crash, corruptions: " + report.corruptions());
      }
    }
  }
}
