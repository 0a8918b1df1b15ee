package org.qcowfs.engine.change;

import java.io.IOException;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;

/** Finds a layer of a chain by the name a user gives. */
final class Chains {
  private Chains() {}

  /**
   * The depth of the layer below the top that {@code name} means: the name an image of the chain
   * records, or a path, relative to the folder of the image above it (QEMU:
   * bdrv_find_backing_image).
   *
   * @return 1 or more, or -1 for none
   */
  static int find(Image chain, String name) throws ImageException {
    for (int depth = 1; depth < chain.depth(); depth++) {
      String above = chain.path(depth - 1);
      if (name.equals(chain.info(depth - 1).backingName())
          || same(resolve(above, name), chain.path(depth))) {
        return depth;
      }
    }
    return -1;
  }

  /**
   * The depth from which on the chain is what opening {@code path} as {@code format} gives.
   *
   * <p>Only the same name in the same folder will do: what the file records is relative to the
   * folder it is found in, so that another name of it may stand above other files.
   *
   * @return 1 or more, or -1 for none
   */
  static int shared(Image chain, String path, @Nullable String format) throws ImageException {
    Path wanted = inRealFolder(path);
    for (int depth = 1; depth < chain.depth(); depth++) {
      if (wanted != null
          && wanted.equals(inRealFolder(chain.path(depth)))
          && chain.info(depth).format().equals(format)) {
        return depth;
      }
    }
    return -1;
  }

  /** A name relative to the folder of the image that records it. */
  static String resolve(String image, String name) {
    int slash = image.lastIndexOf('/');
    return name.startsWith("/") || slash < 0 ? name : image.substring(0, slash + 1) + name;
  }

  private static boolean same(String a, String b) {
    Path real = real(a);
    return a.equals(b) || real != null && real.equals(real(b));
  }

  private static @Nullable Path inRealFolder(String path) {
    try {
      Path absolute = Path.of(path).toAbsolutePath();
      Path folder = absolute.getParent();
      return folder == null ? null : folder.toRealPath().resolve(absolute.getFileName());
    } catch (IOException | InvalidPathException e) {
      return null;
    }
  }

  private static @Nullable Path real(String path) {
    try {
      return Path.of(path).toRealPath();
    } catch (IOException | InvalidPathException e) {
      return null;
    }
  }
}
