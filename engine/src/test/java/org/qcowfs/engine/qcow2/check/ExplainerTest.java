package org.qcowfs.engine.qcow2.check;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.testing.FaultyHostFiles;
import org.qcowfs.engine.testing.FaultyHostFiles.Call;
import org.qcowfs.engine.testing.FaultyHostFiles.Fault;
import org.qcowfs.engine.testing.ImageBuilder;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;

/** What findings mean for the guest. */
final class ExplainerTest {
  private static final int CLUSTER = 4096;

  @Test
  void rangesAreToldInOrderAndJoined() throws ImageException {
    ImageBuilder image = ImageBuilder.v3(12, 1 << 20);
    List<Long> data = new ArrayList<>();
    for (int cluster : new int[] {9, 3, 2, 7}) {
      data.add(image.data(cluster, 1) / CLUSTER);
    }
    for (long cluster = 0; cluster < image.end() / CLUSTER; cluster++) {
      image.putShort(2L * CLUSTER + cluster * 2, data.contains(cluster) ? 0 : 1);
    }
    image.l2(20, 0x200); // not on a cluster boundary
    image.l2(1, 1L << 40 | 2); // past the end, with a reserved bit
    List<Explanation> explanations = explain(image);
    Explanation tooLow = find(explanations, "uses clusters that the image calls free");
    assertThat(ranges(tooLow)).contains("2+2", "7+1", "9+1").doesNotContain("0+512");
    Explanation entries = find(explanations, "L2 entries that contradict the format");
    assertThat(ranges(entries)).containsExactly("1+1", "20+1");
    assertThat(ranges(find(explanations, "names host offsets past the end")))
        .containsExactly("1+1");
  }

  @Test
  void aSoundImageNeedsNoExplanation() throws ImageException {
    ImageBuilder image = ImageBuilder.v3(12, 1 << 20);
    for (int cluster = 0; cluster < image.end() / CLUSTER; cluster++) {
      image.putShort(2L * CLUSTER + cluster * 2L, 1);
    }
    assertThat(explain(image)).isEmpty();
  }

  /** A damaged L1 table can name one L2 table for millions of ranges. */
  @Test
  void noDiskIsLookedThroughForLongerThanItsFileIs() throws ImageException {
    int entries = 10_000;
    ImageBuilder image = ImageBuilder.v3(12, (long) entries << 21);
    image.data(0, 1);
    long table = image.l2EntryOffset(0);
    for (int i = 1; i < entries; i++) {
      image.l1(i, table | 1L << 63);
    }
    FaultyHostFiles files =
        new FaultyHostFiles(new MemoryHostFiles(Map.of("i", MemoryContent.of(image.bytes()))));
    files.arm(new Fault(Set.of(Call.READ), Long.MAX_VALUE, 0, 0, false));
    assertThat(explain(files)).isNotEmpty();
    assertThat(files.counted()).isBetween(10L, entries / 10L);
  }

  private static List<Explanation> explain(ImageBuilder image) throws ImageException {
    return explain(new MemoryHostFiles(Map.of("i", MemoryContent.of(image.bytes()))));
  }

  private static List<Explanation> explain(HostFiles files) throws ImageException {
    List<Explanation> explanations = new ArrayList<>();
    try (HostFile file = files.open("i", false)) {
      CheckExtras extras = new CheckExtras(true, false, CheckExtras.NONE.progress());
      Checker.check(file, extras, finding -> {}, explanations);
    }
    return explanations;
  }

  private static Explanation find(List<Explanation> explanations, String cause) {
    return explanations.stream().filter(e -> e.cause().startsWith(cause)).findFirst().orElseThrow();
  }

  /** In clusters: first + count. */
  private static List<String> ranges(Explanation explanation) {
    assertThat(explanation.affected()).hasSize(1);
    assertThat(explanation.affected().get(0).snapshot()).isEmpty();
    return explanation.affected().get(0).ranges().stream()
        .map(range -> range.start() / CLUSTER + "+" + range.length() / CLUSTER)
        .toList();
  }
}
