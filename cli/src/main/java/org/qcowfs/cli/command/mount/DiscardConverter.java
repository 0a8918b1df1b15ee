package org.qcowfs.cli.command.mount;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code unmap}, {@code ignore}, and QEMU's other words for the two. */
final class DiscardConverter implements ITypeConverter<Discard> {
  @Override
  public Discard convert(String value) {
    return switch (value) {
      case "unmap", "on" -> Discard.UNMAP;
      case "ignore", "off" -> Discard.IGNORE;
      default -> throw new TypeConversionException("expected unmap or ignore");
    };
  }
}
