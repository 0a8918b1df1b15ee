package org.qcowfs.engine.qcow2.mapping;

import static org.qcowfs.engine.qcow2.format.Geometry.COMPRESSED;
import static org.qcowfs.engine.qcow2.format.Geometry.COPIED;
import static org.qcowfs.engine.qcow2.format.Geometry.L2_RESERVED;
import static org.qcowfs.engine.qcow2.format.Geometry.OFFSET_MASK;
import static org.qcowfs.engine.qcow2.format.Geometry.SUBCLUSTERS;
import static org.qcowfs.engine.qcow2.format.Geometry.ZERO;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.qcow2.cache.Slice;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Reads L2 entries (spec: "Cluster mapping").
 *
 * <pre>
 *   standard entry    63 COPIED  62 COMPRESSED=0  55-9 host offset  0 ZERO (version 3)
 *   compressed entry  63 0       62 COMPRESSED=1  61-x sectors - 1  x-1..0 host offset
 *   extended entry    a standard or compressed entry with bit 0 reserved, then a bitmap word:
 *                     bit i (0-31): subcluster i is allocated; bit 32+i: it reads as zeroes
 * </pre>
 *
 * <p><b>Thread safety:</b> immutable.
 */
public final class L2Decoder {
  private final HostFile file;
  private final HostFile dataFile;
  private final boolean externalData;
  private final Geometry geometry;
  private final MetadataGuard guard;
  private final long reserved;

  /**
   * @param file the qcow2 file
   * @param dataFile where guest clusters live: {@code file}, or the external data file
   * @param version 2 or 3: version 2 knows no zero clusters
   */
  public L2Decoder(
      HostFile file, HostFile dataFile, Geometry geometry, int version, MetadataGuard guard) {
    this.file = file;
    this.dataFile = dataFile;
    this.externalData = file != dataFile;
    this.geometry = geometry;
    this.guard = guard;
    this.reserved = L2_RESERVED | (version < 3 || geometry.extendedL2() ? ZERO : 0);
  }

  /** Whether a range of the qcow2 file touches tables that the header points to. */
  boolean isMetadata(long hostOffset, long length) {
    return guard.firstOverlap(hostOffset, length) < length;
  }

  /** Answers for the guest range that begins in entry {@code entry} of {@code slice}. */
  void decode(Slice slice, int entry, long guestOffset, long length, Mapping out) {
    if (!geometry.extendedL2()) {
      decodeEntry(slice, entry, guestOffset, length, out);
      return;
    }
    int version; // an extended entry is two words, which a writer may be changing
    do {
      version = slice.version();
      decodeEntry(slice, entry, guestOffset, length, out);
    } while (slice.changedSince(version));
  }

  private void decodeEntry(Slice slice, int entry, long guestOffset, long length, Mapping out) {
    int wordIndex = entry << geometry.l2EntryWordBits();
    long inCluster = geometry.inCluster(guestOffset);
    long inClusterLength = Math.min(length, geometry.clusterSize() - inCluster);
    if (wordIndex + geometry.l2EntryWordBits() >= slice.count()) {
      damaged(slice, wordIndex, guestOffset, inClusterLength, "is past the end of the file", out);
      return;
    }
    long word = slice.word(wordIndex);
    if ((word & COMPRESSED) != 0) {
      decodeCompressed(slice, wordIndex, word, guestOffset, inClusterLength, out);
      return;
    }
    if ((word & reserved) != 0) {
      String wrong = String.format("is 0x%x, with reserved bits set", word);
      damaged(slice, wordIndex, guestOffset, inClusterLength, wrong, out);
      return;
    }
    long hostOffset = word & OFFSET_MASK;
    if (geometry.inCluster(hostOffset) != 0) {
      String wrong = String.format("names host offset 0x%x, not on a cluster boundary", hostOffset);
      damaged(slice, wordIndex, guestOffset, inClusterLength, wrong, out);
      return;
    }
    if (!externalData && (word & (COPIED | OFFSET_MASK | ZERO)) == COPIED) {
      // Spec: offset 0 with COPIED set is an address, and only an external data file has it.
      damaged(
          slice, wordIndex, guestOffset, inClusterLength, "names host offset 0x0, the header", out);
      return;
    }
    // Spec, incompatible bit 2: the offset in the data file must match the guest offset.
    if (externalData
        && (hostOffset != 0 || externalOffsetZero(word))
        && hostOffset != guestOffset - inCluster) {
      String wrong =
          String.format(
              "names offset 0x%x of the external data file, expected the guest offset 0x%x",
              hostOffset, guestOffset - inCluster);
      damaged(slice, wordIndex, guestOffset, inClusterLength, wrong, out);
      return;
    }
    if (geometry.extendedL2()) {
      decodeSubclusters(slice, wordIndex, word, guestOffset, length, out);
    } else {
      decodeStandard(slice, wordIndex, word, inCluster, length, out);
    }
    if (!externalData && out.hasHostOffset() && out.kind() == Mapping.Kind.DATA) {
      refuseMetadata(slice, wordIndex, guestOffset, inClusterLength, out);
    }
  }

  private void decodeCompressed(
      Slice slice, int wordIndex, long word, long guestOffset, long length, Mapping out) {
    if (externalData) {
      String wrong = "is a compressed cluster in an image with an external data file";
      damaged(slice, wordIndex, guestOffset, length, wrong, out);
    } else if (geometry.extendedL2() && slice.word(wordIndex + 1) != 0) {
      String wrong = "is a compressed cluster with a subcluster bitmap";
      damaged(slice, wordIndex, guestOffset, length, wrong, out);
    } else {
      long descriptor = word & ~(COMPRESSED | COPIED);
      out.setCompressed(file, geometry.compressedOffset(descriptor), length, descriptor);
    }
  }

  private void decodeStandard(
      Slice slice, int wordIndex, long word, long inCluster, long limit, Mapping out) {
    long step; // how the entry of the next cluster differs if it continues this one
    if ((word & ZERO) != 0) {
      long hostOffset = word & OFFSET_MASK;
      if (hostOffset == 0 && !externalOffsetZero(word)) {
        out.setZero(0);
        step = 0;
      } else {
        out.setZero(dataFile, hostOffset + inCluster, 0);
        step = geometry.clusterSize();
      }
    } else if ((word & OFFSET_MASK) == 0 && !externalOffsetZero(word)) {
      out.setUnallocated(0);
      step = 0;
    } else {
      out.setData(dataFile, (word & OFFSET_MASK) + inCluster, 0);
      step = geometry.clusterSize();
    }
    // COPIED says nothing about where the bytes are, but where it makes offset 0 an address.
    long ignored = externalData || (word & OFFSET_MASK) == 0 ? 0 : COPIED;
    long expected = word & ~ignored;
    long covered = geometry.clusterSize() - inCluster;
    for (int i = wordIndex + 1; covered < limit && i < slice.count(); i++) {
      expected += step;
      if ((slice.word(i) & ~ignored) != expected || (expected & reserved) != 0) {
        break;
      }
      covered += geometry.clusterSize();
    }
    out.extend(Math.min(covered, limit));
  }

  /** QEMU: in an external data file offset 0 is a cluster like any other if COPIED is set. */
  private boolean externalOffsetZero(long word) {
    return externalData && (word & COPIED) != 0;
  }

  private void decodeSubclusters(
      Slice slice, int wordIndex, long word, long guestOffset, long limit, Mapping out) {
    long inCluster = geometry.inCluster(guestOffset);
    int subcluster = (int) (inCluster >>> geometry.subclusterBits());
    long bitmap = slice.word(wordIndex + 1);
    String wrong = subclusterFault(word, bitmap);
    if (wrong != null) {
      long rest = Math.min(limit, geometry.clusterSize() - inCluster);
      damaged(slice, wordIndex, guestOffset, rest, wrong, out);
      return;
    }
    long hostOffset = word & OFFSET_MASK;
    boolean hasHost = hostOffset != 0 || externalOffsetZero(word);
    boolean allocated = (bitmap >>> subcluster & 1) != 0;
    boolean zero = (bitmap >>> SUBCLUSTERS + subcluster & 1) != 0;
    if (allocated) {
      out.setData(dataFile, hostOffset + inCluster, 0);
    } else if (hasHost) {
      if (zero) {
        out.setZero(dataFile, hostOffset + inCluster, 0);
      } else {
        out.setUnallocated(dataFile, hostOffset + inCluster, 0);
      }
    } else if (zero) {
      out.setZero(0);
    } else {
      out.setUnallocated(0);
    }
    long covered =
        ((long) (subcluster + run(bitmap, subcluster, allocated, zero))
                << geometry.subclusterBits())
            - inCluster;
    // Join following clusters for as long as each begins in the same state (and, where there are
    // host bytes, continues them).
    long nextHost = hostOffset + geometry.clusterSize();
    int i = wordIndex + 2;
    while (covered < limit
        && (inCluster + covered & geometry.clusterSize() - 1) == 0
        && i + 1 < slice.count()) {
      long nextWord = slice.word(i);
      long nextBitmap = slice.word(i + 1);
      boolean nextHasHost = (nextWord & OFFSET_MASK) != 0 || externalOffsetZero(nextWord);
      if ((nextWord & (COMPRESSED | reserved)) != 0
          || geometry.inCluster(nextWord & OFFSET_MASK) != 0
          || subclusterFault(nextWord, nextBitmap) != null
          || !externalData && (nextWord & (COPIED | OFFSET_MASK)) == COPIED
          || (nextBitmap & 1) != (allocated ? 1 : 0)
          || (nextBitmap >>> SUBCLUSTERS & 1) != (zero ? 1 : 0)
          || (hasHost ? (nextWord & OFFSET_MASK) != nextHost || !nextHasHost : nextHasHost)) {
        break;
      }
      covered += (long) run(nextBitmap, 0, allocated, zero) << geometry.subclusterBits();
      nextHost += geometry.clusterSize();
      i += 2;
    }
    out.extend(Math.min(covered, limit));
  }

  /** Subclusters from {@code first} on, to the end of the cluster, in the same state. */
  private static int run(long bitmap, int first, boolean allocated, boolean zero) {
    int allocatedDiffers = (int) bitmap ^ (allocated ? -1 : 0);
    int zeroDiffers = (int) (bitmap >>> SUBCLUSTERS) ^ (zero ? -1 : 0);
    int differs = (allocatedDiffers | zeroDiffers) >>> first;
    return Math.min(SUBCLUSTERS - first, Integer.numberOfTrailingZeros(differs));
  }

  private @Nullable String subclusterFault(long word, long bitmap) {
    if (((int) bitmap & (int) (bitmap >>> SUBCLUSTERS)) != 0) {
      return String.format(
          "has subcluster bitmap 0x%x, with subclusters both allocated and zero", bitmap);
    }
    if ((int) bitmap != 0 && (word & OFFSET_MASK) == 0 && !externalOffsetZero(word)) {
      return String.format(
          "has subcluster bitmap 0x%x, with subclusters allocated but no host offset", bitmap);
    }
    return null;
  }

  /** A data cluster that is also a table the header points to, or its own L2 table, is damage. */
  private void refuseMetadata(
      Slice slice, int wordIndex, long guestOffset, long inClusterLength, Mapping out) {
    long clusterStart = out.hostOffset() & -geometry.clusterSize();
    long inFirst = out.hostOffset() - clusterStart;
    long spanned = inFirst + out.length();
    long overlap = guard.firstOverlap(clusterStart, spanned);
    long ownTable = (slice.hostOffset() & -geometry.clusterSize()) - clusterStart;
    if (ownTable >= 0 && ownTable < spanned) {
      overlap = Math.min(overlap, ownTable);
    }
    if (overlap >= spanned) {
      return;
    }
    long clean = overlap & -geometry.clusterSize();
    if (clean > 0) {
      out.limit(clean - inFirst);
    } else {
      String wrong = String.format("names host offset 0x%x, which is metadata", clusterStart);
      damaged(slice, wordIndex, guestOffset, inClusterLength, wrong, out);
    }
  }

  private void damaged(
      Slice slice, int wordIndex, long guestOffset, long length, String wrong, Mapping out) {
    out.setDamaged(
        ImageException.corrupt(
            file.path(),
            String.format(
                "L2 entry at host offset 0x%x (guest offset 0x%x) %s",
                slice.hostOffset() + wordIndex * 8L, guestOffset, wrong)),
        length);
  }
}
