package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.util.Set;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.qcow2.check.CheckOracle.Answer;

/** Where {@link Checker} is right to differ: the table in the package's documentation. */
final class KnownDifferences {
  private KnownDifferences() {}

  /** Returns what differs and should not, or null. */
  static @Nullable String compare(byte[] image, Answer ours, Answer qemu) {
    if (qemu.code() < 0) {
      return null;
    }
    if (qemu.code() == 1
        && (opensOtherFiles(qemu.message())
            || qemu.message().contains("'encrypt.key-secret' is required")
            || rawBitWithoutDataFile(image)
            || endMarkerHasLength(image, qemu))) {
      return null;
    }
    String both = "ours " + ours + "\n   qemu " + qemu;
    if (ours.code() != qemu.code()) {
      return "exit code: " + both;
    }
    if (qemu.code() != 1 && !ours.numbers().equals(qemu.numbers())) {
      return "numbers: " + both;
    }
    boolean comparable = !ours.tooManyLines() && !qemu.tooManyLines();
    if (qemu.code() != 1 && comparable && !withoutNames(ours).equals(withoutNames(qemu))) {
      return "lines: " + both;
    }
    return null;
  }

  /** Names of snapshots are escaped here, and not by QEMU. */
  private static Set<String> withoutNames(Answer answer) {
    return answer.lines().stream()
        .map(line -> line.startsWith("ERROR snapshot ") ? "ERROR snapshot" : line)
        .collect(Collectors.toSet());
  }

  /** QEMU opens the backing and the data file first; a check needs neither. */
  private static boolean opensOtherFiles(String message) {
    return message.contains("Could not open backing file")
        || message.contains("driver requires a file name")
        || message.contains("'file' driver requires")
        || message.matches(".*Could not open '[^']*': Could not open .*");
  }

  /** Autoclear bit 1 means nothing without a data file, and QEMU refuses the image. */
  private static boolean rawBitWithoutDataFile(byte[] image) {
    ByteBuffer in = ByteBuffer.wrap(image);
    return in.getInt(4) == 3 && (in.getLong(88) & 2) != 0 && (in.getLong(72) & 4) == 0;
  }

  /** QEMU judges the length of the marker that ends the extensions; it has no meaning. */
  private static boolean endMarkerHasLength(byte[] image, Answer qemu) {
    if (!qemu.message().contains("Header extension too large")) {
      return false;
    }
    ByteBuffer in = ByteBuffer.wrap(image);
    int at = in.getInt(4) == 2 ? 72 : in.getInt(100);
    while (at >= 0 && at + 8 <= 512 && in.getInt(at) != 0) {
      at += 8 + (in.getInt(at + 4) + 7 & ~7);
    }
    return at >= 0 && at + 8 <= 512 && in.getInt(at + 4) != 0;
  }
}
