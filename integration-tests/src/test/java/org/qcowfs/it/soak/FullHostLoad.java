package org.qcowfs.it.soak;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;

/**
 * An image on a host file system that is too small: writes fail in the middle, what was written
 * before stays right, room is made, and the rest follows; the mount lives all the time.
 */
final class FullHostLoad implements Load {
  private static final int CHUNK = 64 << 10;
  private static final int CHUNKS = 256;
  private static final int HOST_BYTES = 12 << 20;

  private final Path host;
  private final Path ballast;
  private final Path image;
  private final Served served;
  private final int[] model = new int[CHUNKS];
  private int generation;
  private int failures;

  FullHostLoad(Path folder) throws IOException {
    host = Files.createDirectories(folder.resolve("small"));
    Run.ok("mount", "-t", "tmpfs", "-o", "size=" + HOST_BYTES, "tmpfs", host.toString());
    ballast = host.resolve("ballast");
    image = host.resolve("image.qcow2");
    QemuImg.create(image, (long) CHUNK * CHUNKS);
    served = Served.mount(image, folder.resolve("full"), "--rw", "--cache=none");
  }

  @Override
  public void round(int number) throws IOException {
    // What the last round wrote goes, and what is left of the host gets smaller by turns.
    try (RandomAccessFile file = new RandomAccessFile(served.disk().toFile(), "rw")) {
      Run.ok("fallocate", "-p", "-o", "0", "-l", "" + CHUNK * CHUNKS, served.disk().toString());
      Arrays.fill(model, 0);
      file.getFD().sync();
      Files.write(ballast, new byte[(number % 8) << 20]);
      generation++;
      boolean failed = false;
      for (int chunk = 0; chunk < CHUNKS && !failed; chunk++) {
        failed = !write(file, chunk);
      }
      failures += failed ? 1 : 0;
      if (!failed) {
        throw new AssertionError("16 MiB went into a file system of 12 MiB");
      }
      verify(file, true);
      Files.delete(ballast);
      if (number % 8 > 1 && !write(file, firstEmpty())) {
        throw new AssertionError("there is room again, but a write fails");
      }
      file.getFD().sync();
      verify(file, false);
    }
  }

  private int firstEmpty() {
    int chunk = 0;
    while (model[chunk] != 0) {
      chunk++;
    }
    return chunk;
  }

  /** Whether a chunk could be written; the one that could not holds what it likes. */
  private boolean write(RandomAccessFile file, int chunk) throws IOException {
    file.seek((long) chunk * CHUNK);
    try {
      file.write(content(chunk, generation));
      file.getFD().sync();
      model[chunk] = generation;
      return true;
    } catch (IOException e) {
      if (!String.valueOf(e.getMessage()).contains("No space left")
          && !String.valueOf(e.getMessage()).contains("sync failed")) {
        throw e;
      }
      model[chunk] = -1;
      return false;
    }
  }

  private void verify(RandomAccessFile file, boolean full) throws IOException {
    byte[] found = new byte[CHUNK];
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      if (model[chunk] < 0) {
        continue;
      }
      file.seek((long) chunk * CHUNK);
      file.readFully(found);
      byte[] expected = model[chunk] == 0 ? new byte[CHUNK] : content(chunk, model[chunk]);
      if (!Arrays.equals(found, expected)) {
        throw new AssertionError(
            "chunk " + chunk + " is wrong on a host that " + (full ? "is full" : "was full"));
      }
    }
  }

  private static byte[] content(int chunk, int generation) {
    byte[] content = new byte[CHUNK];
    new Random((long) chunk << 32 | generation).nextBytes(content);
    return content;
  }

  @Override
  public List<Long> processes() {
    return List.of(served.pid());
  }

  @Override
  public String done() {
    return "full host: " + failures + " times out of space";
  }

  @Override
  public void close() throws IOException {
    try {
      served.unmount().orFail();
      Run.ok("qemu-img", "check", image.toString());
    } finally {
      Run.run(Run.PATIENCE, List.of("umount", "-l", host.toString()));
    }
  }
}
