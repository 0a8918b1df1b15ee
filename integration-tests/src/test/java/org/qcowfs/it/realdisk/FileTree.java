package org.qcowfs.it.realdisk;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Map;
import java.util.TreeMap;
import org.qcowfs.it.support.Sha256;

/** Everything below a folder: type, mode, size, and what each file holds. */
final class FileTree {
  private FileTree() {}

  /** Relative path to a line that says all of it. */
  static Map<String, String> of(Path root) {
    Map<String, String> tree = new TreeMap<>();
    try {
      Files.walkFileTree(
          root,
          new SimpleFileVisitor<Path>() {
            @Override
            public FileVisitResult preVisitDirectory(Path folder, BasicFileAttributes attributes)
                throws IOException {
              add(folder, "folder");
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              if (attributes.isSymbolicLink()) {
                tree.put(root.relativize(file).toString(), "-> " + Files.readSymbolicLink(file));
              } else if (attributes.isRegularFile()) {
                add(file, attributes.size() + " " + Sha256.ofFile(file));
              } else {
                add(file, "special");
              }
              return FileVisitResult.CONTINUE;
            }

            private void add(Path file, String what) throws IOException {
              Object mode = Files.getAttribute(file, "unix:mode", LinkOption.NOFOLLOW_LINKS);
              Object owner = Files.getAttribute(file, "unix:uid", LinkOption.NOFOLLOW_LINKS);
              tree.put(root.relativize(file).toString(), mode + " " + owner + " " + what);
            }
          });
      return tree;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
