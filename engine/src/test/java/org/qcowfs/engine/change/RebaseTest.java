package org.qcowfs.engine.change;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;

class RebaseTest {
  @TempDir Path folder;

  private CreateOptions options = CreateOptions.ofSize(0);

  /** What reads as zeroes over the old backing file takes no data clusters over the new one. */
  @ParameterizedTest
  @CsvSource({"16,true", "16,false", "9,true", "21,true", "21,false"})
  void zeroesAreHiddenByZeroClusters(int clusterBits, boolean hasOld) throws Exception {
    int cluster = 1 << clusterBits;
    int size = 16 * cluster;
    options = CreateOptions.ofSize(size).withClusterSize(cluster);
    image("old", 0, 0);
    image("new", 3 * cluster + cluster / 4, 2 * cluster);
    Images.create(path("overlay"), hasOld ? options.withBacking(path("old"), "qcow2") : options);

    Rebase.run(
        path("overlay"),
        OpenOptions.readOnly().withFormat("qcow2"),
        new Rebase.Request(path("new"), "qcow2", false),
        (done, total) -> {});

    try (Image image = Images.open(path("overlay"), OpenOptions.readOnly().withFormat("qcow2"))) {
      assertThat(image.depth()).isEqualTo(2);
      DataBuffer disk = DataBuffer.allocate(size);
      image.read(0, disk, 0, size);
      assertThat(Zeroes.isZero(disk, 0, size)).isTrue();
      Mapping mapping = new Mapping();
      image.resolve(3 * cluster, size, mapping);
      assertThat(mapping.kind()).isEqualTo(Mapping.Kind.ZERO);
      assertThat(mapping.hasHostOffset()).isFalse();
      assertThat(mapping.depth()).isZero();
      assertThat(mapping.length()).isEqualTo(3L * cluster);
      image.resolve(0, size, mapping);
      assertThat(mapping.kind()).isEqualTo(Mapping.Kind.UNALLOCATED);
    }
  }

  /** A file far below that has the new backing file's name, in another folder, is another file. */
  @Test
  void namesInOtherFoldersAreOtherFiles() throws Exception {
    twoOfTheSameName();
    Images.create(path("overlay"), options.withBacking("sub/middle", "qcow2"));

    rebase("base", "qcow2");

    assertThat(disk("overlay")).isEqualTo(disk("sub/base"));
  }

  /** The same file has other bytes below another name, where what it records is another file. */
  @Test
  void linksInOtherFoldersAreOtherChains() throws Exception {
    twoOfTheSameName();
    Files.createSymbolicLink(folder.resolve("link"), folder.resolve("sub/middle"));
    Images.create(path("overlay"), options.withBacking("sub/middle", "qcow2"));

    rebase("link", "qcow2");

    assertThat(disk("overlay")).isEqualTo(disk("sub/base"));
  }

  /** Read in another format the same file is another disk. */
  @Test
  void anotherFormatIsAnotherDisk() throws Exception {
    options = CreateOptions.ofSize(1 << 20);
    image("base", 0, 4096);
    Images.create(path("overlay"), options.withBacking("base", "qcow2"));

    rebase("base", "raw");

    assertThat(disk("overlay")).isEqualTo(disk("base"));
  }

  /** {@code sub/middle} above {@code sub/base}, and another {@code base} outside. */
  private void twoOfTheSameName() throws Exception {
    options = CreateOptions.ofSize(1 << 20);
    Files.createDirectory(folder.resolve("sub"));
    image("sub/base", 0, 4096);
    Images.create(path("sub/middle"), options.withBacking("base", "qcow2"));
    image("base", 8192, 4096);
  }

  private void rebase(String backing, String format) throws Exception {
    Rebase.run(
        path("overlay"),
        OpenOptions.readOnly().withFormat("qcow2"),
        new Rebase.Request(backing, format, false),
        (done, total) -> {});
  }

  private byte[] disk(String name) throws Exception {
    try (Image image = Images.open(path(name), OpenOptions.readOnly().withFormat("qcow2"))) {
      DataBuffer bytes = DataBuffer.allocate((int) image.size());
      image.read(0, bytes, 0, bytes.capacity());
      byte[] copy = new byte[bytes.capacity()];
      bytes.bytes().get(0, copy);
      return copy;
    }
  }

  private void image(String name, int from, int length) throws Exception {
    Images.create(path(name), options);
    DataBuffer bytes = DataBuffer.allocate(Math.max(1, length));
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
