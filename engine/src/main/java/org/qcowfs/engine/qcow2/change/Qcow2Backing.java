package org.qcowfs.engine.qcow2.change;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;

/** Names another backing file, without looking at any. */
public final class Qcow2Backing {
  private Qcow2Backing() {}

  /**
   * Has the image in {@code file}, which is open for writing and locked, name a backing file.
   *
   * @param name as it is to be recorded, at most 1023 bytes; null or empty for none
   * @param format its format, or null to record none
   * @throws ImageException if it cannot be done; the image is then as it was
   */
  public static void set(HostFile file, @Nullable String name, @Nullable String format)
      throws ImageException {
    ImageEdit edit = ImageEdit.begin(file);
    try {
      edit.next.setBacking(name, format);
      edit.switchHeader();
    } catch (ImageException e) {
      edit.abandon(e);
      throw e;
    }
  }
}
