package org.qcowfs.engine.json;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.Qcow2Info;
import org.qcowfs.engine.model.SnapshotInfo;

/** The {@code info} document. Members come in the order in which QEMU prints them. */
public final class InfoJson {
  private InfoJson() {}

  /** One image, as {@code qemu-img info --output=json}. */
  public static void write(ImageInfo info, Appendable out) throws IOException {
    image(info, null, new JsonWriter(out));
  }

  /** A chain from the top down, as {@code qemu-img info --backing-chain --output=json}. */
  public static void writeChain(List<ImageInfo> chain, Appendable out) throws IOException {
    JsonWriter json = new JsonWriter(out);
    json.beginArray(null);
    for (ImageInfo info : chain) {
      image(info, null, json);
    }
    json.endArray();
  }

  /** The snapshots alone: what QEMU has no JSON for. */
  public static void writeSnapshots(List<SnapshotInfo> snapshots, Appendable out)
      throws IOException {
    snapshots(null, snapshots, new JsonWriter(out));
  }

  private static void image(ImageInfo info, @Nullable String name, JsonWriter json)
      throws IOException {
    json.beginObject(name);
    String backingFormat = info.backingFormat();
    if (backingFormat != null) {
      json.string("backing-filename-format", backingFormat);
    }
    if (!info.snapshots().isEmpty()) {
      snapshots("snapshots", info.snapshots(), json);
    }
    json.number("virtual-size", info.virtualSize());
    json.string("filename", info.path());
    if (info.clusterSize() != 0) {
      json.number("cluster-size", info.clusterSize());
    }
    json.string("format", info.format());
    json.number("actual-size", info.actualSize());
    Qcow2Info qcow2 = info.qcow2();
    if (qcow2 != null) {
      json.beginObject("format-specific").string("type", "qcow2").beginObject("data");
      qcow2(qcow2, json);
      json.endObject().endObject();
    }
    String backingName = info.backingName();
    if (backingName != null) {
      json.string("full-backing-filename", BackingPath.of(info.path(), backingName));
    }
    if (info.encrypted()) {
      json.bool("encrypted", true);
    }
    if (backingName != null) {
      json.string("backing-filename", backingName);
    }
    json.bool("dirty-flag", info.dirty());
    json.endObject();
  }

  private static void qcow2(Qcow2Info qcow2, JsonWriter json) throws IOException {
    boolean version3 = qcow2.version() >= 3;
    json.string("compat", version3 ? "1.1" : "0.10");
    json.string("compression-type", qcow2.compressionType());
    if (version3) {
      json.bool("lazy-refcounts", qcow2.lazyRefcounts());
    }
    if (!qcow2.bitmaps().isEmpty()) {
      bitmaps(qcow2.bitmaps(), json);
    }
    json.number("refcount-bits", qcow2.refcountBits());
    String dataFile = qcow2.dataFile();
    if (dataFile != null) {
      json.string("data-file", dataFile);
    }
    String encryption = qcow2.encryption();
    if (encryption != null) {
      json.beginObject("encrypt").string("format", encryption).endObject();
    }
    if (dataFile != null) {
      json.bool("data-file-raw", qcow2.dataFileRaw());
    }
    if (version3) {
      json.bool("corrupt", qcow2.corrupt());
      json.bool("extended-l2", qcow2.extendedL2());
    }
  }

  private static void bitmaps(List<Qcow2Info.BitmapInfo> bitmaps, JsonWriter json)
      throws IOException {
    json.beginArray("bitmaps");
    for (Qcow2Info.BitmapInfo bitmap : bitmaps) {
      json.beginObject(null).beginArray("flags");
      if (bitmap.inUse()) {
        json.string(null, "in-use");
      }
      if (bitmap.auto()) {
        json.string(null, "auto");
      }
      json.endArray();
      json.string("name", bitmap.name()).number("granularity", bitmap.granularity()).endObject();
    }
    json.endArray();
  }

  private static void snapshots(
      @Nullable String name, List<SnapshotInfo> snapshots, JsonWriter json) throws IOException {
    json.beginArray(name);
    for (SnapshotInfo snapshot : snapshots) {
      json.beginObject(null);
      if (snapshot.icount() != -1) {
        json.number("icount", snapshot.icount());
      }
      json.number("vm-clock-nsec", Long.remainderUnsigned(snapshot.vmClockNanos(), 1_000_000_000));
      json.string("name", snapshot.name());
      json.number("date-sec", snapshot.dateSeconds());
      json.number("date-nsec", snapshot.dateNanos());
      json.number("vm-clock-sec", Long.divideUnsigned(snapshot.vmClockNanos(), 1_000_000_000));
      json.string("id", snapshot.id());
      json.number("vm-state-size", snapshot.vmStateSize());
      json.endObject();
    }
    json.endArray();
  }
}
