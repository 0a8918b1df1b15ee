package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.nio.file.Path;

/** Finding out what the kernel calls a mount point. */
final class MountPoints {
  private MountPoints() {}

  /**
   * {@code path} without symbolic links. A mount whose process is gone cannot be looked at, so
   * there the folder it lies in must do.
   */
  static Path real(Path path) {
    try {
      return path.toRealPath();
    } catch (IOException e) {
      Path normal = path.normalize();
      Path parent = normal.getParent();
      Path name = normal.getFileName();
      if (parent == null || name == null) {
        return normal;
      }
      try {
        return parent.toRealPath().resolve(name);
      } catch (IOException e2) {
        return normal;
      }
    }
  }
}
