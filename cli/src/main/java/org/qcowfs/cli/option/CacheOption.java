package org.qcowfs.cli.option;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;

/** QEMU's cache modes: here they decide whether what is written is made durable. */
public final class CacheOption {
  /** What may be said. */
  public static final String MODES = "none|writeback|writethrough|directsync|unsafe";

  private CacheOption() {}

  /**
   * Whether a mode asks for durability.
   *
   * @param mode as typed, or null for {@code otherwise}
   * @param what names the option in the message
   */
  public static boolean isDurable(@Nullable String mode, String otherwise, String what)
      throws CommandException {
    String chosen = mode == null ? otherwise : mode;
    if (!List.of(MODES.split("\\|")).contains(chosen)) {
      throw new CommandException("Invalid " + what + " option: " + Escape.text(chosen));
    }
    return !chosen.equals("unsafe");
  }
}
