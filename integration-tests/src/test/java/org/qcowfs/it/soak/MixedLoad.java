package org.qcowfs.it.soak;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.atomic.AtomicReference;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.write.Exerciser;

/**
 * One mount that lives as long as the run: the exerciser's reads, writes, mappings, holes and
 * syncs, with fio beside it, snapshots made and deleted, documents read.
 */
final class MixedLoad implements Load {
  private static final int SIZE = 96 << 20;
  private static final int REQUESTS = 3000;
  private static final int KEPT_SNAPSHOTS = 3;

  private record Snapshot(String name, String sum) {}

  private final String name;
  private final Path image;
  private final Served served;
  private final long seed;
  private final Deque<Snapshot> snapshots = new ArrayDeque<>();
  private String sum;
  private long requests;
  private long taken;
  private long deleted;

  private MixedLoad(String name, Path image, Served served, long seed) {
    this.name = name;
    this.image = image;
    this.served = served;
    this.seed = seed;
    this.sum = Sha256.ofFile(served.disk());
  }

  /** Writes into an image that has a base. */
  static MixedLoad intoImage(Path folder, long seed) throws IOException {
    Path base = base(folder, "rw-base.qcow2");
    Path image = folder.resolve("rw.qcow2");
    QemuImg.createOverlay(image, base.getFileName().toString(), "qcow2", "cluster_size=64k");
    return new MixedLoad("rw", image, Served.mount(image, folder.resolve("rw"), "--rw"), seed);
  }

  /** Writes into an overlay above an image. */
  static MixedLoad intoOverlay(Path folder, long seed) throws IOException {
    Path base = base(folder, "overlay-base.qcow2");
    Path overlay = folder.resolve("overlay.qcow2");
    Served served =
        Served.mount(
            base,
            folder.resolve("overlay"),
            "--overlay=" + overlay,
            "--overlay-options",
            "cluster_size=128k,extended_l2=on",
            "--cache=none",
            "--detect-zeroes=unmap");
    return new MixedLoad("overlay", overlay, served, seed);
  }

  private static Path base(Path folder, String file) {
    Path base = folder.resolve(file);
    QemuImg.create(base, SIZE, "cluster_size=32k");
    QemuIo.on(base).write(17, 0, 9 << 20).write(34, 40 << 20, 5 << 20).run();
    return base;
  }

  @Override
  public void round(int number) throws IOException, InterruptedException {
    same(served.disk(), sum, "the disk after a pause");
    exercise(seed + number);
    requests += REQUESTS;
    if (number % 3 == 0) {
      fio();
    }
    Run.ok("sync", "-f", served.disk().toString());
    sum = Sha256.ofFile(served.disk());
    snapshot(number);
    for (String document : List.of("map.json", "info.json", "stats.json", "check.json")) {
      if (Files.readString(served.point().resolve(document)).isEmpty()) {
        throw new AssertionError(name + ": " + document + " is empty");
      }
    }
    Run.ok("ls", "-lsR", served.point().toString());
  }

  private void snapshot(int number) throws IOException {
    Snapshot made = new Snapshot("round-" + number, sum);
    Files.createDirectory(folder(made));
    taken++;
    snapshots.add(made);
    same(folder(made).resolve("disk.raw"), made.sum(), "a new snapshot");
    if (snapshots.size() > KEPT_SNAPSHOTS) {
      Snapshot oldest = snapshots.remove();
      same(folder(oldest).resolve("disk.raw"), oldest.sum(), "an old snapshot");
      delete(oldest);
      deleted++;
    }
  }

  /** The kernel tells of a closed file when it has time: until then the snapshot is in use. */
  private void delete(Snapshot oldest) throws IOException {
    AtomicReference<IOException> failure = new AtomicReference<>();
    Await.until(
        "no file of the snapshot is open",
        () -> {
          try {
            Files.delete(folder(oldest));
            return true;
          } catch (IOException e) {
            failure.set(e);
            return !String.valueOf(e.getMessage()).contains("busy");
          }
        });
    IOException last = failure.get();
    if (Files.exists(folder(oldest))) {
      throw last == null ? new IOException("not deleted") : last;
    }
  }

  private Path folder(Snapshot snapshot) {
    return served.point().resolve("snapshots").resolve(snapshot.name());
  }

  private void same(Path disk, String expected, String what) {
    if (!Sha256.ofFile(disk).equals(expected)) {
      throw new AssertionError(name + ": " + what + " (" + disk + ") has changed");
    }
  }

  /** In a process of its own, because a mapping lasts as long as its process. */
  private void exercise(long with) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-ea", "-cp", System.getProperty("java.class.path")));
    command.add(Exerciser.class.getName());
    command.addAll(
        List.of(served.disk().toString(), Integer.toString(REQUESTS), Long.toString(with)));
    Run.run(Run.PATIENCE, command).orFail();
  }

  private void fio() {
    Run.ok(
        "fio",
        "--name=soak",
        "--filename=" + served.disk(),
        "--rw=randwrite",
        "--bs=4k-64k",
        "--size=" + SIZE,
        "--io_size=24m",
        "--numjobs=1",
        "--ioengine=psync",
        "--direct=1",
        "--verify=crc32c",
        "--do_verify=1",
        "--verify_fatal=1",
        "--verify_state_save=0",
        "--fsync=64");
  }

  @Override
  public List<Long> processes() {
    return List.of(served.pid());
  }

  @Override
  public String done() {
    return name
        + ": "
        + requests
        + " requests of the exerciser, "
        + taken
        + " snapshots made, "
        + deleted
        + " deleted";
  }

  @Override
  public void close() throws IOException {
    served.unmount().orFail();
    Run.ok("qemu-img", "check", image.toString());
    for (Snapshot snapshot : snapshots) {
      Path raw = image.resolveSibling("snapshot.raw");
      QemuImg.snapshotToRaw(image, snapshot.name(), raw);
      same(raw, snapshot.sum(), "snapshot " + snapshot.name() + " for qemu-img");
    }
    Path raw = image.resolveSibling("disk.raw");
    QemuImg.toRaw(image, "qcow2", raw);
    same(raw, sum, "the disk for qemu-img");
  }
}
