package org.qcowfs.it.fuzz;

import java.util.ArrayList;
import java.util.List;
import org.qcowfs.it.corpus.Patcher;

/** Where the metadata of a healthy qcow2 file lies, structure by structure. */
final class Fields {
  private static final int MOST_ENTRIES = 64;
  private static final long BITMAPS = 0x23852875L;

  private static final int[][] HEADER = {
    {4, 4}, {8, 8}, {16, 4}, {20, 4}, {24, 8}, {32, 4}, {36, 4}, {40, 8}, {48, 8}, {56, 4}, {60, 4},
    {64, 8}, {72, 8}, {80, 8}, {88, 8}, {96, 4}, {100, 4}, {104, 1}
  };
  private static final int[][] SNAPSHOT = {
    {0, 8}, {8, 4}, {12, 2}, {14, 2}, {16, 4}, {20, 4}, {24, 8}, {32, 4}, {36, 4}, {40, 8}, {48, 8},
    {56, 8}
  };
  private static final int[][] BITMAP = {
    {0, 8}, {8, 4}, {12, 4}, {16, 1}, {17, 1}, {18, 2}, {20, 4}
  };

  /** A number in the file: where, how many bytes (1, 2, 4 or 8), and of what. */
  record Field(long at, int width, String structure) {}

  /** Where a compressed cluster's stream lies. */
  record Stream(long at, int length) {}

  private final Patcher file;
  private final int clusterBits;
  private final boolean extended;
  private final List<List<Field>> structures = new ArrayList<>();
  private final List<Stream> streams = new ArrayList<>();
  private final List<Field> l2 = new ArrayList<>();

  private Fields(Patcher file) {
    this.file = file;
    this.clusterBits = (int) file.header("cluster_bits");
    this.extended = file.header("version") >= 3 && (file.header("incompatible_features") & 16) != 0;
  }

  /** Finds the fields of a healthy file. */
  static Fields of(Patcher file) {
    Fields fields = new Fields(file);
    fields.collect();
    return fields;
  }

  /** The fields of each structure there is. */
  List<List<Field>> structures() {
    return structures;
  }

  List<Stream> streams() {
    return streams;
  }

  private void collect() {
    boolean v3 = file.header("version") >= 3;
    List<Field> header = new ArrayList<>();
    for (int[] field : HEADER) {
      if (v3 || field[0] < 72) {
        header.add(new Field(field[0], field[1], "header"));
      }
    }
    structures.add(header);
    structures.add(extensions(v3 ? file.header("header_length") : 72));
    List<Field> l1 = new ArrayList<>();
    l1(file.header("l1_table_offset"), file.header("l1_size"), l1);
    List<Field> snapshots = snapshots(l1);
    structures.add(l1);
    structures.add(l2);
    structures.add(l2);
    structures.add(snapshots);
    List<Field> blocks = new ArrayList<>();
    List<Field> table = words(file.header("refcount_table_offset"), 64, "refcount table");
    for (Field entry : table) {
      long block = file.u64(entry.at());
      if (block != 0) {
        blocks.addAll(words(block, 256, "refcount block"));
      }
    }
    structures.add(table);
    structures.add(blocks);
    structures.removeIf(List::isEmpty);
  }

  private List<Field> words(long at, long bytes, String structure) {
    List<Field> fields = new ArrayList<>();
    for (long i = at; i < at + bytes && i >= 0 && i + 8 <= file.length(); i += 8) {
      fields.add(new Field(i, 8, structure));
    }
    return fields;
  }

  private List<Field> extensions(long start) {
    List<Field> fields = new ArrayList<>();
    for (long at = start; at + 8 <= Math.min(file.length(), 1L << clusterBits); ) {
      fields.add(new Field(at, 4, "extension type"));
      fields.add(new Field(at + 4, 4, "extension length"));
      long type = file.u32(at);
      long length = file.u32(at + 4);
      fields.addAll(words(at + 8, Math.min(length, 96), "extension"));
      if (type == 0) {
        break;
      }
      if (type == BITMAPS) {
        bitmaps(file.u64(at + 24));
      }
      at += 8 + (length + 7) / 8 * 8;
    }
    return fields;
  }

  private void bitmaps(long directory) {
    List<Field> fields = new ArrayList<>();
    for (int[] field : BITMAP) {
      fields.add(new Field(directory + field[0], field[1], "bitmap directory"));
    }
    fields.addAll(words(directory + 24, 32, "bitmap name"));
    fields.addAll(words(file.u64(directory), 16, "bitmap table"));
    structures.add(fields);
  }

  private List<Field> snapshots(List<Field> l1) {
    List<Field> fields = new ArrayList<>();
    long at = file.header("snapshots_offset");
    for (int i = 0; i < file.header("nb_snapshots"); i++) {
      for (int[] field : SNAPSHOT) {
        fields.add(new Field(at + field[0], field[1], "snapshot table"));
      }
      l1(file.u64(at), file.u32(at + 8), l1);
      long names = at + 40 + file.u32(at + 36);
      long end = names + file.u16(at + 12) + file.u16(at + 14);
      fields.addAll(words(names, end - names, "snapshot name"));
      at = (end + 7) / 8 * 8;
    }
    return fields;
  }

  private void l1(long offset, long entries, List<Field> l1) {
    l1.addAll(words(offset, Math.min(entries, MOST_ENTRIES) * 8, "L1 table"));
    for (int i = 0; i < Math.min(entries, MOST_ENTRIES); i++) {
      long table = file.u64(offset + 8L * i) & Patcher.OFFSET_MASK;
      if (table != 0 && table < file.length()) {
        l2(table);
      }
    }
  }

  /** The first entries of a table, and what is used of the others. */
  private void l2(long table) {
    int step = extended ? 16 : 8;
    int taken = 0;
    for (long at = table; at < table + (1L << clusterBits) && at + step <= file.length(); ) {
      long entry = file.u64(at);
      if (taken < 8 || entry != 0) {
        l2.add(new Field(at, 8, "L2 table"));
        if (extended) {
          l2.add(new Field(at + 8, 8, "subcluster bitmap"));
        }
        taken++;
      }
      if ((entry & Patcher.COMPRESSED) != 0) {
        int offsetBits = 62 - (clusterBits - 8);
        long stream = entry & (1L << offsetBits) - 1;
        long sectors = (entry & ~(3L << 62)) >>> offsetBits;
        streams.add(new Stream(stream, (int) ((sectors + 1) * 512 - (stream & 511))));
      }
      at += step;
      if (taken > MOST_ENTRIES) {
        return;
      }
    }
  }
}
