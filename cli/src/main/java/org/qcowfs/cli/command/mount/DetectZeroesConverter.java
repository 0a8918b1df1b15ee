package org.qcowfs.cli.command.mount;

import org.qcowfs.fuse.tree.DetectZeroes;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code off}, {@code on}, {@code unmap}. */
final class DetectZeroesConverter implements ITypeConverter<DetectZeroes> {
  @Override
  public DetectZeroes convert(String value) {
    return switch (value) {
      case "off" -> DetectZeroes.OFF;
      case "on" -> DetectZeroes.ON;
      case "unmap" -> DetectZeroes.UNMAP;
      default -> throw new TypeConversionException("expected off, on or unmap");
    };
  }
}
