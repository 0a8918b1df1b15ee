package org.qcowfs.cli.program;

import org.jspecify.annotations.Nullable;

/** A command cannot do what was asked: its message, one escaped line, is all the user needs. */
public final class CommandException extends Exception {
  private static final long serialVersionUID = 1L;

  public CommandException(String message) {
    this(message, null);
  }

  public CommandException(String message, @Nullable Throwable cause) {
    super(message, cause);
  }
}
