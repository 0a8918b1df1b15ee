package org.qcowfs.it.support;

import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/** What a test needs of its machine; what is missing is a failure, never a skipped test. */
public final class Requires {
  private Requires() {}

  /** Fails unless each program is on the search path. */
  public static void tools(String... names) {
    for (String name : names) {
      boolean found =
          Stream.concat(
                  Stream.of(System.getenv("PATH").split(File.pathSeparator)),
                  Stream.of("/usr/sbin", "/sbin"))
              .anyMatch(folder -> Files.isExecutable(Path.of(folder, name)));
      if (!found) {
        throw new AssertionError(
            "this test needs '" + name + "', which is not installed; ./test installs it");
      }
    }
  }

  /** Fails unless the tests run as root: loop devices and mounts of them need it. */
  public static void root() {
    if (!"0".equals(Run.ok("id", "-u").out().strip())) {
      throw new AssertionError("this test sets up loop devices and mounts: run it as root");
    }
  }

  /** Fails unless FUSE mounts are possible here. */
  public static void fuse() {
    if (!Files.isReadable(Path.of("/dev/fuse"))) {
      throw new AssertionError("this test mounts through FUSE, but /dev/fuse cannot be opened");
    }
  }
}
