package org.qcowfs.engine.qcow2.change;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.qcow2.format.FeatureNames;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;

/**
 * The header an image is to have: the present one, with the fields that a change sets.
 *
 * <p><b>Thread safety:</b> none.
 */
final class HeaderEdit {
  /** Of the bytes 72 to 111, which QEMU writes since 5.1. */
  private static final int V3_BYTES = 112;

  private final String path;
  int version;
  long size;
  long l1Entries;
  long l1Offset;
  long refcountTableOffset;
  long refcountTableClusters;
  int refcountOrder;
  long incompatible;
  long compatible;
  long autoclear;
  @Nullable String backingName;
  private List<HeaderExtension> extensions;

  /** Whether the names of the features are recorded, as far as there is room for them. */
  boolean featureNames = true;

  HeaderEdit(String path, Header header) {
    this.path = path;
    version = header.version();
    size = header.size();
    l1Entries = header.l1Entries();
    l1Offset = header.l1Offset();
    refcountTableOffset = header.refcountTableOffset();
    refcountTableClusters = header.refcountTableClusters();
    refcountOrder = header.refcountOrder();
    incompatible = header.incompatible();
    compatible = header.compatible();
    autoclear = header.autoclear() & 3; // rule W6
    backingName = header.backingName();
    extensions = new ArrayList<>(header.extensions());
  }

  /** Sets an extension, where it was or in front of the others; null removes it. */
  void setExtension(int type, byte @Nullable [] data) {
    List<HeaderExtension> changed = new ArrayList<>();
    boolean placed = data == null;
    for (HeaderExtension extension : extensions) {
      if (extension.type() != type) {
        changed.add(extension);
      } else if (!placed && data != null) {
        changed.add(new HeaderExtension(type, data));
        placed = true;
      }
    }
    if (!placed && data != null) {
      changed.add(0, new HeaderExtension(type, data));
    }
    extensions = changed;
  }

  /** Names the backing file, or none, and its format. */
  void setBacking(@Nullable String name, @Nullable String format) throws ImageException {
    if (name != null
        && name.getBytes(StandardCharsets.UTF_8).length > FormatLimits.MAX_BACKING_NAME_BYTES) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS,
          path,
          "Backing file name too long (expected at most "
              + FormatLimits.MAX_BACKING_NAME_BYTES
              + " bytes)");
    }
    backingName = name == null || name.isEmpty() ? null : name;
    setExtension(
        HeaderExtension.BACKING_FORMAT,
        backingName == null || format == null || format.isEmpty()
            ? null
            : format.getBytes(StandardCharsets.UTF_8));
  }

  /**
   * The header cluster with this header, the name right behind the extensions.
   *
   * @param old the header cluster as it is: what this class does not know is kept
   * @throws ImageException kind {@code NO_SPACE} if it does not fit
   */
  byte[] encode(byte[] old) throws ImageException {
    int fixed = fixedBytes(old);
    return encode(old, fixed, 0);
  }

  /**
   * As {@link #encode(byte[])}, with the name at {@code nameAt}, or behind the extensions for 0.
   */
  byte[] encodeWithNameAt(byte[] old, int nameAt) throws ImageException {
    return encode(old, fixedBytes(old), nameAt);
  }

  /**
   * As {@link #encode(byte[])}, with the extensions from {@code headerBytes} on: the fields between
   * the known ones and there have no meaning.
   */
  byte[] encodeBehind(byte[] old, int headerBytes) throws ImageException {
    return encode(old, headerBytes, 0);
  }

  private int fixedBytes(byte[] old) {
    if (version < 3) {
      return FormatLimits.V2_HEADER_BYTES;
    }
    ByteBuffer in = ByteBuffer.wrap(old);
    return in.getInt(4) < 3 ? V3_BYTES : Math.max(V3_BYTES, in.getInt(100));
  }

  private byte[] encode(byte[] old, int fixed, int nameAt) throws ImageException {
    ByteBuffer out = ByteBuffer.allocate(old.length);
    ByteBuffer in = ByteBuffer.wrap(old);
    boolean wasV3 = in.getInt(4) >= 3;
    out.put(0, old, 0, wasV3 ? Math.min(fixed, in.getInt(100)) : FormatLimits.V2_HEADER_BYTES);
    out.putInt(4, version).putLong(8, 0).putInt(16, 0);
    out.putLong(24, size).putInt(36, (int) l1Entries).putLong(40, l1Offset);
    out.putLong(48, refcountTableOffset).putInt(56, (int) refcountTableClusters);
    if (version >= 3) {
      out.putLong(72, incompatible).putLong(80, compatible).putLong(88, autoclear);
      out.putInt(96, refcountOrder).putInt(100, fixed);
    } else {
      Arrays.fill(out.array(), FormatLimits.V2_HEADER_BYTES, fixed, (byte) 0);
    }
    byte[] name = backingName == null ? new byte[0] : backingName.getBytes(StandardCharsets.UTF_8);
    int needed = fixed + 8 + name.length;
    for (HeaderExtension extension : extensions) {
      needed += extension.type() == HeaderExtension.FEATURE_NAMES ? 0 : bytes(extension);
    }
    HeaderExtension names =
        new HeaderExtension(HeaderExtension.FEATURE_NAMES, FeatureNames.table());
    // QEMU's order. The names are a courtesy: they give way to what must be there.
    int at = putAll(out, fixed, HeaderEdit::isBeforeNames);
    if (version >= 3 && featureNames && needed + bytes(names) <= out.capacity()) {
      at = put(out, at, names);
    }
    at = putAll(out, at, type -> type == HeaderExtension.BITMAPS);
    at =
        putAll(
            out,
            at,
            type ->
                !isBeforeNames(type)
                    && type != HeaderExtension.FEATURE_NAMES
                    && type != HeaderExtension.BITMAPS);
    at += 8; // the END extension is all zero
    if (name.length > 0) {
      int place = Math.max(at, nameAt);
      require(place + name.length <= out.capacity(), out.capacity());
      out.put(place, name).putLong(8, place).putInt(16, name.length);
    }
    require(at <= out.capacity(), out.capacity());
    return out.array();
  }

  private static boolean isBeforeNames(int type) {
    return type == HeaderExtension.BACKING_FORMAT
        || type == HeaderExtension.DATA_FILE
        || type == HeaderExtension.ENCRYPTION;
  }

  private static int bytes(HeaderExtension extension) {
    return 8 + (extension.data().length + 7 & ~7);
  }

  private int putAll(ByteBuffer out, int at, IntPredicate types) throws ImageException {
    int end = at;
    for (HeaderExtension extension : extensions) {
      if (types.test(extension.type())) {
        end = put(out, end, extension);
      }
    }
    return end;
  }

  private int put(ByteBuffer out, int at, HeaderExtension extension) throws ImageException {
    byte[] data = extension.data();
    int end = at + bytes(extension);
    require(end + 8 <= out.capacity(), out.capacity());
    out.putInt(at, extension.type()).putInt(at + 4, data.length).put(at + 8, data);
    return end;
  }

  private void require(boolean fits, int capacity) throws ImageException {
    if (!fits) {
      throw new ImageException(
          ErrorKind.NO_SPACE,
          path,
          "the header does not fit into a cluster of " + capacity + " bytes");
    }
  }
}
