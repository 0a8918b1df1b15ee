package org.qcowfs.cli.render;

import java.io.IOException;
import java.util.function.Consumer;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.MapEntry;
import org.qcowfs.engine.json.MapWalk;

/** The {@code map} table: stored data only, in four columns. */
public final class MapText {
  private MapText() {}

  /**
   * Heading and one line per extent of data.
   *
   * @param damages receives what is wrong with each damaged range, which has no line
   * @throws CommandException at data that is not in a file as it is (compressed clusters); what
   *     comes before it has been written
   */
  public static void write(MapWalk walk, Appendable out, Consumer<ImageException> damages)
      throws IOException, CommandException {
    row(out, "Offset", "Length", "Mapped to", "File");
    for (MapEntry entry = walk.next(); entry != null; entry = walk.next()) {
      if (entry.damage() != null) {
        damages.accept(entry.damage());
        continue;
      }
      if (!entry.data() || entry.zero()) {
        continue;
      }
      if (!entry.hasOffset()) {
        throw new CommandException("File contains external, encrypted or compressed clusters.");
      }
      row(
          out,
          hex(entry.start()),
          hex(entry.length()),
          hex(entry.offset()),
          Escape.text(entry.file()));
    }
  }

  private static String hex(long value) {
    return value == 0 ? "0" : "0x" + Long.toHexString(value);
  }

  private static void row(Appendable out, String start, String length, String offset, String file)
      throws IOException {
    cell(out, start);
    cell(out, length);
    cell(out, offset);
    out.append(file).append('\n');
  }

  private static void cell(Appendable out, String text) throws IOException {
    out.append(text);
    for (int i = text.length(); i < 16; i++) {
      out.append(' ');
    }
  }
}
