package org.qcowfs.cli.program;

/** The version of this build; a test compares it with the one Maven knows. */
public final class Version {
  public static final String NUMBER = "0.1.0";

  private Version() {}
}
