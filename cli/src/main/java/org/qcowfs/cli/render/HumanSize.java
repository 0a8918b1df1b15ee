package org.qcowfs.cli.render;

import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;

/** Sizes as QEMU prints them: three significant digits and a binary unit. */
public final class HumanSize {
  private static final String[] UNITS = {"", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"};

  private HumanSize() {}

  /**
   * For example {@code 196 KiB}, {@code 1.5 GiB}, {@code 0 B}; a unit begins at 1000 of the last.
   */
  public static String of(long bytes) {
    int unit = 0;
    double value = bytes < 0 ? bytes + 0x1p64 : bytes;
    while (value >= 1000 && unit < UNITS.length - 1) {
      value /= 1024;
      unit++;
    }
    BigDecimal rounded = new BigDecimal(value).round(new MathContext(3, RoundingMode.HALF_EVEN));
    // printf's %.3g turns to the exponential form here, and so does QEMU.
    boolean exponential = rounded.compareTo(BigDecimal.valueOf(1000)) >= 0;
    String digits =
        exponential
            ? "1e+03"
            : rounded.signum() == 0 ? "0" : rounded.stripTrailingZeros().toPlainString();
    return digits + " " + UNITS[unit] + "B";
  }
}
