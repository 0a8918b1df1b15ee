package org.qcowfs.cli.render;

import java.io.IOException;
import java.util.List;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.json.BackingPath;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.Qcow2Info;

/** The {@code info} text, as qemu-img lays it out; text out of the image is escaped. */
public final class InfoText {
  private InfoText() {}

  /** Images from the top down, an empty line between two. */
  public static void write(List<ImageInfo> chain, Appendable out) throws IOException {
    String separator = "";
    for (ImageInfo info : chain) {
      out.append(separator);
      image(info, out);
      separator = "\n";
    }
  }

  private static void image(ImageInfo info, Appendable out) throws IOException {
    line(out, "image: ", Escape.text(info.path()));
    line(out, "file format: ", info.format());
    line(
        out,
        "virtual size: ",
        HumanSize.of(info.virtualSize()) + " (" + info.virtualSize() + " bytes)");
    line(out, "disk size: ", HumanSize.of(info.actualSize()));
    if (info.encrypted()) {
      line(out, "encrypted: ", "yes");
    }
    if (info.clusterSize() != 0) {
      line(out, "cluster_size: ", Long.toString(info.clusterSize()));
    }
    if (info.dirty()) {
      line(out, "cleanly shut down: ", "no");
    }
    backing(info, out);
    if (!info.snapshots().isEmpty()) {
      SnapshotText.write(info.snapshots(), out);
    }
    if (info.qcow2() != null) {
      line(out, "Format specific information:", "");
      qcow2(info.qcow2(), out);
    }
  }

  private static void backing(ImageInfo info, Appendable out) throws IOException {
    String name = info.backingName();
    if (name == null) {
      return;
    }
    String path = BackingPath.of(info.path(), name);
    String actual = path.equals(name) ? "" : " (actual path: " + Escape.text(path) + ")";
    line(out, "backing file: ", Escape.text(name) + actual);
    if (info.backingFormat() != null) {
      line(out, "backing file format: ", Escape.text(info.backingFormat()));
    }
  }

  private static void qcow2(Qcow2Info qcow2, Appendable out) throws IOException {
    boolean version3 = qcow2.version() >= 3;
    line(out, "    compat: ", version3 ? "1.1" : "0.10");
    line(out, "    compression type: ", qcow2.compressionType());
    if (version3) {
      line(out, "    lazy refcounts: ", Boolean.toString(qcow2.lazyRefcounts()));
    }
    if (!qcow2.bitmaps().isEmpty()) {
      bitmaps(qcow2.bitmaps(), out);
    }
    line(out, "    refcount bits: ", Integer.toString(qcow2.refcountBits()));
    if (qcow2.dataFile() != null) {
      line(out, "    data file: ", Escape.text(qcow2.dataFile()));
    }
    if (qcow2.encryption() != null) {
      line(out, "    encrypt:", "");
      line(out, "        format: ", qcow2.encryption());
    }
    if (qcow2.dataFile() != null) {
      line(out, "    data file raw: ", Boolean.toString(qcow2.dataFileRaw()));
    }
    if (version3) {
      line(out, "    corrupt: ", Boolean.toString(qcow2.corrupt()));
      line(out, "    extended l2: ", Boolean.toString(qcow2.extendedL2()));
    }
  }

  private static void bitmaps(List<Qcow2Info.BitmapInfo> bitmaps, Appendable out)
      throws IOException {
    line(out, "    bitmaps:", "");
    int index = 0;
    for (Qcow2Info.BitmapInfo bitmap : bitmaps) {
      line(out, "        [" + index++ + "]:", "");
      line(out, "            flags:", "");
      int flag = 0;
      if (bitmap.inUse()) {
        line(out, "                [" + flag++ + "]: ", "in-use");
      }
      if (bitmap.auto()) {
        line(out, "                [" + flag + "]: ", "auto");
      }
      line(out, "            name: ", Escape.text(bitmap.name()));
      line(out, "            granularity: ", Long.toString(bitmap.granularity()));
    }
  }

  private static void line(Appendable out, String label, String value) throws IOException {
    out.append(label).append(value).append('\n');
  }
}
