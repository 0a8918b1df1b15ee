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
    out.append('[');
    while (true) {
      line(entry, out);
      if (entry.damage() != null) {
        damages.accept(entry.damage());
      }
      entry = walk.next();
      if (entry == null) {
        break;
      }
      out.append(",\n");
    }
    out.append("]\n");
  }

  private static void line(MapEntry entry, Appendable out) throws IOException {
    out.append("{ \"start\": ").append(Long.toString(entry.start()));
    out.append(", \"length\": ").append(Long.toString(entry.length()));
    out.append(", \"depth\": ").append(Integer.toString(entry.depth()));
    out.append(", \"present\": ").append(entry.present() ? "true" : "false");
    out.append(", \"zero\": ").append(entry.zero() ? "true" : "false");
    out.append(", \"data\": ").append(entry.data() ? "true" : "false");
    if (entry.hasOffset()) {
      out.append(", \"offset\": ").append(Long.toString(entry.offset()));
    }
    if (entry.damage() != null) {
      out.append(", \"damaged\": true");
    }
    out.append('}');
  }
}
