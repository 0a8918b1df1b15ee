package org.qcowfs.cli.command.mount;

import org.qcowfs.cli.option.ByteSize;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code cluster_size=64k,extended_l2=on,size=20G}, as {@code qemu-img create -o} has them. */
final class OverlayOptionsConverter implements ITypeConverter<OverlayOptions> {
  @Override
  public OverlayOptions convert(String value) {
    OverlayOptions options = OverlayOptions.DEFAULT;
    for (String option : value.split(",", -1)) {
      int equals = option.indexOf('=');
      String name = equals < 0 ? option : option.substring(0, equals);
      String wanted = equals < 0 ? "" : option.substring(equals + 1);
      options =
          switch (name) {
            case "cluster_size" ->
                new OverlayOptions(size(name, wanted), options.extendedL2(), options.size());
            case "extended_l2" ->
                new OverlayOptions(options.clusterSize(), flag(name, wanted), options.size());
            case "size" ->
                new OverlayOptions(options.clusterSize(), options.extendedL2(), size(name, wanted));
            default ->
                throw new TypeConversionException(
                    "expected cluster_size=SIZE, extended_l2=on|off or size=SIZE");
          };
    }
    return options;
  }

  private static long size(String name, String value) {
    long bytes = ByteSize.parse(value);
    if (bytes < 0) {
      throw new TypeConversionException(name + ": expected a size such as 65536 or 64k");
    }
    return bytes;
  }

  private static boolean flag(String name, String value) {
    return switch (value) {
      case "on" -> true;
      case "off" -> false;
      default -> throw new TypeConversionException(name + ": expected on or off");
    };
  }
}
