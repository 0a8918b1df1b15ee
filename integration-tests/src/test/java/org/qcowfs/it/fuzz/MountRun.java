package org.qcowfs.it.fuzz;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.List;
import java.util.Random;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.fuse.ImageMount;
import org.qcowfs.fuse.MountOptions;
import org.qcowfs.fuse.tree.WritePolicy;

/** Mounts a damaged image and uses it through the kernel. */
final class MountRun {
  private static final int PAGE = 4096;
  private static final int MOST_DOCUMENT = 1 << 20;

  private final Disks disks;
  private final Verdict verdict;
  private final Random random;

  MountRun(Disks disks, Verdict verdict, Random random) {
    this.disks = disks;
    this.verdict = verdict;
    this.random = random;
  }

  /** What is done with a mount. */
  @FunctionalInterface
  private interface Use {
    void use(Path point) throws Exception;
  }

  /** Mounts {@code image} for reading, reads of everything in it, and closes it. */
  void read(Image image) throws Exception {
    mounted(image, null, point -> tree(image, point));
  }

  /** Mounts {@code image} for writing, writes, and closes it. */
  void write(Image image) throws Exception {
    mounted(image, WritePolicy.DEFAULT, point -> change(image, point));
  }

  private void mounted(Image image, @org.jspecify.annotations.Nullable WritePolicy writing, Use use)
      throws Exception {
    try (image) {
      Path point = disks.mountPoint();
      MountOptions options = new MountOptions(point, image.path(0), writing, List.of());
      ImageMount mount = ImageMount.start(image, options, line -> verdict.harmless(line, false));
      try {
        use.use(point);
      } finally {
        mount.unmount();
        mount.await();
      }
    }
  }

  private void tree(Image image, Path point) throws IOException {
    pages(image, point.resolve("disk.raw"));
    Files.walkFileTree(
        point,
        new SimpleFileVisitor<>() {
          private int seen;

          @Override
          public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes) {
            verdict.harmless(String.valueOf(folder.getFileName()), false);
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            verdict.harmless(String.valueOf(file.getFileName()), false);
            if (file.toString().endsWith(".json")) {
              document(file);
            } else {
              some(file);
            }
            return ++seen > 100 ? FileVisitResult.TERMINATE : FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            ioError(file, e);
            return FileVisitResult.CONTINUE;
          }
        });
  }

  private void document(Path path) throws IOException {
    try (var in = Files.newInputStream(path)) {
      verdict.ascii(in.readNBytes(MOST_DOCUMENT));
    } catch (IOException e) {
      ioError(path, e);
    }
  }

  private void some(Path path) throws IOException {
    ByteBuffer page = ByteBuffer.allocateDirect(PAGE);
    try (FileChannel file = FileChannel.open(path)) {
      for (int i = 0; i < 4 && file.size() > 0; i++) {
        page.clear();
        file.read(page, random.nextLong(file.size()) / PAGE * PAGE);
      }
    } catch (IOException e) {
      ioError(path, e);
    }
  }

  private void ioError(Path path, IOException e) {
    if (!String.valueOf(e.getMessage()).contains("Input/output error")) {
      verdict.fault(path + ": " + e);
    }
  }

  /** The kernel shows the bytes that the engine reads, or neither can. */
  private void pages(Image image, Path path) throws IOException {
    ByteBuffer page = ByteBuffer.allocateDirect(PAGE);
    DataBuffer wanted = DataBuffer.allocate(PAGE);
    try (FileChannel file = FileChannel.open(path)) {
      if (file.size() != image.size()) {
        verdict.fault("the mounted disk has " + file.size() + " bytes");
      }
      long pages = Math.max(1, image.size() / PAGE);
      for (int i = 0; i < 60; i++) {
        long at = (i < 30 ? i % pages : random.nextLong(pages)) * PAGE;
        int length = (int) Math.min(PAGE, image.size() - at);
        page.clear().limit(length);
        boolean readable = true;
        try {
          image.read(at, wanted, 0, length);
        } catch (ImageException e) {
          readable = false;
        }
        try {
          while (page.hasRemaining() && file.read(page, at + page.position()) > 0) {}
        } catch (IOException e) {
          ioError(path, e);
          if (readable) {
            verdict.fault("readable, but not through the mount, at " + at);
          }
          continue;
        }
        if (!readable && page.position() == length && length > 0) {
          verdict.fault("not readable, but through the mount it is, at " + at);
        } else if (readable
            && !page.flip().equals(wanted.bytes().duplicate().position(0).limit(length))) {
          verdict.fault("other bytes through the mount at " + at);
        }
      }
    }
  }

  private void change(Image image, Path point) {
    byte[] bytes = new byte[1 + random.nextInt(64 << 10)];
    random.nextBytes(bytes);
    try (FileChannel file =
        FileChannel.open(
            point.resolve("disk.raw"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
      for (int i = 0; i < 8 && image.size() > bytes.length; i++) {
        long near = Math.min(image.size() - bytes.length, 32L << 20);
        file.write(ByteBuffer.wrap(bytes), random.nextLong(near));
      }
      file.force(false);
    } catch (IOException e) {
      failed(e);
    }
    try {
      Files.createDirectory(point.resolve("snapshots").resolve("made"));
      Files.delete(point.resolve("snapshots").resolve("made"));
    } catch (IOException e) {
      failed(e);
    }
  }

  private void failed(IOException e) {
    verdict.harmless(String.valueOf(e.getMessage()), false);
  }
}
