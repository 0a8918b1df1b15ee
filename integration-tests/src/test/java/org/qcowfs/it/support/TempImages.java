package org.qcowfs.it.support;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

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

  /** Deletes {@code folder}, if it is there, and all below it, following no symbolic link. */
  public static void deleteTree(Path folder) {
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> walk = Files.walk(folder)) {
      List<Path> deepestFirst = walk.sorted(Comparator.reverseOrder()).toList();
      for (Path path : deepestFirst) {
        Files.deleteIfExists(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    deleteTree(folder);
  }
}
