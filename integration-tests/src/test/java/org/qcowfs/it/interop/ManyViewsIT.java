package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.corpus.Oracle;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.corpus.View;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/** Many snapshots on many layers cost a mount nothing until they are looked at. */
class ManyViewsIT {
  private static final int SNAPSHOTS = 1000;

  @Test
  void aThousandSnapshotsAndSixtyFourLayersAreUpAtOnce() throws Exception {
    try (TempImages scratch = TempImages.create("many")) {
      Path image = manySnapshots(scratch);
      assertThat(QemuImg.run("snapshot", "-l", image.toString()).out().lines())
          .as("qemu-img's list, with two lines of heading")
          .hasSize(SNAPSHOTS + 2);
      try (Mounted mounted = Mounted.mountWithHeap("-Xmx64m", image, scratch.makeFolder("mnt"))) {
        assertThat(mounted.cpuTime())
            .as("CPU time of a mount that answers")
            .isLessThan(Duration.ofSeconds(5));
        assertThat(names(mounted.point().resolve("snapshots"))).hasSize(SNAPSHOTS);
        assertThat(names(mounted.point().resolve("layers"))).hasSize(64);
        View first = Oracle.views(Corpus.image("chain-64")).get(0);
        assertThat(Sha256.ofFile(mounted.snapshot("snapshot 777"), first.windows()))
            .as("a snapshot taken before any change")
            .isEqualTo(first.sha256());
      }
    }
  }

  /** The corpus' deep chain with one snapshot, and its table entry repeated under other names. */
  private static Path manySnapshots(TempImages scratch) throws IOException {
    Path chain = Corpus.image("chain-64").resolveSibling(".");
    Run.ok("cp", "-r", "--sparse=auto", chain.toString(), scratch.path("chain").toString());
    Path image = scratch.path("chain").resolve("disk.qcow2");
    QemuImg.snapshot(image, "snapshot 000");
    try (Patcher patcher = Patcher.open(image)) {
      long table = patcher.header("snapshots_offset");
      int extra = (int) patcher.u32(table + 36);
      byte[] head = patcher.readBytes(table, 40 + extra);
      long at = (patcher.length() + 65535) / 65536 * 65536;
      patcher.header("snapshots_offset", at).header("nb_snapshots", SNAPSHOTS);
      for (int i = 0; i < SNAPSHOTS; i++) {
        byte[] id = Integer.toString(i + 1).getBytes(StandardCharsets.US_ASCII);
        byte[] name = String.format("snapshot %03d", i).getBytes(StandardCharsets.US_ASCII);
        patcher.bytes(at, head).u16(at + 12, id.length).u16(at + 14, name.length);
        patcher.bytes(at + head.length, id).bytes(at + head.length + id.length, name);
        at += (head.length + id.length + name.length + 7) / 8 * 8;
      }
      patcher.truncate((at + 65535) / 65536 * 65536);
    }
    return image;
  }

  private static List<String> names(Path folder) throws IOException {
    try (Stream<Path> entries = Files.list(folder)) {
      return entries.map(entry -> String.valueOf(entry.getFileName())).toList();
    }
  }
}
