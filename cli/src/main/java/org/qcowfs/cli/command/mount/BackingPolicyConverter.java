package org.qcowfs.cli.command.mount;

import org.qcowfs.engine.model.BackingPolicy;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** {@code any}, {@code same-dir}, {@code deny}. */
final class BackingPolicyConverter implements ITypeConverter<BackingPolicy> {
  @Override
  public BackingPolicy convert(String value) {
    return switch (value) {
      case "any" -> BackingPolicy.ANY;
      case "same-dir" -> BackingPolicy.SAME_DIR;
      case "deny" -> BackingPolicy.DENY;
      default -> throw new TypeConversionException("expected any, same-dir or deny");
    };
  }
}
