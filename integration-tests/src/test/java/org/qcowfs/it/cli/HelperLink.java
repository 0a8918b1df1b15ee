package org.qcowfs.it.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;

/**
 * The link by which mount(8) finds the helper that {@code install} brings: the one thing of these
 * tests that lies outside their own folder.
 */
final class HelperLink {
  private static final Path LINK = Path.of("/sbin/mount.fuse.qcowfs");

  private HelperLink() {}

  static boolean exists() {
    return Files.exists(LINK, LinkOption.NOFOLLOW_LINKS);
  }

  /** Removes what a run of the tests that was killed has left; a user's own link stays. */
  static void removeLeftover() throws IOException {
    if (Files.isSymbolicLink(LINK)
        && Files.readSymbolicLink(LINK).toString().contains("/integration-tests/target/it/")) {
      Files.delete(LINK);
    }
  }

  /** Makes the link lead to nothing. */
  static void dangle() throws IOException {
    Files.createSymbolicLink(LINK, Path.of("/nowhere/integration-tests/target/it/gone"));
  }
}
