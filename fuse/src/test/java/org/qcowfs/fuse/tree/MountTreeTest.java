package org.qcowfs.fuse.tree;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.fuse.stats.RequestStatistics;

class MountTreeTest {
  private static final int SIZE = 8 << 20;
  private static final int DATA_AT = 1 << 20;

  @TempDir private Path folder;
  private final List<String> log = new ArrayList<>();
  private Image image;

  @BeforeEach
  void makeRawImage() throws IOException {
    Path path = folder.resolve("a disk.img");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(SIZE);
      file.seek(DATA_AT);
      file.write("hello".getBytes(StandardCharsets.US_ASCII));
    }
    Files.setLastModifiedTime(path, FileTime.fromMillis(1_000_000_007L));
    image = Images.open(path.toString(), OpenOptions.readOnly().withFormat("raw"));
  }

  @AfterEach
  void close() throws ImageException {
    image.close();
  }

  private MountTree views() {
    return MountTree.views(
        image, new FaultLog(log::add), WritePolicy.DEFAULT, new RequestStatistics());
  }

  private static FileNode file(MountTree tree, String path) {
    return (FileNode) Objects.requireNonNull(tree.find(path));
  }

  private static Folder folder(MountTree tree, String path) {
    return (Folder) Objects.requireNonNull(tree.find(path));
  }

  private static String text(FileNode file) throws ImageException {
    FileContent content = file.open();
    DataBuffer buffer = DataBuffer.allocate((int) content.size(), 8);
    content.read(0, buffer, 0, buffer.capacity());
    byte[] bytes = new byte[buffer.capacity()];
    buffer.bytes().get(0, bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  @Test
  void theRootIsTheViewOfTheImageWithItsSnapshotsAndLayers() {
    MountTree tree = views();
    Folder root = (Folder) tree.root();
    assertThat(root.children().keySet())
        .containsExactly(
            "disk.raw", "info.json", "map.json", "check.json", "snapshots", "layers", "stats.json");
    assertThat(folder(tree, "/snapshots").children()).isEmpty();
    assertThat(folder(tree, "/layers").children().keySet()).containsExactly("0-a disk.img");
  }

  @Test
  void pathsLeadToNodes() {
    MountTree tree = views();
    assertThat(tree.find("/")).isSameAs(tree.root());
    assertThat(tree.find("/layers/0-a disk.img/disk.raw")).isInstanceOf(FileNode.class);
    assertThat(tree.find("/layers")).isSameAs(tree.find("/layers"));
    assertThat(tree.find("/nothing")).isNull();
    assertThat(tree.find("/disk.raw/x")).isNull();
    assertThat(tree.find("/layers/9/disk.raw")).isNull();
  }

  @Test
  void theDiskTellsItsSizeAndWhatIsAllocated() throws ImageException {
    FileNode disk = file(views(), "/disk.raw");
    assertThat(disk.size()).isEqualTo(SIZE);
    assertThat(disk.allocatedBytes()).isBetween(5L, 1L << 20);
    assertThat(disk.blockSize()).isEqualTo(4096);
    assertThat(disk.modified()).isEqualTo(new Timestamp(1_000_000, 7_000_000));
  }

  @Test
  void theDiskReadsAndSeeks() throws ImageException {
    FileContent disk = (file(views(), "/disk.raw")).open();
    DataBuffer buffer = DataBuffer.allocate(16, 8);
    disk.read(DATA_AT, buffer, 4, 5);
    assertThat(buffer.bytes().get(4)).isEqualTo((byte) 'h');
    assertThat(disk.nextData(0)).isEqualTo(DATA_AT);
    assertThat(disk.nextHole(0)).isZero();
    assertThat(disk.nextHole(DATA_AT)).isGreaterThan(DATA_AT);
    assertThat(disk.nextData(SIZE - 1)).isEqualTo(-1);
  }

  @Test
  void theDocumentsDescribeTheImage() throws ImageException {
    MountTree tree = views();
    assertThat(text(file(tree, "/info.json"))).contains("\"virtual-size\": " + SIZE);
    assertThat(text(file(tree, "/map.json"))).contains("\"start\": " + DATA_AT);
    tree.close();
  }

  @Test
  void aFlatTreeIsTheDiskAlone() throws ImageException {
    MountTree tree =
        MountTree.flat(image, new FaultLog(log::add), WritePolicy.DEFAULT, new RequestStatistics());
    assertThat(tree.find("/")).isInstanceOf(FileNode.class);
    assertThat(((FileNode) tree.root()).size()).isEqualTo(SIZE);
    assertThat(tree.find("/disk.raw")).isNull();
  }

  @Test
  void inodesDiffer() {
    MountTree tree = views();
    List<Long> inodes = new ArrayList<>();
    for (String path : List.of("/", "/disk.raw", "/layers", "/layers/0-a disk.img/disk.raw")) {
      inodes.add(Objects.requireNonNull(tree.find(path)).inode());
    }
    assertThat(inodes).doesNotHaveDuplicates();
  }
}
