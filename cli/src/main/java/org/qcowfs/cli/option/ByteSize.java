package org.qcowfs.cli.option;

import java.math.BigDecimal;
import java.math.RoundingMode;

/** Sizes as QEMU reads them: bytes, or with a suffix of 1024 each, fractions too. */
public final class ByteSize {
  private static final String SUFFIXES = "BKMGTPE";

  private ByteSize() {}

  /**
   * Parses {@code 4096}, {@code 0x1000}, {@code 1.5M}, {@code 2g}.
   *
   * @return bytes, or -1 where the text is no size from 0 to 2^63 - 1
   */
  public static long parse(String text) {
    try {
      if (text.startsWith("0x") || text.startsWith("0X")) {
        return text.charAt(2) == '+' ? -1 : Long.parseLong(text.substring(2), 16);
      }
      int last = text.length() - 1;
      int power = SUFFIXES.indexOf(Character.toUpperCase(text.charAt(last)));
      String digits = power < 0 ? text : text.substring(0, last);
      if (!digits.matches("\\d+(\\.\\d*)?|\\.\\d+")) {
        return -1;
      }
      BigDecimal bytes =
          new BigDecimal(digits).multiply(new BigDecimal(1L << 10 * Math.max(power, 0)));
      if (power <= 0 && digits.indexOf('.') >= 0) {
        return -1;
      }
      return bytes.setScale(0, RoundingMode.DOWN).longValueExact();
    } catch (ArithmeticException | NumberFormatException | IndexOutOfBoundsException e) {
      return -1;
    }
  }
}
