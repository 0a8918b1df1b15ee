package org.qcowfs.engine.qcow2.change;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;

/** Changes features of a qcow2 image, each in one step that takes effect with the header. */
public final class Qcow2Amend {
  private Qcow2Amend() {}

  /** One step, on an image that is open for writing and locked. */
  @FunctionalInterface
  private interface Step {
    void run(ImageEdit edit) throws ImageException;
  }

  private static void step(HostFile file, Step step) throws ImageException {
    ImageEdit edit = ImageEdit.begin(file);
    try {
      step.run(edit);
    } catch (ImageException e) {
      edit.abandon(e);
      throw e;
    }
  }

  /** Makes a version 2 image one of version 3. */
  public static void upgrade(HostFile file) throws ImageException {
    step(
        file,
        edit -> {
          edit.next.version = 3;
          edit.next.refcountOrder = 4;
          edit.switchHeader();
        });
  }

  /**
   * Makes a version 3 image one of version 2.
   *
   * @throws ImageException kind {@code UNSUPPORTED} if it uses what version 2 does not have
   */
  public static void downgrade(HostFile file) throws ImageException {
    step(file, Qcow2Amend::downgrade);
  }

  private static void downgrade(ImageEdit edit) throws ImageException {
    Header header = edit.header;
    if (header.refcountOrder() != 4) {
      throw unsupported(edit, "compat=0.10 requires refcount_bits=16");
    }
    if (header.has(IncompatibleFeature.EXTERNAL_DATA_FILE)) {
      throw unsupported(edit, "Cannot downgrade an image with a data file");
    }
    if (header.incompatible() != 0) {
      throw unsupported(
          edit,
          String.format(
              "Cannot downgrade an image with incompatible features 0x%x set",
              header.incompatible()));
    }
    for (SnapshotInfo snapshot : edit.snapshots.snapshots()) {
      if (snapshot.vmStateSize() > 0xffff_ffffL || snapshot.diskSize() != header.size()) {
        throw unsupported(edit, "Internal snapshots prevent downgrade of image");
      }
    }
    new ZeroExpansion(edit).run();
    edit.next.version = 2;
    edit.next.incompatible = 0;
    edit.next.compatible = 0;
    edit.next.autoclear = 0;
    edit.next.setExtension(HeaderExtension.BITMAPS, null);
    Qcow2Bitmaps bitmaps = Qcow2Bitmaps.of(edit);
    bitmaps.removeAll();
    edit.switchHeader();
    bitmaps.giveBack();
    edit.finish();
  }

  /** Gives the refcounts another width: 2 to the power of {@code order} bits. */
  public static void refcountOrder(HostFile file, int order) throws ImageException {
    boolean[] changed = {false};
    step(
        file,
        edit -> {
          if (edit.header.refcountOrder() != order) {
            new RefcountRewrite(edit, order).run();
            changed[0] = true;
          }
        });
    if (changed[0]) {
      step(file, ImageEdit::finish); // with the new refcounts, where the file ends
    }
  }

  /** Allows lazy refcounts, or not. */
  public static void lazyRefcounts(HostFile file, boolean on) throws ImageException {
    step(
        file,
        edit -> {
          edit.next.compatible = on ? edit.next.compatible | 1 : edit.next.compatible & ~1L;
          edit.switchHeader();
        });
  }

  /**
   * Names another external data file, or records that it need not be a raw image any more.
   *
   * @param name the name to record; empty for none, null for the same as now
   * @param raw whether it stays valid as a raw image
   * @throws ImageException kind {@code UNSUPPORTED} if the image has no data file, or if it is to
   *     become raw
   */
  public static void dataFile(HostFile file, @Nullable String name, boolean raw)
      throws ImageException {
    step(
        file,
        edit -> {
          if (name != null && !edit.externalData()) {
            throw unsupported(
                edit, "data-file can only be set for images that use an external data file");
          }
          if (raw && !edit.header.dataFileRaw()) {
            throw unsupported(edit, "data-file-raw cannot be set on existing images");
          }
          if (name != null) {
            edit.next.setExtension(
                HeaderExtension.DATA_FILE,
                name.isEmpty() ? null : name.getBytes(StandardCharsets.UTF_8));
          }
          edit.next.autoclear = raw ? edit.next.autoclear : edit.next.autoclear & ~2L;
          edit.switchHeader();
        });
  }

  private static ImageException unsupported(ImageEdit edit, String detail) {
    return new ImageException(ErrorKind.UNSUPPORTED, edit.file.path(), detail);
  }
}
