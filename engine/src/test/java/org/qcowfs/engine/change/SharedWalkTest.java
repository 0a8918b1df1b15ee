package org.qcowfs.engine.change;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.work.Crew;

/** Disks that are large enough for several threads to share the work. */
class SharedWalkTest {
  private static final int SIZE = 24 << 20;
  private static final OpenOptions QCOW2 = OpenOptions.readOnly().withFormat("qcow2");

  @TempDir Path folder;

  private final Random random = new Random(7);

  @ParameterizedTest
  @ValueSource(ints = {12, 16, 21})
  void rebaseKeepsTheDisk(int clusterBits) throws Exception {
    chain(clusterBits);
    DataBuffer disk = content("overlay");

    Rebase.Request onto = new Rebase.Request(path("new"), "qcow2", false);
    Rebase.run(path("overlay"), QCOW2, onto, Progress.NONE);

    assertThat(content("overlay").bytes()).isEqualTo(disk.bytes());
  }

  @ParameterizedTest
  @ValueSource(ints = {12, 16, 21})
  void commitMovesTheDiskDown(int clusterBits) throws Exception {
    chain(clusterBits);
    DataBuffer disk = content("overlay");

    Commit.run(path("overlay"), QCOW2, new Commit.Request(null, false, 0), Progress.NONE);

    assertThat(content("overlay").bytes()).isEqualTo(disk.bytes());
    assertThat(content("old").bytes()).isEqualTo(disk.bytes());
  }

  @Test
  void theFirstFailureEndsTheWork() {
    AtomicInteger taken = new AtomicInteger();
    Crew.Hand hand =
        () -> {
          if (taken.incrementAndGet() == 1000) {
            throw new ImageException(ErrorKind.IO, "disk", "piece 1000");
          }
          return taken.get() < 1_000_000_000;
        };
    assertThatThrownBy(() -> Crew.work(() -> hand))
        .isInstanceOf(ImageException.class)
        .hasMessageContaining("piece 1000");
  }

  /** An overlay above "old", and "new"; all with data, and with zeroes that hide others' data. */
  private void chain(int clusterBits) throws Exception {
    CreateOptions options = CreateOptions.ofSize(SIZE).withClusterSize(1 << clusterBits);
    Images.create(path("old"), options);
    Images.create(path("new"), options);
    Images.create(path("overlay"), options.withBacking(path("old"), "qcow2"));
    DataBuffer bytes = DataBuffer.allocate(1 << 20);
    for (String name : new String[] {"old", "new", "overlay"}) {
      try (Image image = Images.open(path(name), QCOW2.withWritable(true))) {
        for (int i = 0; i < 60; i++) {
          int length = random.nextInt(bytes.capacity() + 1);
          long at = random.nextInt(SIZE - length + 1);
          // The same bytes now and then, so that parts of the disks are alike.
          new Random(at / (8 << 20)).ints(length / 4).forEach(fill(bytes));
          if (i % 4 == 0) {
            image.zero(at, length, true);
          } else {
            image.write(at, bytes, 0, length);
          }
        }
        image.flush();
      }
    }
  }

  private static java.util.function.IntConsumer fill(DataBuffer bytes) {
    AtomicInteger at = new AtomicInteger();
    return value -> bytes.bytes().putInt(at.getAndAdd(4), value);
  }

  private DataBuffer content(String name) throws Exception {
    DataBuffer disk = DataBuffer.allocate(SIZE);
    try (Image image = Images.open(path(name), QCOW2)) {
      image.read(0, disk, 0, SIZE);
    }
    return disk;
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }
}
