package org.qcowfs.engine.qcow2.change;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.bitmap.BitmapStore;
import org.qcowfs.engine.qcow2.bitmap.StoredBitmap;
import org.qcowfs.engine.qcow2.format.Header;

/**
 * Actions on the bitmaps of an image, put in force together by {@link #finish}.
 *
 * <p><b>Thread safety:</b> none.
 */
public final class BitmapChange {
  private final ImageEdit edit;
  private final Qcow2Bitmaps bitmaps;

  private BitmapChange(ImageEdit edit, Qcow2Bitmaps bitmaps) {
    this.edit = edit;
    this.bitmaps = bitmaps;
  }

  /** Begins to change the bitmaps of an image that is open for writing and locked. */
  public static BitmapChange begin(HostFile file) throws ImageException {
    ImageEdit edit = ImageEdit.begin(file);
    return new BitmapChange(edit, Qcow2Bitmaps.of(edit));
  }

  /** Adds an empty bitmap whose bits stand for 2 to the power of {@code granularityBits} bytes. */
  public void add(String name, int granularityBits) throws ImageException {
    bitmaps.add(name, granularityBits);
  }

  public void remove(String name) throws ImageException {
    bitmaps.remove(name);
  }

  public void clear(String name) throws ImageException {
    bitmaps.clear(name);
  }

  /** Makes a bitmap record writes, or stop recording them. */
  public void record(String name, boolean on) throws ImageException {
    bitmaps.record(name, on);
  }

  /** Adds the bits of another bitmap of the same image. */
  public void merge(String name, String source) throws ImageException {
    bitmaps.merge(name, bitmaps.bits(source));
  }

  /** Adds bits read by {@link #read}. */
  public void merge(String name, BitmapBits source) throws ImageException {
    bitmaps.merge(name, source);
  }

  /** Adds a bitmap with bits read by {@link #read}, fitted to the size of this disk. */
  public void copy(BitmapInfo like, BitmapBits bits) throws ImageException {
    bitmaps.add(like.name(), Long.numberOfTrailingZeros(like.granularity()));
    bitmaps.merge(like.name(), bits.resized(edit.header.size()));
    bitmaps.record(like.name(), like.auto());
  }

  /** The default granularity: the cluster size, at least 4 KiB and at most 64 KiB (QEMU). */
  public int defaultGranularityBits() {
    return Math.min(16, Math.max(12, edit.geometry.clusterBits()));
  }

  /**
   * Reads a bitmap of an image.
   *
   * @throws ImageException kind {@code OUT_OF_BOUNDS} if it has none of that name, or one that
   *     cannot be used
   */
  public static BitmapBits read(HostFile file, String name) throws ImageException {
    Header header = Qcow2Opener.readHeader(file);
    for (StoredBitmap bitmap : BitmapStore.read(file, header)) {
      if (bitmap.text().equals(name)) {
        Qcow2Bitmaps.requireConsistent(file, bitmap);
        return BitmapBits.read(file, header, bitmap);
      }
    }
    throw Qcow2Bitmaps.notFound(file, name);
  }

  /** Puts all actions in force. */
  public void finish() throws ImageException {
    try {
      bitmaps.store();
      edit.switchHeader();
      bitmaps.giveBack();
      edit.finish();
    } catch (ImageException e) {
      edit.abandon(e);
      throw e;
    }
  }

  /** Gives up: the image is as it was. */
  public void abandon(ImageException cause) {
    edit.abandon(cause);
  }
}
