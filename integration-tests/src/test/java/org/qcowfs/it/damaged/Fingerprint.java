package org.qcowfs.it.damaged;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.qcowfs.it.support.Sha256;

/** The state of every regular file of a folder: bytes and modification time. */
final class Fingerprint {
  private Fingerprint() {}

  static Map<String, String> of(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      Map<String, String> states = new TreeMap<>();
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        states.put(file.toString(), Files.getLastModifiedTime(file) + " " + Sha256.ofFile(file));
      }
      return states;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
