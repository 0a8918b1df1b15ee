package org.qcowfs.cli.program;

/** A command line that makes no sense; the message is one escaped line. */
public final class UsageException extends Exception {
  private static final long serialVersionUID = 1L;

  public UsageException(String message) {
    super(message);
  }
}
