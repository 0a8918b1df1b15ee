package org.qcowfs.engine.testing;

import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;

/**
 * Composes a qcow2 file byte by byte, so that a test can say exactly what is wrong with it.
 *
 * <pre>
 *   cluster 0 header   1 refcount table   2 refcount block   3.. L1 table   then what is appended
 * </pre>
 *
 * The refcounts are zero: nothing that reads looks at them, and a test may put its own.
 */
public final class ImageBuilder {
  private final int clusterBits;
  private final long clusterSize;
  private final long virtualSize;
  private final long l1Offset;
  private final int l1Entries;
  private final boolean extendedL2;
  private byte[] bytes;
  private long end;
  private int extensionsEnd;

  private ImageBuilder(int clusterBits, long virtualSize, boolean extendedL2) {
    this.clusterBits = clusterBits;
    this.clusterSize = 1L << clusterBits;
    this.virtualSize = virtualSize;
    this.extendedL2 = extendedL2;
    int l1Shift = clusterBits + clusterBits - (extendedL2 ? 4 : 3);
    this.l1Entries = (int) (virtualSize + (1L << l1Shift) - 1 >>> l1Shift);
    this.l1Offset = 3 * clusterSize;
    this.bytes = new byte[(int) Math.min(1 << 20, 8 * clusterSize)];
    this.end = l1Offset + (l1Entries * 8L + clusterSize - 1 & -clusterSize);
    putInt(0, 0x514649fb);
    putInt(4, 3);
    putInt(20, clusterBits);
    putLong(24, virtualSize);
    putInt(36, l1Entries);
    putLong(40, l1Offset);
    putLong(48, clusterSize);
    putInt(56, 1);
    putInt(96, 4);
    putInt(100, 112);
    putLong(clusterSize, 2 * clusterSize);
    extensionsEnd = 112;
    if (extendedL2) {
      incompatible(1L << 4);
    }
  }

  /** A version 3 image with an empty L1 table that is as long as it must be. */
  public static ImageBuilder v3(int clusterBits, long virtualSize) {
    return new ImageBuilder(clusterBits, virtualSize, false);
  }

  /** A version 3 image with extended L2 entries. */
  public static ImageBuilder extended(int clusterBits, long virtualSize) {
    return new ImageBuilder(clusterBits, virtualSize, true);
  }

  /** A version 2 image. */
  public static ImageBuilder v2(int clusterBits, long virtualSize) {
    ImageBuilder image = new ImageBuilder(clusterBits, virtualSize, false);
    image.putInt(4, 2);
    Arrays.fill(image.bytes, 72, 112, (byte) 0);
    image.extensionsEnd = 72;
    return image;
  }

  /** The bytes of an image that qemu-img made, kept as text among the test resources. */
  public static byte[] golden(String name) {
    List<String> lines;
    try (InputStream in =
        ImageBuilder.class.getResourceAsStream("/org/qcowfs/engine/golden/" + name + ".hex")) {
      if (in == null) {
        throw new IllegalArgumentException("no golden image " + name);
      }
      lines = new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    byte[] out = new byte[0];
    for (String line : lines) {
      if (line.startsWith("length ")) {
        out = new byte[Integer.parseInt(line.substring(7), 16)];
      } else if (!line.startsWith("#")) {
        int colon = line.indexOf(':');
        int star = line.indexOf('*');
        int at = Integer.parseInt(line.substring(0, star < 0 ? colon : star), 16);
        int repeats = star < 0 ? 1 : Integer.parseInt(line.substring(star + 1, colon), 16);
        byte[] row = HexFormat.of().parseHex(line.substring(colon + 2));
        for (int i = 0; i < repeats; i++) {
          System.arraycopy(row, 0, out, at + i * row.length, row.length);
        }
      }
    }
    return out;
  }

  public long clusterSize() {
    return clusterSize;
  }

  public long l1Offset() {
    return l1Offset;
  }

  /** Where the next appended cluster begins. */
  public long end() {
    return end;
  }

  public ImageBuilder putByte(long at, int value) {
    reserve(at + 1);
    bytes[(int) at] = (byte) value;
    return this;
  }

  public ImageBuilder putShort(long at, int value) {
    reserve(at + 2);
    ByteBuffer.wrap(bytes).putShort((int) at, (short) value);
    return this;
  }

  public ImageBuilder putInt(long at, int value) {
    reserve(at + 4);
    ByteBuffer.wrap(bytes).putInt((int) at, value);
    return this;
  }

  public ImageBuilder putLong(long at, long value) {
    reserve(at + 8);
    ByteBuffer.wrap(bytes).putLong((int) at, value);
    return this;
  }

  public ImageBuilder put(long at, byte[] value) {
    reserve(at + value.length);
    System.arraycopy(value, 0, bytes, (int) at, value.length);
    return this;
  }

  /** Sets incompatible feature bits. */
  public ImageBuilder incompatible(long mask) {
    return putLong(72, ByteBuffer.wrap(bytes).getLong(72) | mask);
  }

  /** Adds a header extension. */
  public ImageBuilder extension(int type, byte[] payload) {
    putInt(extensionsEnd, type);
    putInt(extensionsEnd + 4, payload.length);
    put(extensionsEnd + 8, payload);
    extensionsEnd += 8 + (payload.length + 7 & ~7);
    return this;
  }

  /**
   * Names a backing file, behind the extensions added so far.
   *
   * @param format recorded format, "" for none
   */
  public ImageBuilder backing(String name, String format) {
    if (!format.isEmpty()) {
      extension(0xe2792aca, format.getBytes(StandardCharsets.UTF_8));
    }
    byte[] text = name.getBytes(StandardCharsets.UTF_8);
    putLong(8, extensionsEnd + 8);
    putInt(16, text.length);
    return put(extensionsEnd + 8, text);
  }

  /** Makes guest clusters live in the file {@code name}. */
  public ImageBuilder dataFile(String name) {
    return incompatible(1 << 2).extension(0x44415441, name.getBytes(StandardCharsets.UTF_8));
  }

  /** Appends one cluster; returns its host offset. */
  public long append(byte[] content) {
    long at = end;
    end += clusterSize;
    reserve(end);
    put(at, content);
    return at;
  }

  /** Appends one cluster filled with a byte; returns its host offset. */
  public long append(int fill) {
    byte[] content = new byte[(int) clusterSize];
    Arrays.fill(content, (byte) fill);
    return append(content);
  }

  /** Appends bytes that need not begin at a cluster, as compressed clusters do. */
  public long appendUnaligned(byte[] content) {
    long at = end;
    put(at, content);
    end = at + content.length;
    return at;
  }

  /** Moves the end to the first cluster boundary at or after {@code offset}. */
  public ImageBuilder padTo(long offset) {
    end = Math.max(end, offset) + clusterSize - 1 & -clusterSize;
    reserve(end);
    return this;
  }

  public ImageBuilder l1(int index, long entry) {
    return putLong(l1Offset + index * 8L, entry);
  }

  /** Host offset of the L2 entry of a guest cluster; makes the L2 table if there is none. */
  public long l2EntryOffset(long guestCluster) {
    int wordBits = extendedL2 ? 1 : 0;
    int l2Bits = clusterBits - 3 - wordBits;
    int l1Index = (int) (guestCluster >>> l2Bits);
    reserve(l1Offset + l1Index * 8L + 8);
    long entry = ByteBuffer.wrap(bytes).getLong((int) (l1Offset + l1Index * 8L));
    if (entry == 0) {
      entry = append(0) | 1L << 63;
      l1(l1Index, entry);
    }
    return (entry & 0x00fffffffffffe00L) + ((guestCluster & (1L << l2Bits) - 1) << 3 + wordBits);
  }

  /** Sets the L2 entry of a guest cluster. */
  public ImageBuilder l2(long guestCluster, long entry) {
    return putLong(l2EntryOffset(guestCluster), entry);
  }

  /** Sets both words of an extended L2 entry. */
  public ImageBuilder l2(long guestCluster, long entry, long bitmap) {
    return l2(guestCluster, entry).putLong(l2EntryOffset(guestCluster) + 8, bitmap);
  }

  /** Gives a guest cluster a data cluster filled with a byte; returns its host offset. */
  public long data(long guestCluster, int fill) {
    l2EntryOffset(guestCluster);
    long at = append(fill);
    l2(guestCluster, at | 1L << 63);
    return at;
  }

  /** The L2 entry of a compressed cluster of {@code length} bytes at {@code hostOffset}. */
  public long compressedEntry(long hostOffset, int length) {
    int shift = 62 - (clusterBits - 8);
    long sectors = (hostOffset + length - 1 >>> 9) - (hostOffset >>> 9);
    return 1L << 62 | sectors << shift | hostOffset;
  }

  public long virtualSize() {
    return virtualSize;
  }

  /** The file so far, to the end of the last appended cluster. */
  public byte[] bytes() {
    return Arrays.copyOf(bytes, (int) end);
  }

  /** Writes the file. */
  public Path write(Path path) {
    return write(path, end);
  }

  /** Writes the file with its length set, cut or made longer by a hole. */
  public Path write(Path path, long length) {
    try (RandomAccessFile out = new RandomAccessFile(path.toFile(), "rw")) {
      out.setLength(0);
      out.write(bytes, 0, (int) Math.min(bytes.length, Math.min(end, length)));
      out.setLength(length);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return path;
  }

  private void reserve(long length) {
    if (length > bytes.length) {
      bytes = Arrays.copyOf(bytes, Math.toIntExact(Math.max(length, bytes.length * 2L)));
    }
  }
}
