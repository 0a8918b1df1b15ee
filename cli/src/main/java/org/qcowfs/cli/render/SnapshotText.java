package org.qcowfs.cli.render;

import java.io.IOException;
import java.time.Instant;
import java.time.LocalDateTime;
import java.time.ZoneId;
import java.util.List;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.model.SnapshotInfo;

/** The snapshot table, as qemu-img lays it out; dates are local time. */
public final class SnapshotText {
  private SnapshotText() {}

  /** Heading, column names and one line per snapshot. */
  public static void write(List<SnapshotInfo> snapshots, Appendable out) throws IOException {
    out.append("Snapshot list:\n");
    row(out, "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (SnapshotInfo snapshot : snapshots) {
      row(
          out,
          Escape.text(snapshot.id()),
          Escape.text(snapshot.name()),
          HumanSize.of(snapshot.vmStateSize()),
          date(snapshot.dateSeconds()),
          clock(snapshot.vmClockNanos()),
          snapshot.icount() == -1 ? "" : Long.toString(snapshot.icount()));
    }
  }

  private static void row(
      Appendable out, String id, String tag, String size, String date, String clock, String icount)
      throws IOException {
    left(out, id, 9);
    out.append(' ');
    left(out, tag, 16);
    out.append(' ');
    right(out, size, 8);
    right(out, date, 20);
    right(out, clock, 13);
    right(out, icount, 11);
    out.append('\n');
  }

  private static void left(Appendable out, String text, int width) throws IOException {
    out.append(text);
    pad(out, width - text.length());
  }

  private static void right(Appendable out, String text, int width) throws IOException {
    pad(out, width - text.length());
    out.append(text);
  }

  private static void pad(Appendable out, int count) throws IOException {
    for (int i = 0; i < count; i++) {
      out.append(' ');
    }
  }

  private static String date(long seconds) {
    LocalDateTime local =
        LocalDateTime.ofInstant(Instant.ofEpochSecond(seconds), ZoneId.systemDefault());
    StringBuilder text = new StringBuilder().append(local.getYear());
    two(text.append('-'), local.getMonthValue());
    two(text.append('-'), local.getDayOfMonth());
    two(text.append(' '), local.getHour());
    two(text.append(':'), local.getMinute());
    two(text.append(':'), local.getSecond());
    return text.toString();
  }

  /** Hours, minutes, seconds and milliseconds of guest run time. */
  private static String clock(long nanos) {
    long seconds = Long.divideUnsigned(nanos, 1_000_000_000);
    StringBuilder text = new StringBuilder();
    two(text, seconds / 3600);
    two(text.append(':'), seconds / 60 % 60);
    two(text.append(':'), seconds % 60);
    long millis = Long.divideUnsigned(nanos, 1_000_000) % 1000;
    text.append('.').append((char) ('0' + millis / 100));
    two(text, millis % 100);
    return text.toString();
  }

  private static void two(StringBuilder text, long number) {
    if (number < 10) {
      text.append('0');
    }
    text.append(number);
  }
}
