package org.qcowfs.cli.option;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.ProgramName;

/** Sizes as QEMU reads them: bytes, or with a suffix of 1024 each, fractions too. */
public final class ByteSize {
  private static final String SUFFIXES = "BKMGTPE";

  /** {@link #parse} of what is no size at all. */
  public static final long NOT_A_SIZE = -1;

  /** {@link #parse} of what is larger than 2^63 - 1. */
  public static final long TOO_LARGE = -2;

  private ByteSize() {}

  /**
   * Parses {@code 4096}, {@code 0x1000}, {@code 1.5M}, {@code 2g}.
   *
   * @return bytes, {@link #NOT_A_SIZE} or {@link #TOO_LARGE}
   */
  public static long parse(String text) {
    if (text.isEmpty()) {
      return NOT_A_SIZE;
    }
    try {
      if (text.startsWith("0x") || text.startsWith("0X")) {
        return hex(text.substring(2));
      }
      int last = text.length() - 1;
      int power = SUFFIXES.indexOf(Character.toUpperCase(text.charAt(last)));
      String digits = power < 0 ? text : text.substring(0, last);
      if (!isNumber(digits)) {
        return NOT_A_SIZE;
      }
      BigDecimal number = new BigDecimal(digits);
      if (power <= 0 && number.stripTrailingZeros().scale() > 0) {
        return NOT_A_SIZE; // a fraction of a byte
      }
      BigDecimal unit = BigDecimal.valueOf(1L << 10 * Math.max(power, 0));
      BigDecimal bytes = number.multiply(unit).setScale(0, RoundingMode.DOWN);
      return bytes.toBigInteger().bitLength() > 63 ? TOO_LARGE : bytes.longValueExact();
    } catch (NumberFormatException e) {
      return NOT_A_SIZE;
    }
  }

  /**
   * qemu-img's words, in two lines, about an argument that is no size.
   *
   * @param what as in {@code rate limit}
   */
  public static CommandException invalid(String what) {
    return new CommandException(
        "Invalid "
            + what
            + " specified. You may use k, M, G, T, P or E suffixes for\n"
            + ProgramName.VALUE
            + ": kilobytes, megabytes, gigabytes, terabytes, petabytes and exabytes.");
  }

  private static long hex(String digits) {
    for (int i = 0; i < digits.length(); i++) {
      if (Character.digit(digits.charAt(i), 16) < 0) {
        return NOT_A_SIZE;
      }
    }
    if (digits.isEmpty()) {
      return NOT_A_SIZE;
    }
    BigInteger bytes = new BigInteger(digits, 16);
    return bytes.bitLength() > 63 ? TOO_LARGE : bytes.longValueExact();
  }

  /** Digits with at most one point; a number of a few hundred digits is none, it costs time. */
  private static boolean isNumber(String text) {
    int digits = 0;
    int points = 0;
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '.') {
        points++;
      } else if (c >= '0' && c <= '9') {
        digits++;
      } else {
        return false;
      }
    }
    return digits > 0 && digits < 100 && points <= 1;
  }
}
