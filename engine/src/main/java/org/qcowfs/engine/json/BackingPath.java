package org.qcowfs.engine.json;

/** Where a recorded backing file name points: relative names start at the naming file's folder. */
public final class BackingPath {
  private BackingPath() {}

  /**
   * The path to open, not normalised, as QEMU shows it.
   *
   * @param image path of the file that names the other
   * @param name the recorded name
   */
  public static String of(String image, String name) {
    return name.startsWith("/") ? name : image.substring(0, image.lastIndexOf('/') + 1) + name;
  }
}
