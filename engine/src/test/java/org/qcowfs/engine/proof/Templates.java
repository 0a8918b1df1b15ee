package org.qcowfs.engine.proof;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;

/** A scratch folder for templates, in memory where the host has such a place; deleted on close. */
final class Templates implements AutoCloseable {
  private final Path folder;
  private int made;

  Templates() {
    Path memory = Path.of("/dev/shm");
    try {
      String where = System.getProperty("proof.scratch");
      if (where != null) {
        folder = Files.createTempDirectory(Path.of(where), "qcowfs-proof-");
      } else if (Files.isWritable(memory)) {
        folder = Files.createTempDirectory(memory, "qcowfs-proof-");
      } else {
        folder = Files.createTempDirectory("qcowfs-proof-");
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes a template in a folder of its own. */
  Template make(Shape shape, long seed) {
    try {
      return Template.make(
          Files.createDirectory(folder.resolve(Integer.toString(made++))), shape, seed);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A path for scratch files. */
  Path scratch(String name) {
    return folder.resolve(name);
  }

  /** Deletes a template's files. */
  static void delete(Path folder) {
    try (Stream<Path> walk = Files.walk(folder)) {
      List<Path> deepestFirst = walk.sorted(Comparator.reverseOrder()).toList();
      for (Path path : deepestFirst) {
        Files.delete(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() {
    delete(folder);
  }
}
