package org.qcowfs.it.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** Results as a Markdown table. */
final class Table {
  /**
   * One kind of load.
   *
   * @param medians this program, whom it is compared with, and the ceiling where there is one
   * @param ratio median over the rounds of this program to the other; above 1 this one is faster
   * @param least smallest of the ratios
   * @param most largest of the ratios
   */
  record Row(String name, String unit, double[] medians, double ratio, double least, double most) {
    String ratioText() {
      return String.format(Locale.ROOT, "%.2f (%.2f..%.2f)", ratio, least, most);
    }
  }

  private final String peer;
  private final List<Row> rows = new ArrayList<>();

  /**
   * @param peer whom the ratio is to
   */
  Table(String peer) {
    this.peer = peer;
  }

  void add(@Nullable Row row) {
    if (row != null) {
      rows.add(row);
    }
  }

  @Override
  public String toString() {
    StringBuilder out =
        new StringBuilder("| load | unit | qcowfs | " + peer + " | raw file | qcowfs to " + peer)
            .append(" |\n|---|---|---:|---:|---:|---:|\n");
    for (Row row : rows) {
      out.append("| ").append(row.name()).append(" | ").append(row.unit());
      for (int i = 0; i < 3; i++) {
        out.append(" | ").append(i < row.medians().length ? number(row.medians()[i]) : "");
      }
      out.append(" | ").append(row.ratioText()).append(" |\n");
    }
    return out.toString();
  }

  private static String number(double value) {
    return String.format(Locale.ROOT, value < 10 ? "%.2f" : "%.0f", value);
  }
}
