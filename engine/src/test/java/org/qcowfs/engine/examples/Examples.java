package org.qcowfs.engine.examples;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.util.List;
import java.util.function.Consumer;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.ImageCheck;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.convert.Convert;
import org.qcowfs.engine.json.MapEntry;
import org.qcowfs.engine.json.MapWalk;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckExtras;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Finding;

/** In the order in which {@code org.qcowfs.engine} quotes them, at most ten lines each. */
final class Examples {
  private Examples() {}

  static String open(String path) throws IOException {
    try (Image image = Images.open(path, OpenOptions.readOnly())) {
      return image.info().format() + ", " + image.size() + " bytes, " + image.depth() + " layers";
    }
  }

  static byte[] read(String path, long offset, int length) throws IOException {
    try (Image image = Images.open(path, OpenOptions.readOnly());
        FileChannel disk = image.channel()) {
      return Channels.newInputStream(disk.position(offset)).readNBytes(length);
    }
  }

  static void write(String path, long offset, ByteBuffer bytes) throws IOException {
    try (Image image = Images.open(path, OpenOptions.readOnly().withWritable(true));
        FileChannel disk = image.channel()) {
      disk.position(offset);
      while (bytes.hasRemaining()) {
        disk.write(bytes);
      }
      image.flush();
    }
  }

  static void map(String path, Consumer<MapEntry> extents) throws IOException {
    try (Image image = Images.open(path, OpenOptions.readOnly())) {
      MapWalk walk = new MapWalk(image, 0);
      for (MapEntry extent = walk.next(); extent != null; extent = walk.next()) {
        extents.accept(extent);
      }
    }
  }

  static boolean check(String path, Consumer<Finding> findings) throws IOException {
    OpenOptions options = OpenOptions.readOnly();
    CheckResult result = ImageCheck.run(path, null, CheckExtras.NONE, options, findings).result();
    return result != null && result.exitCode() == 0;
  }

  static void convert(String from, String to) throws IOException, InterruptedException {
    try (Image source = Images.open(from, OpenOptions.readOnly())) {
      Images.create(to, CreateOptions.ofSize(source.size()));
      try (Image target = Images.open(to, OpenOptions.readOnly().withWritable(true))) {
        Convert.from(List.of(source)).compressed().targetIsZero().to(target);
        target.flush();
      }
    }
  }
}
