package org.qcowfs.engine.fuzz;

import java.util.Map;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.qcow2.check.Checker;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFiles;

/** The bytes are an image: its tables, its data, and a check of it. */
public final class ImageTarget {
  private static final int MOST_STEPS = 500;
  private static final int PIECE = 4096;

  private static final OpenOptions OPTIONS =
      OpenOptions.readOnly()
          .withFormat("qcow2")
          .withBackingPolicy(BackingPolicy.DENY)
          .withCacheBytes(1 << 16)
          .withWarnings(Text::harmless);

  private ImageTarget() {}

  /** Opens, reads and checks {@code input}. */
  public static void fuzzerTestOneInput(byte[] input) {
    MemoryHostFiles files = new MemoryHostFiles(Map.of("input", MemoryContent.of(input)));
    try (Image image = Images.open("input", OPTIONS, files)) {
      read(image);
      for (SnapshotInfo snapshot : image.snapshots()) {
        read(image.snapshot(snapshot));
      }
    } catch (ImageException e) {
      Text.harmless(e.getMessage());
    }
    try (HostFile file = files.open("input", false)) {
      Checker.check(file, finding -> {});
    } catch (ImageException e) {
      Text.harmless(e.getMessage());
    }
  }

  private static void read(Image image) {
    Mapping mapping = new Mapping();
    DataBuffer buffer = DataBuffer.allocate(PIECE, 8);
    long at = 0;
    for (int steps = 0; steps < MOST_STEPS && at < image.size(); steps++) {
      image.resolve(at, image.size() - at, mapping);
      if (mapping.length() <= 0) {
        throw new IllegalStateException("a mapping of " + mapping.length() + " bytes");
      }
      long end = at + mapping.length();
      if (mapping.kind() != Mapping.Kind.ZERO && mapping.kind() != Mapping.Kind.UNALLOCATED) {
        try {
          image.read(at, buffer, 0, (int) Math.min(PIECE, end - at));
        } catch (ImageException e) {
          Text.harmless(e.getMessage());
        }
      }
      at = end;
    }
  }
}
