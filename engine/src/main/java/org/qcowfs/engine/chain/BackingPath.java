package org.qcowfs.engine.chain;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.BackingPolicy;

/** Turns a file name recorded in an image into a path that may be opened. */
public final class BackingPath {
  private BackingPath() {}

  /**
   * Resolves {@code name}, recorded in {@code from}, under a policy.
   *
   * @param role what the name is for, in messages: "backing file" or "data file"
   * @throws ImageException kind {@code REFUSED} for protocol and {@code json:} names, and for what
   *     the policy forbids
   */
  public static String resolve(String from, String name, String role, BackingPolicy policy)
      throws ImageException {
    String shown = role + " '" + Escape.text(name) + "'";
    if (policy == BackingPolicy.DENY) {
      throw refused(from, shown + " is not opened: the policy for implicit opens is deny");
    }
    String plain = plain(name);
    // QEMU: path_has_protocol; a colon before the first slash is a protocol.
    int colon = plain.indexOf(':');
    int slash = plain.indexOf('/');
    if (colon >= 0 && (slash < 0 || colon < slash)) {
      throw refused(
          from,
          shown
              + " is not opened: protocol and json: names are refused, expected the path of a"
              + " file");
    }
    try {
      if (plain.indexOf('\0') >= 0) {
        throw refused(from, shown + " is not opened: the name holds a NUL character");
      }
      if (policy == BackingPolicy.SAME_DIR) {
        Path real = Path.of(from).resolveSibling(plain).toRealPath();
        Path realFolder = Path.of(from).toRealPath().getParent();
        if (realFolder == null || !realFolder.equals(real.getParent())) {
          throw refused(
              from,
              shown
                  + " is not opened: it lies outside the image's folder, and the policy for"
                  + " implicit opens is same-dir");
        }
        return real.toString();
      }
      return plain.startsWith("/") ? plain : relative(from, plain);
    } catch (InvalidPathException e) {
      throw refused(from, shown + " is not opened: it is not a path");
    } catch (IOException e) {
      if (e instanceof ImageException known) {
        throw known;
      }
      throw refused(from, "Could not open " + shown + ": No such file or directory");
    }
  }

  /**
   * Resolves the name of an external data file: from the current folder, as QEMU, though it finds
   * backing files from the image's folder; from there too where the current one has no such file.
   *
   * @param warnings receives a line where both have one
   * @throws ImageException as {@link #resolve}
   */
  public static String dataFile(
      String from, String name, BackingPolicy policy, Consumer<String> warnings)
      throws ImageException {
    String beside = resolve(from, name, "data file", policy);
    if (policy == BackingPolicy.SAME_DIR || beside.equals(plain(name))) {
      return beside;
    }
    // A mount has left the current folder when it opens a view: its image has an absolute path.
    Path here = Path.of(plain(name)).toAbsolutePath();
    if (!Files.exists(here)) {
      return beside;
    }
    if (isAnother(here, Path.of(beside))) {
      warnings.accept(
          Escape.text(from)
              + ": data file '"
              + Escape.text(name)
              + "' is in the current folder and, another one, beside the image; the first is used");
    }
    return from.startsWith("/") ? here.toString() : plain(name);
  }

  /**
   * The path at which an external data file is made that the image at {@code from} is to name:
   * relative to the current folder.
   *
   * @throws ImageException as {@link #resolve}
   */
  public static String newDataFile(String from, String name) throws ImageException {
    String unused = resolve(from, name, "data file", BackingPolicy.ANY);
    return plain(name);
  }

  private static boolean isAnother(Path one, Path other) {
    try {
      return Files.exists(other) && !Files.isSameFile(one, other);
    } catch (IOException e) {
      return false; // it vanished
    }
  }

  /** A name without QEMU's {@code file:}. */
  private static String plain(String name) {
    return name.startsWith("file:") ? name.substring("file:".length()) : name;
  }

  /** QEMU: path_combine; the folder as it was typed, symbolic links not followed. */
  private static String relative(String from, String name) {
    int slash = from.lastIndexOf('/');
    return slash < 0 ? name : from.substring(0, slash + 1) + name;
  }

  private static ImageException refused(String from, String detail) {
    return new ImageException(ErrorKind.REFUSED, from, detail);
  }
}
