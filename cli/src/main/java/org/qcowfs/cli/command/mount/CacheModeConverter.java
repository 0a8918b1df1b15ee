package org.qcowfs.cli.command.mount;

import org.qcowfs.fuse.tree.CacheMode;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** QEMU's words for its cache modes. */
final class CacheModeConverter implements ITypeConverter<CacheMode> {
  @Override
  public CacheMode convert(String value) {
    return switch (value) {
      case "writeback" -> CacheMode.WRITEBACK;
      case "writethrough" -> CacheMode.WRITETHROUGH;
      case "none" -> CacheMode.NONE;
      case "directsync" -> CacheMode.DIRECTSYNC;
      case "unsafe" -> CacheMode.UNSAFE;
      default ->
          throw new TypeConversionException(
              "expected writeback, writethrough, none, directsync or unsafe");
    };
  }
}
