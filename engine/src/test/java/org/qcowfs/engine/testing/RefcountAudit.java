package org.qcowfs.engine.testing;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;

/**
 * A small checker of a qcow2 file's metadata, written from the format's specification alone:
 * refcounts against references, COPIED flags, clusters with two roles. Where it and {@code qemu-img
 * check} differ, {@code qemu-img check} is right; it is here because it takes a millisecond.
 */
public final class RefcountAudit {
  private static final long OFFSET = 0x00ff_ffff_ffff_fe00L;
  private static final long COPIED = 1L << 63;
  private static final long COMPRESSED = 1L << 62;

  /**
   * What was found.
   *
   * @param corruptions one line each; none in a sound image
   * @param leaks clusters counted but not, or less often, referenced
   */
  public record Report(List<String> corruptions, List<String> leaks) {
    /** No corruption and no leak. */
    public boolean clean() {
      return corruptions.isEmpty() && leaks.isEmpty();
    }
  }

  private final HostFile file;
  private final DataBuffer buffer = DataBuffer.allocate(4096, 512);
  private long bufferAt = -1;
  private final Map<Long, Long> references = new HashMap<>();
  private final Map<Long, String> metadata = new HashMap<>();
  private final List<String> corruptions = new ArrayList<>();
  private int clusterBits;
  private int refcountOrder;
  private long refcountTable;
  private long refcountTableEntries;
  private boolean extendedL2;
  private boolean dataFile;

  private RefcountAudit(HostFile file) {
    this.file = file;
  }

  /** Checks one image file. */
  public static Report check(HostFile file) throws ImageException {
    return new RefcountAudit(file).run();
  }

  private Report run() throws ImageException {
    long version = u32(4);
    clusterBits = (int) u32(20);
    long incompatible = version >= 3 ? u64(72) : 0;
    extendedL2 = (incompatible & 16) != 0;
    dataFile = (incompatible & 4) != 0;
    refcountOrder = version >= 3 ? (int) u32(96) : 4;
    refcountTable = u64(48);
    long tableClusters = u32(56);
    refcountTableEntries = tableClusters << clusterBits - 3;
    if ((incompatible & 2) != 0) {
      corruptions.add("the corrupt bit is set");
    }
    meta(0, 1, "header");
    meta(refcountTable, tableClusters << clusterBits, "refcount table");
    for (long i = 0; i < refcountTableEntries; i++) {
      long block = u64(refcountTable + 8 * i);
      if (block != 0) {
        if ((block & cluster() - 1) != 0) {
          corruptions.add(String.format("refcount block %d at unaligned 0x%x", i, block));
        } else {
          meta(block, cluster(), "refcount block " + i);
        }
      }
    }
    bitmaps(version);
    List<long[]> tables = new ArrayList<>();
    tables.add(new long[] {u64(40), u32(36)});
    snapshots(tables);
    for (int i = 0; i < tables.size(); i++) {
      walk(tables.get(i)[0], tables.get(i)[1], i == 0 ? "active" : "snapshot " + i);
    }
    copiedFlags(tables.get(0)[0], tables.get(0)[1]);
    return new Report(corruptions, compare());
  }

  private long cluster() {
    return 1L << clusterBits;
  }

  private void snapshots(List<long[]> tables) throws ImageException {
    long count = u32(60);
    long start = u64(64);
    long at = start;
    for (long i = 0; i < count; i++) {
      tables.add(new long[] {u64(at), u32(at + 8)});
      long length = 40 + u32(at + 36) + u16(at + 12) + u16(at + 14);
      at += length + 7 & ~7L;
    }
    if (count > 0) {
      meta(start, at - start, "snapshot table");
    }
  }

  private void bitmaps(long version) throws ImageException {
    long at = version >= 3 ? u32(100) : 72;
    while (at + 8 <= cluster()) {
      long type = u32(at);
      long length = u32(at + 4);
      if (type == 0) {
        return;
      }
      if (type == 0x2385_2875L) {
        bitmapDirectory(u64(at + 24), u64(at + 16), u32(at + 8));
      }
      at += 8 + (length + 7 & ~7L);
    }
  }

  private void bitmapDirectory(long offset, long size, long count) throws ImageException {
    meta(offset, size, "bitmap directory");
    long at = offset;
    for (long i = 0; i < count; i++) {
      long table = u64(at);
      long entries = u32(at + 8);
      meta(table, entries * 8, "bitmap table");
      for (long j = 0; j < entries; j++) {
        long bits = u64(table + 8 * j) & OFFSET;
        if (bits != 0) {
          meta(bits, cluster(), "bitmap");
        }
      }
      long length = 24 + u16(at + 18) + u32(at + 20);
      at += length + 7 & ~7L;
    }
  }

  private void walk(long l1, long entries, String whose) throws ImageException {
    if (entries > 0) {
      meta(l1, entries * 8, whose + " L1 table");
    }
    long l2Entries = cluster() / (extendedL2 ? 16 : 8);
    for (long i = 0; i < entries; i++) {
      long l2 = u64(l1 + 8 * i) & OFFSET;
      if (l2 == 0) {
        if (u64(l1 + 8 * i) != 0) {
          corruptions.add(String.format("%s L1 entry %d has flags and no table", whose, i));
        }
        continue;
      }
      if ((l2 & cluster() - 1) != 0) {
        corruptions.add(String.format("%s L1 entry %d points to unaligned 0x%x", whose, i, l2));
        continue;
      }
      String other = metadata.putIfAbsent(l2, "L2 table");
      if (other != null && !other.equals("L2 table")) {
        corruptions.add(String.format("L2 table at 0x%x is also the %s", l2, other));
      }
      reference(l2, cluster());
      for (long j = 0; j < l2Entries; j++) {
        entry(l2, j, whose);
      }
    }
  }

  private void entry(long l2, long j, String whose) throws ImageException {
    long at = l2 + j * (extendedL2 ? 16 : 8);
    long entry = u64(at);
    if ((entry & COMPRESSED) != 0) {
      int x = 62 - (clusterBits - 8);
      long offset = entry & (1L << x) - 1;
      long sectors = (entry & COMPRESSED - 1) >>> x;
      long end = (offset & ~511L) + (sectors + 1) * 512;
      reference(offset, end - offset);
      return;
    }
    long offset = entry & OFFSET;
    if (extendedL2) {
      long bitmap = u64(at + 8);
      if ((bitmap & bitmap >>> 32 & 0xffff_ffffL) != 0) {
        corruptions.add(
            String.format("%s L2 0x%x entry %d: subclusters both data and zero", whose, l2, j));
      }
      if (offset == 0 && (bitmap & 0xffff_ffffL) != 0 && !dataFile) {
        corruptions.add(
            String.format("%s L2 0x%x entry %d: data subclusters of no cluster", whose, l2, j));
      }
    }
    if (offset != 0 && !dataFile) {
      if ((offset & cluster() - 1) != 0) {
        corruptions.add(
            String.format("%s L2 0x%x entry %d points to unaligned 0x%x", whose, l2, j, offset));
        return;
      }
      reference(offset, cluster());
    }
  }

  private void copiedFlags(long l1, long entries) throws ImageException {
    for (long i = 0; i < entries; i++) {
      long l1Entry = u64(l1 + 8 * i);
      long l2 = l1Entry & OFFSET;
      if (l2 == 0 || (l2 & cluster() - 1) != 0) {
        continue;
      }
      copied(l1Entry, l2, "L1 entry " + i);
      int width = extendedL2 ? 16 : 8;
      for (long j = 0; j < cluster() / width; j++) {
        long entry = u64(l2 + j * width);
        long offset = entry & OFFSET;
        String name = String.format("L2 0x%x entry %d", l2, j);
        if ((entry & COMPRESSED) != 0) {
          if ((entry & COPIED) != 0) {
            corruptions.add(name + ": compressed and COPIED");
          }
        } else if (offset != 0 && !dataFile) {
          copied(entry, offset, name);
        } else if (offset != 0 && (entry & COPIED) == 0) {
          corruptions.add(name + ": in a data file, and COPIED is clear");
        }
      }
    }
  }

  private void copied(long entry, long offset, String name) throws ImageException {
    long refcount = refcount(offset >> clusterBits);
    if ((entry & COPIED) != 0 != (refcount == 1)) {
      corruptions.add(
          String.format(
              "%s -> 0x%x: COPIED is %s, the refcount %d",
              name, offset, (entry & COPIED) != 0 ? "set" : "clear", refcount));
    }
  }

  private List<String> compare() throws ImageException {
    List<String> leaks = new ArrayList<>();
    references.forEach(
        (index, count) -> {
          String role = metadata.get(index << clusterBits);
          if (role != null && count > 1 && !role.equals("L2 table")) {
            corruptions.add(
                String.format(
                    "cluster 0x%x of the %s is referenced %d times",
                    index << clusterBits, role, count));
          }
        });
    long clusters = (file.length() + cluster() - 1) >> clusterBits;
    for (long i = 0; i < clusters; i++) {
      compare(i, leaks);
    }
    for (long i : references.keySet()) {
      if (i >= clusters) {
        compare(i, new ArrayList<>()); // behind the end of the file nothing leaks
      }
    }
    return leaks;
  }

  private void compare(long i, List<String> leaks) throws ImageException {
    long refcount = refcount(i);
    long expected = references.getOrDefault(i, 0L);
    String line =
        String.format(
            "cluster 0x%x: refcount %d, %d references", i << clusterBits, refcount, expected);
    if (Long.compareUnsigned(refcount, expected) < 0) {
      corruptions.add(line);
    } else if (refcount != expected) {
      leaks.add(line);
    }
  }

  private long refcount(long index) throws ImageException {
    int blockBits = clusterBits + 3 - refcountOrder;
    long tableIndex = index >>> blockBits;
    if (tableIndex >= refcountTableEntries) {
      return 0;
    }
    long block = u64(refcountTable + 8 * tableIndex);
    if (block == 0 || (block & cluster() - 1) != 0) {
      return 0;
    }
    long in = index & (1L << blockBits) - 1;
    int width = 1 << refcountOrder;
    return switch (refcountOrder) {
      case 3 -> u8(block + in);
      case 4 -> u16(block + in * 2);
      case 5 -> u32(block + in * 4);
      case 6 -> u64(block + in * 8);
      // Narrow fields fill a byte from its low bits.
      default -> u8(block + in * width / 8) >>> in * width % 8 & (1L << width) - 1;
    };
  }

  private void meta(long offset, long length, String role) {
    for (long at = offset & -cluster(); at < offset + length; at += cluster()) {
      String other = metadata.put(at, role);
      if (other != null) {
        corruptions.add(String.format("cluster 0x%x is both %s and %s", at, other, role));
      }
    }
    reference(offset, length);
  }

  private void reference(long offset, long length) {
    for (long i = offset >>> clusterBits; i << clusterBits < offset + length; i++) {
      references.merge(i, 1L, Long::sum);
    }
  }

  private long u8(long at) throws ImageException {
    return buffer.bytes().get(at(at)) & 0xff;
  }

  private long u16(long at) throws ImageException {
    return buffer.bytes().getShort(at(at)) & 0xffff;
  }

  private long u32(long at) throws ImageException {
    return buffer.bytes().getInt(at(at)) & 0xffff_ffffL;
  }

  private long u64(long at) throws ImageException {
    return buffer.bytes().getLong(at(at));
  }

  /** Where the (aligned) number at {@code at} is in the buffer; past the end are zeroes. */
  private int at(long at) throws ImageException {
    long page = at & -4096L;
    if (page != bufferAt) {
      int got = file.read(page, buffer, 0, 4096);
      buffer.zero(got, 4096 - got);
      bufferAt = page;
    }
    return (int) (at - page);
  }
}
