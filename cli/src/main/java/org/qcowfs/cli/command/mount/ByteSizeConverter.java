package org.qcowfs.cli.command.mount;

import org.qcowfs.cli.option.ByteSize;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A number of bytes as QEMU writes them. */
final class ByteSizeConverter implements ITypeConverter<Long> {
  @Override
  public Long convert(String value) {
    long bytes = ByteSize.parse(value);
    if (bytes < 0) {
      throw new TypeConversionException("expected a size such as 4194304, 512k or 32M");
    }
    return bytes;
  }
}
