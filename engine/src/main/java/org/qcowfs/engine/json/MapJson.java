package org.qcowfs.engine.json;

import java.io.IOException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;

/**
 * The {@code map} document: an array with one extent per line.
 *
 * <p>Where QEMU gives up at metadata that makes no sense, the map goes on: such a range is data
 * without an offset and has the member {@code damaged}.
 */
public final class MapJson {
  private static final int FULL = 1 << 14;

  private MapJson() {}

  /** The whole disk, as {@code qemu-img map --output=json}. */
  public static void write(Image image, Appendable out) throws IOException {
    write(new MapWalk(image, 0), 0, out, damage -> {});
  }

  /**
   * What {@code walk} still has.
   *
   * @param start where it began: an empty walk is shown as an empty entry there, as QEMU does
   * @param damages receives what is wrong with each damaged range
   */
  public static void write(
      MapWalk walk, long start, Appendable out, Consumer<ImageException> damages)
      throws IOException {
    @Nullable MapEntry entry = walk.next();
    if (entry == null) {
      entry = new MapEntry(start, 0, 0, false, false, false, -1, "", null);
    }
    // A large disk has a million lines: few large pieces, and no string for each number.
    StringBuilder lines = new StringBuilder(FULL + 256).append('[');
    while (true) {
      line(entry, lines);
      if (lines.length() >= FULL) {
        out.append(lines);
        lines.setLength(0);
      }
      if (entry.damage() != null) {
        damages.accept(entry.damage());
      }
      entry = walk.next();
      if (entry == null) {
        break;
      }
      lines.append(",\n");
    }
    out.append(lines.append("]\n"));
  }

  private static void line(MapEntry entry, StringBuilder out) {
    out.append("{ \"start\": ").append(entry.start());
    out.append(", \"length\": ").append(entry.length());
    out.append(", \"depth\": ").append(entry.depth());
    out.append(", \"present\": ").append(entry.present());
    out.append(", \"zero\": ").append(entry.zero());
    out.append(", \"data\": ").append(entry.data());
    if (entry.hasOffset()) {
      out.append(", \"offset\": ").append(entry.offset());
    }
    if (entry.damage() != null) {
      out.append(", \"damaged\": true");
    }
    out.append('}');
  }
}
