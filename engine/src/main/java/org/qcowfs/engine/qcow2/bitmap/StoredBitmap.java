package org.qcowfs.engine.qcow2.bitmap;

import java.nio.charset.StandardCharsets;

/**
 * An entry of the bitmap directory (spec: "Bitmap directory").
 *
 * @param tableOffset host offset of its table
 * @param tableEntries words of its table: one for each cluster of bits
 * @param flags {@link #IN_USE} and {@link #AUTO}
 * @param granularityBits log2 of the guest bytes one bit stands for, 9 to 31
 * @param name at most 1023 bytes
 */
@SuppressWarnings("ArrayRecordComponent")
public record StoredBitmap(
    long tableOffset, long tableEntries, int flags, int granularityBits, byte[] name) {
  /** Its content cannot be trusted: a program that had it open did not save it. */
  public static final int IN_USE = 1;

  /** It records writes. */
  public static final int AUTO = 2;

  /** Words of the table of a bitmap over a disk of {@code size} bytes. */
  public static long entriesFor(long size, int granularityBits, long clusterSize) {
    long bits = (size >>> granularityBits) + ((size & (1L << granularityBits) - 1) == 0 ? 0 : 1);
    long bytes = (bits + 63 >>> 6) * 8; // QEMU stores bits in words of 64
    return (bytes + clusterSize - 1) / clusterSize;
  }

  public boolean inUse() {
    return (flags & IN_USE) != 0;
  }

  public boolean auto() {
    return (flags & AUTO) != 0;
  }

  /** The name as text. */
  public String text() {
    return new String(name, StandardCharsets.UTF_8);
  }

  /** The same bitmap with other flags. */
  public StoredBitmap withFlags(int value) {
    return new StoredBitmap(tableOffset, tableEntries, value, granularityBits, name);
  }

  /** The same bitmap with other bits. */
  public StoredBitmap withTable(long offset, long entries) {
    return new StoredBitmap(offset, entries, flags, granularityBits, name);
  }
}
