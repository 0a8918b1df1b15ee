package org.qcowfs.engine.qcow2.mapping;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * One disk of a qcow2 file: an L1 table and the L2 tables below it.
 *
 * <p><b>Thread safety:</b> safe; a cache hit takes no lock and allocates nothing.
 */
public final class DiskTable {
  private final HostFile file;
  private final Geometry geometry;
  private final L2Decoder decoder;
  private final SliceLoader l1;
  private final SliceLoader l2;
  private final long l1Offset;
  private final long l1Entries;
  private final int sliceBytes;

  /** Log2 of the entries in an L2 slice. */
  private final int sliceEntryBits;

  /**
   * @param file the qcow2 file, which holds the tables
   * @param decoder how this image's L2 entries read
   * @param l1Offset host offset of the L1 table, cluster-aligned
   * @param l1Entries entries of the L1 table; what lies behind them is unallocated
   */
  public DiskTable(
      HostFile file,
      Geometry geometry,
      L2Decoder decoder,
      MetadataCache cache,
      long l1Offset,
      long l1Entries) {
    this(
        file,
        geometry,
        decoder,
        new TableReader(file, cache),
        new TableReader(file, cache),
        l1Offset,
        l1Entries);
  }

  /** As the other constructor, with the tables' slices from elsewhere than the cache. */
  public DiskTable(
      HostFile file,
      Geometry geometry,
      L2Decoder decoder,
      SliceLoader l1,
      SliceLoader l2,
      long l1Offset,
      long l1Entries) {
    this.file = file;
    this.geometry = geometry;
    this.decoder = decoder;
    this.l1 = l1;
    this.l2 = l2;
    this.l1Offset = l1Offset;
    this.l1Entries = l1Entries;
    this.sliceBytes = (int) Math.min(MetadataCache.SLICE_BYTES, geometry.clusterSize());
    this.sliceEntryBits =
        Integer.numberOfTrailingZeros(sliceBytes / 8) - geometry.l2EntryWordBits();
  }

  /**
   * Says where the guest range lives; see {@link org.qcowfs.engine.layer.Layer#map}.
   *
   * @param length most bytes to answer for, all of them within the disk
   */
  public void map(long guestOffset, long length, Mapping out) {
    long sliceIndex = guestOffset >>> geometry.clusterBits() + sliceEntryBits;
    Slice slice = l2.cached(sliceIndex);
    out.countLookup();
    if (slice == null) {
      slice = loadL2(guestOffset, length, sliceIndex, out);
      if (slice == null) {
        return; // answered by the L1 table
      }
    }
    int entry = (int) (guestOffset >>> geometry.clusterBits()) & (1 << sliceEntryBits) - 1;
    decoder.decode(slice, entry, guestOffset, length, out);
  }

  /** Finds the L2 slice through the L1 table, or answers without one and returns null. */
  private @Nullable Slice loadL2(long guestOffset, long length, long sliceIndex, Mapping out) {
    long l1Index = guestOffset >>> geometry.l1Shift();
    // What one L1 entry decides about the range asked for.
    long covered =
        Math.min(
            length, (1L << geometry.l1Shift()) - (guestOffset & (1L << geometry.l1Shift()) - 1));
    if (l1Index >= l1Entries) {
      out.setUnallocated(length);
      return null;
    }
    int perSlice = sliceBytes / 8;
    try {
      long l1SliceIndex = l1Index / perSlice;
      Slice table = l1.cached(l1SliceIndex);
      if (table == null) {
        long first = l1SliceIndex * perSlice;
        int bytes = (int) Math.min(perSlice, l1Entries - first) * 8;
        out.countMiss();
        table = l1.load(l1SliceIndex, l1Offset + first * 8, bytes);
      }
      int i = (int) (l1Index % perSlice);
      if (i >= table.count()) {
        out.setDamaged(l1Damage(l1Index, guestOffset, "is past the end of the file"), covered);
        return null;
      }
      long entry = table.word(i);
      long l2Offset = entry & Geometry.OFFSET_MASK;
      if ((entry & Geometry.L1_RESERVED) != 0) {
        out.setDamaged(
            l1Damage(l1Index, guestOffset, String.format("is 0x%x, with reserved bits set", entry)),
            covered);
        return null;
      }
      if (entry == Geometry.COPIED) {
        out.setDamaged(
            l1Damage(l1Index, guestOffset, "names an L2 table at 0x0, the header"), covered);
        return null;
      }
      if (l2Offset == 0) {
        long unallocated = covered;
        while (unallocated < length && ++i < table.count() && table.word(i) == 0) {
          unallocated = Math.min(length, unallocated + (1L << geometry.l1Shift()));
        }
        out.setUnallocated(unallocated);
        return null;
      }
      if (geometry.inCluster(l2Offset) != 0) {
        out.setDamaged(
            l1Damage(
                l1Index,
                guestOffset,
                String.format("names an L2 table at 0x%x, not on a cluster boundary", l2Offset)),
            covered);
        return null;
      }
      if (decoder.isMetadata(l2Offset, geometry.clusterSize())) {
        out.setDamaged(
            l1Damage(
                l1Index,
                guestOffset,
                String.format("names an L2 table at 0x%x, which is other metadata", l2Offset)),
            covered);
        return null;
      }
      int slicesPerTableBits = geometry.l2Bits() - sliceEntryBits;
      long inTable = sliceIndex & (1L << slicesPerTableBits) - 1;
      out.countMiss();
      return l2.load(sliceIndex, l2Offset + inTable * sliceBytes, sliceBytes);
    } catch (ImageException e) {
      long slice = 1L << geometry.clusterBits() + sliceEntryBits;
      out.setDamaged(e, Math.min(covered, slice - (guestOffset & slice - 1)));
      return null;
    }
  }

  private ImageException l1Damage(long l1Index, long guestOffset, String wrong) {
    return ImageException.corrupt(
        file.path(),
        String.format(
            "L1 entry %d at host offset 0x%x (guest offset 0x%x) %s",
            l1Index, l1Offset + l1Index * 8, guestOffset, wrong));
  }
}
