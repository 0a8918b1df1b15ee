package org.qcowfs.cli.command.mount;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A number of bytes, or of k, M, G or T of 1024. */
final class ByteSizeConverter implements ITypeConverter<Long> {
  private static final String UNITS = "BKMGT";

  @Override
  public Long convert(String value) {
    String digits = value;
    int unit = 0;
    if (!value.isEmpty() && !Character.isDigit(value.charAt(value.length() - 1))) {
      unit = UNITS.indexOf(value.substring(value.length() - 1).toUpperCase(Locale.ROOT));
      digits = value.substring(0, value.length() - 1);
    }
    try {
      long size = Long.parseLong(digits);
      if (unit >= 0 && size >= 0 && size <= Long.MAX_VALUE >> 10 * unit) {
        return size << 10 * unit;
      }
    } catch (NumberFormatException e) {
      // As below.
    }
    throw new TypeConversionException("expected a size such as 4194304, 512k or 32M");
  }
}
