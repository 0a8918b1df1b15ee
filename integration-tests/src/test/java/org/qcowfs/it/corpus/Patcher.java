package org.qcowfs.it.corpus;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Map;

/** Reads and overwrites fields of a qcow2 file, big-endian, without judging them. */
public final class Patcher implements AutoCloseable {
  private record Field(int offset, int bytes) {}

  /** The header's fields by the names of QEMU's qcow2 specification. */
  private static final Map<String, Field> HEADER =
      Map.ofEntries(
          Map.entry("magic", new Field(0, 4)),
          Map.entry("version", new Field(4, 4)),
          Map.entry("backing_file_offset", new Field(8, 8)),
          Map.entry("backing_file_size", new Field(16, 4)),
          Map.entry("cluster_bits", new Field(20, 4)),
          Map.entry("size", new Field(24, 8)),
          Map.entry("crypt_method", new Field(32, 4)),
          Map.entry("l1_size", new Field(36, 4)),
          Map.entry("l1_table_offset", new Field(40, 8)),
          Map.entry("refcount_table_offset", new Field(48, 8)),
          Map.entry("refcount_table_clusters", new Field(56, 4)),
          Map.entry("nb_snapshots", new Field(60, 4)),
          Map.entry("snapshots_offset", new Field(64, 8)),
          Map.entry("incompatible_features", new Field(72, 8)),
          Map.entry("compatible_features", new Field(80, 8)),
          Map.entry("autoclear_features", new Field(88, 8)),
          Map.entry("refcount_order", new Field(96, 4)),
          Map.entry("header_length", new Field(100, 4)),
          Map.entry("compression_type", new Field(104, 1)));

  /** Host offset bits of an L1 or a standard L2 entry. */
  public static final long OFFSET_MASK = 0x00fffffffffffe00L;

  /** The refcount of the cluster an entry points to is exactly one. */
  public static final long COPIED = 1L << 63;

  /** An L2 entry of a compressed cluster. */
  public static final long COMPRESSED = 1L << 62;

  private final RandomAccessFile file;

  private Patcher(RandomAccessFile file) {
    this.file = file;
  }

  public static Patcher open(Path image) {
    try {
      return new Patcher(new RandomAccessFile(image.toFile(), "rw"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A header field's value, unsigned unless it has 8 bytes. */
  public long header(String name) {
    Field field = field(name);
    return number(field.offset(), field.bytes());
  }

  /** Overwrites a header field. */
  public Patcher header(String name, long value) {
    Field field = field(name);
    return number(field.offset(), field.bytes(), value);
  }

  private static Field field(String name) {
    Field field = HEADER.get(name);
    if (field == null) {
      throw new IllegalArgumentException("no header field " + name);
    }
    return field;
  }

  public long u64(long offset) {
    return number(offset, 8);
  }

  public Patcher u64(long offset, long value) {
    return number(offset, 8, value);
  }

  public long u32(long offset) {
    return number(offset, 4);
  }

  public Patcher u32(long offset, long value) {
    return number(offset, 4, value);
  }

  public long u16(long offset) {
    return number(offset, 2);
  }

  public Patcher u16(long offset, long value) {
    return number(offset, 2, value);
  }

  private long number(long offset, int bytes) {
    long value = 0;
    for (byte b : readBytes(offset, bytes)) {
      value = value << 8 | b & 0xff;
    }
    return value;
  }

  private Patcher number(long offset, int bytes, long value) {
    byte[] image = new byte[bytes];
    for (int i = 0; i < bytes; i++) {
      image[i] = (byte) (value >>> 8 * (bytes - 1 - i));
    }
    return bytes(offset, image);
  }

  /** Overwrites bytes; past the end of the file they make it longer. */
  public Patcher bytes(long offset, byte... values) {
    try {
      file.seek(offset);
      file.write(values);
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Reads bytes. */
  public byte[] readBytes(long offset, int length) {
    try {
      byte[] values = new byte[length];
      file.seek(offset);
      file.readFully(values);
      return values;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Cuts or extends the file. */
  public Patcher truncate(long length) {
    try {
      file.setLength(length);
      return this;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The file's length in bytes. */
  public long length() {
    try {
      return file.length();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Bytes per cluster. */
  public long clusterSize() {
    return 1L << header("cluster_bits");
  }

  /** Host offset of active L1 entry {@code index}. */
  public long l1Entry(int index) {
    return header("l1_table_offset") + 8L * index;
  }

  /** Host offset of the L2 table that active L1 entry {@code index} names. */
  public long l2Table(int index) {
    return u64(l1Entry(index)) & OFFSET_MASK;
  }

  /**
   * Host offset of the L2 entry of guest cluster {@code cluster}, 8 bytes each; for extended L2
   * entries (16 bytes each) of the entry's first half.
   */
  public long l2Entry(long cluster) {
    int entryBytes = hasExtendedL2() ? 16 : 8;
    long perTable = clusterSize() / entryBytes;
    return l2Table((int) (cluster / perTable)) + entryBytes * (cluster % perTable);
  }

  private boolean hasExtendedL2() {
    return header("version") >= 3 && (header("incompatible_features") & 16) != 0;
  }

  /** Host offset of the data of guest cluster {@code cluster}. */
  public long dataCluster(long cluster) {
    return u64(l2Entry(cluster)) & OFFSET_MASK;
  }

  /**
   * Host offset of the contents of the first header extension of {@code type}.
   *
   * @throws AssertionError if there is none
   */
  public long extension(long type) {
    long at = header("version") >= 3 ? header("header_length") : 72;
    while (u32(at) != 0) {
      if (u32(at) == type) {
        return at + 8;
      }
      at += 8 + (u32(at + 4) + 7) / 8 * 8;
    }
    throw new AssertionError(String.format("no header extension 0x%x", type));
  }

  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
