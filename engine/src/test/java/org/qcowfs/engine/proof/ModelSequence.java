package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
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
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.RefcountAudit;
import org.qcowfs.engine.testing.ReferenceDisk;

/** Requests on a real image file, each compared with a byte array; then the judges look at it. */
final class ModelSequence {
  private static final OpenOptions WRITABLE =
      OpenOptions.readOnly().withFormat("qcow2").withWritable(true);

  private final Template template;
  private final Map<Path, MemoryContent> saved;

  ModelSequence(Template template) throws IOException {
    this.template = template;
    this.saved = template.saved();
  }

  /**
   * Restores the template's files, does the requests, and judges what is left.
   *
   * @throws AssertionError saying what is wrong
   */
  void run(List<GuestOperation> operations) throws IOException {
    for (Map.Entry<Path, MemoryContent> entry : saved.entrySet()) {
      entry.getValue().store(entry.getKey());
    }
    ReferenceDisk model = new ReferenceDisk(template.content());
    LiveSnapshots snapshots = new LiveSnapshots(template.snapshots());
    Image image = Images.open(template.path(), WRITABLE);
    try {
      for (int i = 0; i < operations.size(); i++) {
        GuestOperation operation = operations.get(i);
        try {
          if (operation instanceof Reopen) {
            image.close();
            audit();
            image = Images.open(template.path(), WRITABLE);
          } else {
            apply(image, operation, model);
            byte[] applied = changeSnapshots(image, operation, model, snapshots);
            if (applied != null) {
              model.write(0, 0, applied);
              image.close();
              audit();
              image = Images.open(template.path(), WRITABLE);
            }
          }
        } catch (IOException | AssertionError | RuntimeException e) {
          throw new AssertionError("request " + i + " (" + operation + "): " + e.getMessage(), e);
        }
      }
      model.verify(0, GuestDisk.readAll(image));
      GuestDisk.verifyHoles(image, model.now());
      snapshots.verify(image);
    } finally {
      image.close();
    }
    judge(model, snapshots);
  }

  private byte @Nullable [] changeSnapshots(
      Image image, GuestOperation operation, ReferenceDisk model, LiveSnapshots snapshots)
      throws IOException {
    try {
      return snapshots.request(image, operation, model.now(), () -> 0);
    } catch (ImageException e) {
      // Narrow refcounts cannot count another reference: nothing has happened then.
      if (e.kind() != ErrorKind.NO_SPACE || template.shape().refcountBits() > 4) {
        throw e;
      }
      snapshots.undone(image);
      return null;
    }
  }

  private static void apply(Image image, GuestOperation operation, ReferenceDisk model)
      throws IOException {
    int offset = 0;
    int length = 0;
    if (operation instanceof Write write) {
      model.write(0, write.offset(), write.data());
      GuestDisk.write(image, write);
      offset = write.offset();
      length = write.length();
    } else if (operation instanceof Zero zero) {
      model.zero(0, zero.offset(), zero.length());
      image.zero(zero.offset(), zero.length(), zero.unmap());
      offset = zero.offset();
      length = zero.length();
    } else if (operation instanceof Allocate allocate) {
      image.allocate(allocate.offset(), allocate.length());
      offset = allocate.offset();
      length = allocate.length();
    } else if (operation instanceof Flush) {
      image.flush();
    }
    int from = Math.max(0, offset - 8192);
    int to = Math.min(model.size(), offset + length + 8192);
    model.verify(from, GuestDisk.read(image, from, to - from));
  }

  private void audit() throws IOException {
    try (HostFile file = HostFiles.POSIX.open(template.path(), false)) {
      RefcountAudit.Report report = RefcountAudit.check(file);
      if (!report.clean()) {
        throw new AssertionError("audit: " + report);
      }
    }
  }

  private void judge(ReferenceDisk model, LiveSnapshots snapshots) throws IOException {
    audit();
    try (Image image = Images.open(template.path(), OpenOptions.readOnly().withFormat("qcow2"))) {
      model.verify(0, GuestDisk.readAll(image));
      GuestDisk.verifyHoles(image, model.now());
      snapshots.verify(image);
    }
    Path image = Path.of(template.path());
    Path raw = image.resolveSibling("model.raw");
    Files.write(raw, model.now());
    try {
      Tool.check(image, false);
      Tool.run("qemu-img", "compare", "-f", "qcow2", "-F", "raw", image.toString(), raw.toString())
          .ok();
      for (Map.Entry<String, byte[]> snapshot : snapshots.contents().entrySet()) {
        Files.delete(raw);
        String name = "snapshot.name=" + snapshot.getKey();
        Tool.run(
                "qemu-img",
                "convert",
                "-f",
                "qcow2",
                "-O",
                "raw",
                "-l",
                name,
                image.toString(),
                raw.toString())
            .ok();
        if (!Arrays.equals(Files.readAllBytes(raw), snapshot.getValue())) {
          throw new AssertionError("qemu-img sees another " + name);
        }
      }
    } finally {
      Files.deleteIfExists(raw);
    }
    for (Map.Entry<Path, MemoryContent> entry : saved.entrySet()) {
      String name = String.valueOf(entry.getKey().getFileName());
      byte[] found = Files.readAllBytes(entry.getKey());
      if (name.startsWith("base") && !Arrays.equals(found, entry.getValue().bytes())) {
        throw new AssertionError("backing file " + name + " has changed");
      }
      if (name.equals("data.raw")
          && template.shape().dataFile() == Shape.DataFile.RAW
          && !Arrays.equals(Arrays.copyOf(found, model.size()), model.now())) {
        throw new AssertionError("the raw data file is not the disk");
      }
    }
  }
}
