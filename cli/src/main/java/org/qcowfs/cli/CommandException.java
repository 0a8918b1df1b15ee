package org.qcowfs.cli;

/** A command cannot do what was asked: its message, one escaped line, is all the user needs. */
public final class CommandException extends Exception {
  private static final long serialVersionUID = 1L;

  public CommandException(String message) {
    super(message);
  }
}
