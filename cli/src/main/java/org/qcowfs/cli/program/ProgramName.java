package org.qcowfs.cli.program;

/** The name the program was called by, which begins each of its messages. */
public final class ProgramName {
  public static final String VALUE = System.getProperty("qcowfs.name", "qcowfs");

  private ProgramName() {}
}
