package org.qcowfs.it.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import org.qcowfs.it.storage.BadStorage;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;

/**
 * A sequential reader of an image on storage whose every request takes 5 ms: the tests' own file
 * system, cached by the kernel as NFS is, and uncached. The ceiling's place has the raw file on the
 * same storage, opened with O_DIRECT where the kernel caches: one request of 1 MiB at a time.
 */
final class SlowBench {
  private static final int LATENCY_MILLIS = 5;
  private static final int MIB = 1 << 20;
  private static final int SIZE = 256 * MIB;

  private final Path scratch;
  private final int rounds;
  private final Table table;

  SlowBench(Path scratch, int rounds, Table table) {
    this.scratch = scratch;
    this.rounds = rounds;
    this.table = table;
  }

  void run() throws IOException {
    Path real = Files.createDirectories(scratch.resolve("slow"));
    byte[] bytes = new byte[SIZE];
    new Random(1).nextBytes(bytes);
    Path raw = Files.write(real.resolve("base.raw"), bytes);
    Path qcow2 = real.resolve("base.qcow2");
    QemuImg.run("convert", "-O", "qcow2", raw.toString(), qcow2.toString());
    Path point = Files.createDirectories(scratch.resolve("far"));
    try (BadStorage storage = BadStorage.mount(real, point)) {
      storage.faults().setLatencyMillis(LATENCY_MILLIS);
      for (boolean cached : new boolean[] {true, false}) {
        storage.faults().setCached(cached);
        Path far = storage.path("base.qcow2");
        String name = "dd bs=1M, 5 ms a request" + (cached ? ", cached by the kernel" : "");
        table.add(
            new Rounds(name, "MiB/s", false)
                .with(() -> read(Peer.qcowfs(far, "qcow2", scratch)))
                .with(() -> read(Peer.qemu(far, "qcow2", scratch)))
                .with(
                    () -> read(storage.path("base.raw"), cached ? "iflag=direct" : "iflag=nocache"))
                .measure(rounds));
      }
    } finally {
      if (Mounted.isMountPoint(point)) {
        Run.ok("umount", "-l", point.toString());
      }
    }
  }

  /** Of a mount of its own: what was read before it does not count. */
  private static double read(Peer peer) {
    try (peer) {
      return read(peer.file(), "iflag=fullblock");
    }
  }

  private static double read(Path file, String how) {
    long begin = System.nanoTime();
    Run.ok("dd", "if=" + file, "of=/dev/null", "bs=1M", "status=none", how);
    return SIZE / (double) MIB / ((System.nanoTime() - begin) / 1e9);
  }
}
