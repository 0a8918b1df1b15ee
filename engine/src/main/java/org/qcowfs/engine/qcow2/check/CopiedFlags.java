package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.check.Finding.Kind;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Names the entries of active tables whose COPIED flag contradicts the refcounts: it is set exactly
 * where the refcount is 1 (spec: "L1 table entry", "Standard Cluster Descriptor").
 *
 * <p><b>Thread safety:</b> one thread.
 */
final class CopiedFlags {
  /** The refcounts that COPIED flags are held against. */
  @FunctionalInterface
  interface Refcounts {
    /** The refcount of a host cluster; null if it is not known. */
    @Nullable Long get(long cluster);
  }

  private final CheckedFile file;
  private final Geometry geometry;
  private final boolean externalData;
  private final Refcounts stored;
  private final Report to;
  private final DataBuffer table;

  CopiedFlags(
      CheckedFile file, Geometry geometry, boolean externalData, Refcounts stored, Report to) {
    this.file = file;
    this.geometry = geometry;
    this.externalData = externalData;
    this.stored = stored;
    this.to = to;
    this.table = DataBuffer.allocate((int) geometry.clusterSize());
  }

  /**
   * Looks at an L1 table and the L2 tables it names, each once.
   *
   * @param uses how often each table is named
   */
  void report(long[] l1, Uses uses) throws ImageException {
    uses.restart();
    for (int i = 0; i < l1.length; i++) {
      long entry = l1[i];
      long l2 = entry & Geometry.OFFSET_MASK;
      if (l2 == 0) {
        continue;
      }
      Long refcount = stored.get(l2 >>> geometry.clusterBits());
      if (refcount == null) {
        continue;
      }
      long guest = (long) i << geometry.l1Shift();
      if (refcount == 1 != entry < 0) {
        to.add(
            new Finding(
                Kind.COPIED_FLAG,
                TableWalk.L1,
                l2,
                guest,
                refcount == 1 ? 1 : 0,
                entry >>> 63,
                1,
                "ERROR OFLAG_COPIED L2 cluster: l1_index="
                    + i
                    + " l1_entry="
                    + Long.toHexString(entry)
                    + " refcount="
                    + Long.toUnsignedString(refcount)));
      }
      if (l2 < file.length() && uses.first(l2)) {
        file.read(l2, table, table.capacity());
        reportL2(guest, uses.active(l2));
      }
    }
  }

  private void reportL2(long guestBase, long times) {
    ByteBuffer words = table.bytes();
    int step = geometry.extendedL2() ? 16 : 8;
    for (int at = 0; at < table.capacity(); at += step) {
      long entry = words.getLong(at);
      long offset = entry & Geometry.OFFSET_MASK;
      boolean zero = !geometry.extendedL2() && (entry & Geometry.ZERO) != 0;
      boolean named = offset != 0 || externalData && entry < 0 && !zero;
      if (!named || (entry & Geometry.COMPRESSED) != 0) {
        continue;
      }
      Long refcount =
          externalData ? Long.valueOf(1) : stored.get(offset >>> geometry.clusterBits());
      if (refcount != null && refcount == 1 != entry < 0) {
        to.add(
            new Finding(
                Kind.COPIED_FLAG,
                TableWalk.L2,
                offset,
                guestBase + ((long) (at / step) << geometry.clusterBits()),
                refcount == 1 ? 1 : 0,
                entry >>> 63,
                times,
                "ERROR OFLAG_COPIED data cluster: l2_entry="
                    + Long.toHexString(entry)
                    + " refcount="
                    + Long.toUnsignedString(refcount)));
      }
    }
  }
}
