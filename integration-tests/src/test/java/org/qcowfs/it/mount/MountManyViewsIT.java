package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

class MountManyViewsIT {
  private static final int SNAPSHOTS = 1000;
  private static final int LAYERS = 64;

  @Test
  void aThousandSnapshotsAndSixtyFourLayersAreThere() throws IOException {
    Requires.fuse();
    Requires.tools("qemu-img");
    try (TempImages temp = TempImages.create("many")) {
      String script =
          "set -e; qemu-img create -q -f qcow2 -o cluster_size=4k 0.qcow2 4M;"
              + (" for i in $(seq 1 " + (LAYERS - 1) + "); do")
              + "   qemu-img create -q -f qcow2 -o cluster_size=4k -F qcow2"
              + "     -b $((i-1)).qcow2 $i.qcow2;"
              + " done;"
              + (" qemu-img snapshot -c \"same name\" " + (LAYERS - 1) + ".qcow2");
      Run.run(Run.PATIENCE, List.of("sh", "-c", script), temp.folder(), Map.of(), "").orFail();
      Path top = temp.path((LAYERS - 1) + ".qcow2");
      multiplySnapshot(top);
      try (Mounted mount = Mounted.mount(top, temp.makeFolder("mnt"))) {
        List<String> snapshots = names(mount.point().resolve("snapshots"));
        assertThat(snapshots)
            .hasSize(SNAPSHOTS)
            .contains("same name", "same name.2", "same name.1000");
        assertThat(names(mount.point().resolve("layers")))
            .hasSize(LAYERS)
            .contains("0-63.qcow2", "63-0.qcow2");
        assertThat(Files.size(mount.layer(63))).isEqualTo(4 << 20);
        assertThat(Files.size(mount.snapshot("same name.1000"))).isEqualTo(4 << 20);
      }
    }
  }

  /** Makes 1,000 snapshots of one, in a new table: qemu-img would take a minute. */
  private static void multiplySnapshot(Path image) throws IOException {
    try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
      // Header: nb_snapshots u32 @60, snapshots_offset u64 @64. Entry: l1_table_offset u64 @0,
      // l1_size u32 @8, id_str_size u16 @12, name_size u16 @14, ..., extra_data_size u32 @36,
      // extra data, id, name, padding to 8.
      file.seek(64);
      byte[] fixed = new byte[40];
      file.seek(file.readLong());
      file.readFully(fixed);
      byte[] extra = new byte[ByteBuffer.wrap(fixed).getInt(36)];
      file.readFully(extra);
      byte[] name = "same name".getBytes(StandardCharsets.US_ASCII);
      long table = (file.length() + 4095) / 4096 * 4096;
      file.seek(table);
      for (int i = 1; i <= SNAPSHOTS; i++) {
        byte[] id = Integer.toString(i).getBytes(StandardCharsets.US_ASCII);
        int length = fixed.length + extra.length + id.length + name.length;
        ByteBuffer entry = ByteBuffer.allocate((length + 7) / 8 * 8);
        entry.put(fixed).put(extra).put(id).put(name);
        entry.putShort(12, (short) id.length).putShort(14, (short) name.length);
        file.write(entry.array());
      }
      file.seek(60);
      file.writeInt(SNAPSHOTS);
      file.writeLong(table);
    }
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> children = Files.list(folder)) {
      return children.map(p -> p.getFileName().toString()).toList();
    }
  }
}
