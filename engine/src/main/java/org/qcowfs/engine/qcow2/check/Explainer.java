package org.qcowfs.engine.qcow2.check;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.check.Checker.L1Table;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Groups findings by cause, and finds the guest ranges of the disk and of each snapshot that use
 * the host clusters they are about.
 *
 * <p>Each disk's L2 tables are read once more for that, if a finding names a host cluster.
 *
 * <p>One use. <b>Thread safety:</b> none.
 */
final class Explainer {
  /** Host clusters that are looked for; findings about more are counted only. */
  private static final int MOST_CLUSTERS = 1 << 16;

  /** Ranges that are told of one disk. */
  private static final int MOST_RANGES = 64;

  private final Map<Kind, Long> counts = new EnumMap<>(Kind.class);

  /** The causes of findings about a host cluster, one bit for each kind. */
  private final Map<Long, Integer> clusters = new HashMap<>();

  private final List<Finding> located = new ArrayList<>();

  private Explainer() {}

  /** Checks an image and adds what the findings mean to {@code explanations}. */
  static CheckResult check(
      HostFile file, CheckExtras extras, Consumer<Finding> findings, List<Explanation> explanations)
      throws ImageException {
    Explainer explainer = new Explainer();
    Geometry[] geometry = new Geometry[1];
    Checker checker =
        Checker.open(
            file,
            finding -> {
              findings.accept(finding);
              explainer.take(finding, geometry[0]);
            });
    geometry[0] = Geometry.of(checker.header());
    CheckResult result = checker.with(extras).run();
    explanations.addAll(explainer.explain(checker, CheckedFile.of(file), geometry[0]));
    return result;
  }

  private void take(Finding finding, Geometry geometry) {
    counts.merge(finding.kind(), finding.times(), Long::sum);
    int bit = 1 << finding.kind().ordinal();
    if (finding.guestOffset() >= 0 && located.size() < MOST_CLUSTERS) {
      located.add(finding);
    }
    if (finding.hostOffset() > 0 && finding.kind() != Kind.REFCOUNT_UNREADABLE) {
      long cluster = finding.hostOffset() >>> geometry.clusterBits();
      if (clusters.size() < MOST_CLUSTERS || clusters.containsKey(cluster)) {
        clusters.merge(cluster, bit, (a, b) -> a | b);
      }
    }
  }

  /** Guest ranges of one disk, by kind. */
  private static final class Ranges {
    private final Map<Kind, TreeMap<Long, Long>> byKind = new EnumMap<>(Kind.class);

    void add(Kind kind, long start, long length) {
      TreeMap<Long, Long> ranges = byKind.computeIfAbsent(kind, k -> new TreeMap<>());
      if (ranges.size() < MOST_CLUSTERS || ranges.containsKey(start)) {
        ranges.merge(start, length, Math::max);
      }
    }

    /** The ranges of a kind in order, neighbours joined; null if there is none. */
    Explanation.@Nullable Affected affected(String snapshot, Kind kind) {
      TreeMap<Long, Long> ranges = byKind.get(kind);
      if (ranges == null) {
        return null;
      }
      List<Explanation.Range> joined = new ArrayList<>();
      for (Map.Entry<Long, Long> range : ranges.entrySet()) {
        int last = joined.size() - 1;
        long start = range.getKey();
        long length = range.getValue();
        if (last >= 0 && start <= joined.get(last).start() + joined.get(last).length()) {
          long first = joined.get(last).start();
          long end = Math.max(first + joined.get(last).length(), start + length);
          joined.set(last, new Explanation.Range(first, end - first));
        } else {
          joined.add(new Explanation.Range(start, length));
        }
      }
      int told = Math.min(MOST_RANGES, joined.size());
      return new Explanation.Affected(
          snapshot, List.copyOf(joined.subList(0, told)), joined.size() - told);
    }
  }

  private List<Explanation> explain(Checker checker, CheckedFile file, Geometry geometry)
      throws ImageException {
    Map<String, Ranges> disks = new LinkedHashMap<>();
    Ranges active = new Ranges();
    disks.put("", active);
    look(checker.active(), active, file, geometry);
    for (Finding finding : located) {
      long unit =
          finding.structure().equals(TableWalk.L1)
              ? 1L << geometry.l1Shift()
              : geometry.clusterSize();
      active.add(finding.kind(), finding.guestOffset() & -unit, unit);
    }
    for (SnapshotReferences.Entry snapshot : checker.snapshots()) {
      L1Table l1 = new L1Table(snapshot.l1Offset(), snapshot.l1Entries());
      if (!clusters.isEmpty() && checker.snapshotTables().containsKey(l1)) {
        Ranges ranges = new Ranges();
        look(checker.read(l1), ranges, file, geometry);
        disks.put(snapshot.label(file), ranges);
      }
    }
    List<Explanation> explanations = new ArrayList<>();
    for (Map.Entry<Kind, Long> count : counts.entrySet()) {
      Kind kind = count.getKey();
      List<Explanation.Affected> affected = new ArrayList<>();
      disks.forEach(
          (snapshot, ranges) -> {
            Explanation.Affected found = ranges.affected(snapshot, kind);
            if (found != null) {
              affected.add(found);
            }
          });
      explanations.add(new Explanation(cause(kind), count.getValue(), affected));
    }
    return explanations;
  }

  /** Finds what of a disk uses the host clusters that findings are about. */
  private void look(long[] l1, Ranges ranges, CheckedFile file, Geometry geometry)
      throws ImageException {
    if (clusters.isEmpty()) {
      return;
    }
    DataBuffer table = DataBuffer.allocate((int) geometry.clusterSize());
    int step = geometry.extendedL2() ? 16 : 8;
    // A disk has no more tables than its file has clusters; a damaged L1 table may name more.
    long tables = file.length() / geometry.clusterSize() + 1;
    for (int i = 0; i < l1.length; i++) {
      long l2 = l1[i] & Geometry.OFFSET_MASK;
      if (l2 == 0) {
        continue;
      }
      long base = (long) i << geometry.l1Shift();
      add(ranges, l2, base, 1L << geometry.l1Shift(), geometry);
      if (l2 >= file.length() || tables-- <= 0) {
        continue;
      }
      file.read(l2, table, table.capacity());
      for (int at = 0; at < table.capacity(); at += step) {
        long entry = table.bytes().getLong(at);
        if (entry != 0) {
          long host =
              (entry & Geometry.COMPRESSED) == 0
                  ? entry & Geometry.OFFSET_MASK
                  : geometry.compressedOffset(entry & ~(Geometry.COMPRESSED | Geometry.COPIED));
          long guest = base + ((long) (at / step) << geometry.clusterBits());
          add(ranges, host, guest, geometry.clusterSize(), geometry);
        }
      }
    }
  }

  private void add(Ranges ranges, long host, long guest, long length, Geometry geometry) {
    Integer kinds = clusters.get(host >>> geometry.clusterBits());
    for (int bits = kinds == null ? 0 : kinds; bits != 0; bits &= bits - 1) {
      ranges.add(Kind.values()[Integer.numberOfTrailingZeros(bits)], guest, length);
    }
  }

  private static String cause(Kind kind) {
    return switch (kind) {
      case BEYOND_END ->
          "names host offsets past the end of the file: it was cut off, or the entry is damaged;"
              + " what is there is lost";
      case REFCOUNT_OVERFLOW ->
          "is used more often than refcounts of this width can say; -r all makes copies";
      case REFCOUNT_TOO_LOW ->
          "uses clusters that the image calls free, or less used than they are: the next write may"
              + " overwrite them; it reads well, and -r all mends it";
      case REFCOUNT_TOO_HIGH ->
          "is called used more often than it is: space is wasted, no data is in danger; -r leaks"
              + " frees it";
      case REFCOUNT_UNREADABLE ->
          "refcounts cannot be read: nothing can be written safely; -r all makes new ones";
      case REFCOUNT_BLOCK ->
          "refcount blocks that cannot be true: nothing can be written safely; -r all makes new"
              + " ones";
      case L1_ENTRY ->
          "L1 entries that contradict the format: what is below them may be read wrongly, or not at"
              + " all";
      case L2_ENTRY ->
          "L2 entries that contradict the format: these ranges may be read wrongly, or not at all";
      case COMPRESSED_DATA -> "compressed clusters do not decompress: these ranges cannot be read";
      case COPIED_FLAG ->
          "entries say wrongly whether they own their cluster: a write could change a snapshot too;"
              + " they read well, and -r all mends it";
      case SNAPSHOT -> "entries of the snapshot table are damaged: these snapshots may be lost";
      case SNAPSHOT_TABLE_UNREADABLE -> "the snapshot table cannot be read: the disk itself can";
      case BITMAP -> "a dirty bitmap's table is damaged: the disk itself is not";
      case UNREADABLE -> "the check could not go on";
    };
  }
}
