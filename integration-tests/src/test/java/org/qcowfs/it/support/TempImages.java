package org.qcowfs.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;

/** A scratch folder under the module's build folder, deleted on close. */
public final class TempImages implements AutoCloseable {
  private final Path folder;

  private TempImages(Path folder) {
    this.folder = folder;
  }

  /** The folder all scratch files and the cached corpus live in, on a real disk. */
  public static Path work() {
    Path work = Path.of(System.getProperty("qcowfs.work", "target/it")).toAbsolutePath();
    try {
      return Files.createDirectories(work.normalize());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes an empty scratch folder whose name begins with {@code name}. */
  public static TempImages create(String name) {
    try {
      return new TempImages(Files.createTempDirectory(work(), name + "-"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  public Path folder() {
    return folder;
  }

  /** The path of {@code name} in this folder; nothing is created. */
  public Path path(String name) {
    return folder.resolve(name);
  }

  /** Makes a folder in this folder, to mount on. */
  public Path makeFolder(String name) {
    try {
      return Files.createDirectories(path(name));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Deletes {@code folder}, if it is there, and all below it, following no symbolic link. What goes
   * meanwhile, as the pid file of a server that ends, is gone as well.
   */
  public static void deleteTree(Path folder) {
    try {
      Files.walkFileTree(
          folder,
          new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
                throws IOException {
              Files.deleteIfExists(file);
              return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException e) throws IOException {
              if (e instanceof NoSuchFileException) {
                return FileVisitResult.CONTINUE;
              }
              throw e;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path visited, @Nullable IOException e)
                throws IOException {
              if (e != null) {
                throw e;
              }
              Files.deleteIfExists(visited);
              return FileVisitResult.CONTINUE;
            }
          });
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    deleteTree(folder);
  }
}
