package org.qcowfs.engine.change;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;

class RebaseTest {
  private static final int CLUSTER = 1 << 16;
  private static final int SIZE = 16 * CLUSTER;

  @TempDir Path folder;

  /** What reads as zeroes over the old backing file takes no data clusters over the new one. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void zeroesAreHiddenByZeroClusters(boolean hasOld) throws Exception {
    image("old", 0, 0);
    image("new", 3 * CLUSTER + 512, 2 * CLUSTER);
    CreateOptions options = CreateOptions.ofSize(SIZE);
    Images.create(path("overlay"), hasOld ? options.withBacking(path("old"), "qcow2") : options);

    Rebase.run(
        path("overlay"),
        OpenOptions.readOnly().withFormat("qcow2"),
        new Rebase.Request(path("new"), "qcow2", false),
        (done, total) -> {});

    try (Image image = Images.open(path("overlay"), OpenOptions.readOnly().withFormat("qcow2"))) {
      assertThat(image.depth()).isEqualTo(2);
      DataBuffer disk = DataBuffer.allocate(SIZE);
      image.read(0, disk, 0, SIZE);
      assertThat(Zeroes.isZero(disk, 0, SIZE)).isTrue();
      Mapping mapping = new Mapping();
      image.resolve(3 * CLUSTER, SIZE, mapping);
      assertThat(mapping.kind()).isEqualTo(Mapping.Kind.ZERO);
      assertThat(mapping.hasHostOffset()).isFalse();
      assertThat(mapping.depth()).isZero();
      assertThat(mapping.length()).isEqualTo(3L * CLUSTER);
      image.resolve(0, SIZE, mapping);
      assertThat(mapping.kind()).isEqualTo(Mapping.Kind.UNALLOCATED);
    }
  }

  private void image(String name, int from, int length) throws Exception {
    Images.create(path(name), CreateOptions.ofSize(SIZE));
    DataBuffer bytes = DataBuffer.allocate(SIZE);
    for (int i = 0; i < length; i++) {
      bytes.bytes().put(i, (byte) 5);
    }
    try (Image image =
        Images.open(path(name), OpenOptions.readOnly().withFormat("qcow2").withWritable(true))) {
      image.write(from, bytes, 0, length);
      image.flush();
    }
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }
}
