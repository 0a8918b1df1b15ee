package org.qcowfs.cli.command.mount;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code unmap} (true), {@code ignore}, and QEMU's other words for the two. */
final class DiscardConverter implements ITypeConverter<Boolean> {
  @Override
  public Boolean convert(String value) {
    return switch (value) {
      case "unmap", "on" -> true;
      case "ignore", "off" -> false;
      default -> throw new TypeConversionException("expected unmap or ignore");
    };
  }
}
