package org.qcowfs.cli.program;

/** The version of this build; a test compares it with the one Maven knows. */
public final class Version {
  public static final String NUMBER = "0.1.0";

  /** The qemu-img that this program does the same as. */
  private static final String QEMU = "7.2.0";

  private Version() {}

  /**
   * What {@code --version} prints: to who calls it qemu-img, and may look for a version, QEMU's.
   */
  public static String line() {
    return ProgramName.VALUE.equals("qemu-img")
        ? "qemu-img version " + QEMU + " (qcowfs " + NUMBER + ")"
        : "qcowfs " + NUMBER;
  }
}
