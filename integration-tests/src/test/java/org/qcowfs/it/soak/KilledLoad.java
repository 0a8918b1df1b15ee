package org.qcowfs.it.soak;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;

/**
 * A mount that is killed while it is written to, mounted again, and looked at: what was synced is
 * there, what was not is old or new, and the image has leaks at most.
 */
final class KilledLoad implements Load {
  private static final int BLOCK = 4096;
  private static final int BLOCKS = 4096;
  private static final int PER_ROUND = 600;

  private final Path image;
  private final Path point;
  private final Random random;

  /** What each block holds durably: the number of its write. */
  private final int[] durable = new int[BLOCKS];

  private int writes;
  private int kills;

  KilledLoad(Path folder, long seed) {
    image = folder.resolve("killed.qcow2");
    point = folder.resolve("killed");
    random = new Random(seed);
    QemuImg.create(image, (long) BLOCK * BLOCKS * 16, "cluster_size=64k", "lazy_refcounts=on");
  }

  @Override
  public void round(int number) throws IOException {
    Served served = Served.mount(image, point, "--rw");
    Map<Integer, Set<Integer>> unsynced = new HashMap<>();
    RandomAccessFile file = new RandomAccessFile(served.disk().toFile(), "rw");
    try {
      write(file, unsynced);
    } finally {
      served.kill();
      kills++;
      closeDead(file);
    }
    int code = QemuImg.run("check", image.toString()).exitCode();
    if (code != 0 && code != 3) {
      throw new AssertionError("after a kill qemu-img check says " + code);
    }
    verify(unsynced);
    Run.ok("qemu-img", "check", image.toString());
  }

  private void write(RandomAccessFile file, Map<Integer, Set<Integer>> unsynced)
      throws IOException {
    int last = random.nextInt(PER_ROUND);
    for (int i = 0; i <= last; i++) {
      int block = random.nextInt(BLOCKS);
      writes++;
      unsynced.computeIfAbsent(block, b -> new HashSet<>()).add(writes);
      file.seek((long) block * BLOCK * 16);
      file.write(content(block, writes));
      if (random.nextInt(40) == 0) {
        file.getFD().sync();
        unsynced.forEach(
            (b, values) -> durable[b] = values.stream().mapToInt(v -> v).max().orElseThrow());
        unsynced.clear();
      }
    }
  }

  /** Nobody serves it any more: closing reports that, and closes. */
  private static void closeDead(RandomAccessFile file) {
    try {
      file.close();
    } catch (IOException e) {
      // Transport endpoint is not connected.
    }
  }

  /** Mounts again, which repairs, and takes what is found for durable. */
  private void verify(Map<Integer, Set<Integer>> unsynced) throws IOException {
    Served served = Served.mount(image, point, "--rw");
    try (RandomAccessFile file = new RandomAccessFile(served.disk().toFile(), "r")) {
      byte[] found = new byte[BLOCK];
      for (int block = 0; block < BLOCKS; block++) {
        file.seek((long) block * BLOCK * 16);
        file.readFully(found);
        if (Arrays.equals(found, content(block, durable[block]))) {
          continue;
        }
        int was = -1;
        for (int write : unsynced.getOrDefault(block, Set.of())) {
          if (Arrays.equals(found, content(block, write))) {
            was = write;
          }
        }
        if (was < 0) {
          throw new AssertionError(
              "block " + block + " lost write " + durable[block] + " after kill " + kills);
        }
        durable[block] = was;
      }
    }
    served.unmount().orFail();
  }

  private static byte[] content(int block, int write) {
    byte[] content = new byte[BLOCK];
    if (write > 0) {
      new Random((long) block << 32 | write).nextBytes(content);
    }
    return content;
  }

  @Override
  public String done() {
    return "killed: " + kills + " times, after " + writes + " writes";
  }

  @Override
  public void close() {
    Run.ok("qemu-img", "check", image.toString());
  }
}
