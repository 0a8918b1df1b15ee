package org.qcowfs.engine.qcow2.change;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.bitmap.BitmapStore;
import org.qcowfs.engine.qcow2.bitmap.StoredBitmap;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;

/**
 * The persistent bitmaps of an image that is being changed: tables and directory are written anew,
 * and take effect with the header.
 *
 * <p><b>Thread safety:</b> none.
 */
final class Qcow2Bitmaps {
  private final ImageEdit edit;
  private final List<StoredBitmap> before;
  private final List<StoredBitmap> bitmaps;
  private boolean changed;

  private Qcow2Bitmaps(ImageEdit edit, List<StoredBitmap> before) {
    this.edit = edit;
    this.before = before;
    this.bitmaps = new ArrayList<>(before);
  }

  static Qcow2Bitmaps of(ImageEdit edit) throws ImageException {
    return new Qcow2Bitmaps(edit, BitmapStore.read(edit.file, edit.header));
  }

  private int index(String name) {
    for (int i = 0; i < bitmaps.size(); i++) {
      if (bitmaps.get(i).text().equals(name)) {
        return i;
      }
    }
    return -1;
  }

  private int find(String name) throws ImageException {
    int index = index(name);
    if (index < 0) {
      throw notFound(edit.file, name);
    }
    return index;
  }

  private int usable(String name) throws ImageException {
    int index = find(name);
    requireConsistent(edit.file, bitmaps.get(index));
    return index;
  }

  static ImageException notFound(HostFile file, String name) {
    return new ImageException(
        ErrorKind.OUT_OF_BOUNDS, file.path(), "Dirty bitmap '" + Escape.text(name) + "' not found");
  }

  static void requireConsistent(HostFile file, StoredBitmap bitmap) throws ImageException {
    if (bitmap.inUse()) {
      throw new ImageException(
          ErrorKind.OUT_OF_BOUNDS,
          file.path(),
          "Bitmap '" + Escape.text(bitmap.text()) + "' is inconsistent and cannot be used");
    }
  }

  private ImageException fault(String detail) {
    return new ImageException(ErrorKind.OUT_OF_BOUNDS, edit.file.path(), detail);
  }

  /** Adds an empty bitmap that records writes. */
  void add(String name, int granularityBits) throws ImageException {
    if (index(name) >= 0) {
      throw fault("Bitmap already exists: " + Escape.text(name));
    }
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    if (bytes.length == 0) {
      throw fault("Bitmap name cannot be empty");
    }
    if (bytes.length > 1023) {
      throw fault("Name length exceeds maximum (1023 characters)");
    }
    if (edit.header.version() < 3) {
      throw fault("Cannot store dirty bitmaps in qcow2 v2 files");
    }
    if (bitmaps.size() >= FormatLimits.MAX_BITMAPS) {
      throw fault("Maximum number of persistent bitmaps is already reached");
    }
    bitmaps.add(empty(new StoredBitmap(0, 0, StoredBitmap.AUTO, granularityBits, bytes)));
    changed = true;
  }

  private StoredBitmap empty(StoredBitmap bitmap) throws ImageException {
    long entries =
        StoredBitmap.entriesFor(edit.header.size(), bitmap.granularityBits(), edit.clusterSize);
    return store(bitmap, new long[(int) Math.max(1, entries)]);
  }

  /** What an earlier action of this change allocated for a bitmap is of no use any more. */
  private void forget(StoredBitmap bitmap) throws ImageException {
    for (StoredBitmap stored : before) {
      if (stored.tableOffset() == bitmap.tableOffset()) {
        return; // the header names it until the switch
      }
    }
    BitmapStore.forEach(
        edit.file,
        bitmap,
        edit.clusterSize,
        (at, bytes) -> edit.giveBackUnused(at, edit.clusters(bytes)));
  }

  /** Writes a bitmap's table to a new place. */
  private StoredBitmap store(StoredBitmap bitmap, long[] table) throws ImageException {
    long place = edit.allocateBytes(table.length * 8L);
    edit.writeWords(place, table);
    return bitmap.withTable(place, table.length);
  }

  void remove(String name) throws ImageException {
    forget(bitmaps.remove(find(name)));
    changed = true;
  }

  void removeAll() {
    changed |= !bitmaps.isEmpty();
    bitmaps.clear();
  }

  /** All bits become 0. */
  void clear(String name) throws ImageException {
    int index = usable(name);
    StoredBitmap old = bitmaps.get(index);
    bitmaps.set(index, empty(old));
    forget(old);
    changed = true;
  }

  /** Makes a bitmap record writes, or stop recording them. */
  void record(String name, boolean on) throws ImageException {
    int index = usable(name);
    bitmaps.set(index, bitmaps.get(index).withFlags(on ? StoredBitmap.AUTO : 0));
    changed = true;
  }

  /** Sets the bits in {@code target} that stand for what {@code source}'s bits stand for. */
  void merge(String target, BitmapBits source) throws ImageException {
    int index = usable(target);
    if (source.size() != edit.header.size()) {
      throw fault(
          "Bitmaps are of different sizes (destination size is "
              + edit.header.size()
              + ", source size is "
              + source.size()
              + ") and can't be merged");
    }
    StoredBitmap into = bitmaps.get(index);
    BitmapBits bits = BitmapBits.read(edit.file, edit.header, into);
    bits.merge(source);
    bitmaps.set(index, store(into, write(bits)));
    forget(into);
    changed = true;
  }

  /** The bits of a bitmap of this image. */
  BitmapBits bits(String name) throws ImageException {
    return BitmapBits.read(edit.file, edit.header, bitmaps.get(usable(name)));
  }

  /** Writes the clusters of bits that are not empty; returns their table. */
  private long[] write(BitmapBits bits) throws ImageException {
    long[] table = new long[bits.clusters()];
    DataBuffer buffer = DataBuffer.allocate((int) edit.clusterSize);
    for (int i = 0; i < table.length; i++) {
      byte[] cluster = bits.cluster(i);
      if (cluster != null) {
        table[i] = edit.allocate(1);
        buffer.bytes().put(0, cluster);
        edit.file.write(table[i], buffer, 0, cluster.length);
      }
    }
    return table;
  }

  /** Fits all bitmaps to another size of the disk. */
  void resize(long size) throws ImageException {
    for (int i = 0; i < bitmaps.size(); i++) {
      StoredBitmap bitmap = bitmaps.get(i);
      if (bitmap.inUse()) {
        throw fault(
            "Cannot resize qcow2 image: its bitmap '"
                + Escape.text(bitmap.text())
                + "' is inconsistent; remove it first");
      }
      BitmapBits bits = BitmapBits.read(edit.file, edit.header, bitmap).resized(size);
      bitmaps.set(i, store(bitmap, write(bits)));
      changed = true;
    }
  }

  /** Writes the directory, for the header that comes next. */
  void store() throws ImageException {
    if (!changed) {
      return;
    }
    if (bitmaps.isEmpty()) {
      edit.next.setExtension(HeaderExtension.BITMAPS, null);
      edit.next.autoclear &= ~1L;
      return;
    }
    byte[] directory = BitmapStore.directory(bitmaps);
    if (directory.length > FormatLimits.MAX_BITMAP_DIRECTORY_BYTES) {
      throw fault("the bitmap directory would be too large");
    }
    long place = edit.allocateBytes(directory.length);
    edit.writeBytes(place, directory);
    edit.next.setExtension(
        HeaderExtension.BITMAPS, BitmapStore.extension(bitmaps.size(), directory.length, place));
    edit.next.autoclear |= 1;
  }

  /** Gives back what only the old header named. */
  void giveBack() throws ImageException {
    if (!changed) {
      return;
    }
    HostFile file = edit.file;
    Header header = edit.header;
    byte[] extension = header.extension(HeaderExtension.BITMAPS);
    if (extension != null) {
      ByteBuffer in = ByteBuffer.wrap(extension);
      edit.release(in.getLong(16), in.getLong(8));
    }
    for (StoredBitmap bitmap : before) {
      boolean kept = false;
      for (StoredBitmap now : bitmaps) {
        kept |= now.tableOffset() == bitmap.tableOffset();
      }
      if (!kept) {
        BitmapStore.forEach(file, bitmap, edit.clusterSize, edit::release);
      }
    }
  }

  /** Where a word of a bitmap table points, or 0. */
  static long offset(long word) {
    return word & Geometry.OFFSET_MASK;
  }
}
