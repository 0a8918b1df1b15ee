package org.qcowfs.cli.render;

import java.io.IOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.util.List;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Explanation;

/** What a check counted, in qemu-img's words. */
public final class CheckText {
  private CheckText() {}

  /** What a repair mended. */
  public static void writeFixed(long corruptions, long leaks, Appendable out) throws IOException {
    out.append("The following inconsistencies were found and repaired:\n\n    ")
        .append(Long.toString(leaks))
        .append(" leaked clusters\n    ")
        .append(Long.toString(corruptions))
        .append(" corruptions\n\nDouble checking the fixed image now...\n");
  }

  /** The verdict, how full the image is, and where it ends. */
  public static void write(CheckResult result, Appendable out) throws IOException {
    if (result.corruptions() == 0 && result.leaks() == 0 && result.checkErrors() == 0) {
      out.append("No errors were found on the image.\n");
    }
    if (result.corruptions() != 0) {
      out.append("\n")
          .append(Long.toString(result.corruptions()))
          .append(" errors were found on the image.\n")
          .append("Data may be corrupted, or further writes to the image may corrupt it.\n");
    }
    if (result.leaks() != 0) {
      out.append("\n")
          .append(Long.toString(result.leaks()))
          .append(" leaked clusters were found on the image.\n")
          .append("This means waste of disk space, but no harm to data.\n");
    }
    if (result.checkErrors() != 0) {
      out.append("\n")
          .append(Long.toString(result.checkErrors()))
          .append(" internal errors have occurred during the check.\n");
    }
    long total = result.totalClusters();
    long allocated = result.allocatedClusters();
    if (total != 0 && allocated != 0) {
      out.append(Long.toString(allocated)).append('/').append(Long.toString(total)).append(" = ");
      percent(allocated, total, " allocated, ", out);
      percent(result.fragmentedClusters(), allocated, " fragmented, ", out);
      percent(result.compressedClusters(), allocated, " compressed clusters\n", out);
    }
    if (result.imageEndOffset() != 0) {
      out.append("Image end offset: ").append(Long.toString(result.imageEndOffset())).append('\n');
    }
  }

  /** What findings mean: a cause in a line, then what it affects. */
  public static void writeExplanations(List<Explanation> explanations, Appendable out)
      throws IOException {
    for (Explanation explanation : explanations) {
      out.append("\n").append(Long.toString(explanation.count())).append(" x ");
      out.append(explanation.cause()).append('\n');
      for (Explanation.Affected affected : explanation.affected()) {
        out.append(
            affected.snapshot().isEmpty()
                ? "  the disk:"
                : "  snapshot " + affected.snapshot() + ":");
        for (Explanation.Range range : affected.ranges()) {
          out.append(" 0x").append(Long.toHexString(range.start()));
          out.append("..0x").append(Long.toHexString(range.start() + range.length()));
        }
        if (affected.moreRanges() > 0) {
          out.append(" and ").append(Long.toString(affected.moreRanges())).append(" more ranges");
        }
        out.append('\n');
      }
    }
  }

  private static void percent(long part, long whole, String what, Appendable out)
      throws IOException {
    // As printf does: the exact value of the double, half to even.
    BigDecimal value = new BigDecimal(part * 100.0 / whole).setScale(2, RoundingMode.HALF_EVEN);
    out.append(value.toPlainString()).append('%').append(what);
  }
}
