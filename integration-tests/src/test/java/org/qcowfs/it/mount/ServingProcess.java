package org.qcowfs.it.mount;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.qcowfs.it.support.Run;

/** The process behind a mount in the background. */
record ServingProcess(long pid) {
  static ServingProcess ofPidFile(Path file) {
    try {
      return new ServingProcess(Long.parseLong(Files.readString(file).strip()));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Whether it runs; one that ended and waits for its parent to ask does not. */
  boolean isRunning() {
    try {
      String stat = Files.readString(Path.of("/proc/" + pid + "/stat"));
      return stat.charAt(stat.lastIndexOf(')') + 2) != 'Z';
    } catch (IOException e) {
      return false;
    }
  }

  void signal(String name) {
    Run.ok("kill", "-" + name, Long.toString(pid));
  }

  void awaitEnd() {
    Await.until("process " + pid + " ends", () -> !isRunning());
  }
}
