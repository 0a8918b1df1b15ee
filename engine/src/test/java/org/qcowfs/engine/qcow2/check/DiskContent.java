package org.qcowfs.engine.qcow2.check;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;

/**
 * What an image's disk and those of its snapshots read as, and which sectors cannot be read.
 *
 * @param views the active disk, then the snapshots in their order
 */
record DiskContent(List<View> views) {
  static final int SECTOR = 512;

  /** Longer disks are read so far. */
  static final int MOST = 8 << 20;

  /** Further snapshots, which damage makes up by the thousand, are left out. */
  private static final int MOST_SNAPSHOTS = 8;

  private static final int PIECE = 64 << 10;

  /**
   * One disk.
   *
   * @param bytes what it reads as, zeroes where it does not
   * @param unreadable sectors that cannot be read
   */
  @SuppressWarnings("ArrayRecordComponent")
  record View(String name, byte[] bytes, BitSet unreadable) {}

  /** Reads all of it; null if the image cannot be opened. */
  static @Nullable DiskContent read(HostFiles files, String path) {
    try (Image image = Images.open(path, OpenOptions.readOnly().withFormat("qcow2"), files)) {
      List<View> views = new ArrayList<>();
      views.add(view("the disk", image));
      for (SnapshotInfo snapshot : image.snapshots().stream().limit(MOST_SNAPSHOTS).toList()) {
        try {
          views.add(view("snapshot " + snapshot.id(), image.snapshot(snapshot)));
        } catch (ImageException e) {
          views.add(new View("snapshot " + snapshot.id(), new byte[0], new BitSet()));
        }
      }
      return new DiskContent(views);
    } catch (ImageException e) {
      return null;
    }
  }

  private static View view(String name, Image image) {
    int size = (int) Math.min(MOST, image.size() & -SECTOR);
    byte[] bytes = new byte[size];
    BitSet unreadable = new BitSet();
    DataBuffer buffer = DataBuffer.allocate(PIECE);
    for (int at = 0; at < size; at += PIECE) {
      int n = Math.min(PIECE, size - at);
      if (!read(image, at, n, buffer, bytes)) {
        for (int sector = at; sector < at + n; sector += SECTOR) {
          if (!read(image, sector, SECTOR, buffer, bytes)) {
            unreadable.set(sector / SECTOR);
          }
        }
      }
    }
    return new View(name, bytes, unreadable);
  }

  private static boolean read(Image image, int at, int n, DataBuffer buffer, byte[] bytes) {
    try {
      image.read(at, buffer, 0, n);
    } catch (ImageException e) {
      return false;
    }
    buffer.bytes().get(0, bytes, at, n);
    return true;
  }

  /** What could be read and cannot any more, or reads differently; null if nothing. */
  @Nullable String lostIn(@Nullable DiskContent after) {
    if (after == null) {
      return "the image cannot be opened any more";
    }
    if (after.views.size() != views.size()) {
      return "there were " + views.size() + " disks and are " + after.views.size();
    }
    for (int i = 0; i < views.size(); i++) {
      View old = views.get(i);
      View now = after.views.get(i);
      if (now.bytes.length < old.bytes.length) {
        return old.name + " is shorter";
      }
      for (int at = 0; at < old.bytes.length; at += SECTOR) {
        if (!old.unreadable.get(at / SECTOR)
            && (now.unreadable.get(at / SECTOR)
                || !Arrays.equals(old.bytes, at, at + SECTOR, now.bytes, at, at + SECTOR))) {
          return String.format("%s at 0x%x", old.name, at);
        }
      }
    }
    return null;
  }
}
