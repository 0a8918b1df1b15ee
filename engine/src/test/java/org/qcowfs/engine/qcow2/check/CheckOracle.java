package org.qcowfs.engine.qcow2.check;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.PosixHostFile;

/** What {@code qemu-img check} says of an image, and what {@link Checker} says. */
final class CheckOracle {
  private static final Pattern NUMBER = Pattern.compile("\"([a-z-]+)\": (\\d+)");
  private static final Pattern FINDING = Pattern.compile("(ERROR|Leaked|Can't get).*");

  /** Lines kept of one answer; an image with more is compared by its numbers alone. */
  static final int MOST_LINES = 20_000;

  private static final List<String> NAMES =
      List.of(
          "check-errors",
          "corruptions",
          "leaks",
          "total-clusters",
          "allocated-clusters",
          "fragmented-clusters",
          "compressed-clusters",
          "image-end-offset");

  private CheckOracle() {}

  /**
   * One answer.
   *
   * @param code the exit code; -1 if there was no answer in time or the program crashed
   * @param numbers the counts as {@code name=value}, without zeroes; empty if there are none
   * @param lines what was found, one line each
   */
  record Answer(int code, String numbers, Set<String> lines, String message) {
    boolean tooManyLines() {
      return lines.contains(MORE);
    }
  }

  private static final String MORE = "ERROR and more";

  static Answer qemu(Path image, Path scratch) {
    return qemu(image, scratch, List.of());
  }

  /** What is left after {@code qemu-img check -r all} has changed the image. */
  static Answer repairedByQemu(Path image, Path scratch) {
    qemu(image, scratch, List.of("-r", "all"));
    return qemu(image, scratch, List.of());
  }

  /** The disk as QEMU reads it, zeroes where it cannot; null if it cannot open the image. */
  static byte @Nullable [] salvaged(Path image, Path scratch) throws IOException {
    Path raw = scratch.resolve("salvaged.raw");
    Files.deleteIfExists(raw);
    List<String> command =
        List.of(
            "qemu-img",
            "convert",
            "--salvage",
            "-f",
            "qcow2",
            "-O",
            "raw",
            image.toString(),
            raw.toString());
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      if (!process.waitFor(60, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        return null;
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
    return process.exitValue() == 0 && Files.size(raw) <= DiskContent.MOST
        ? Files.readAllBytes(raw)
        : null;
  }

  private static Answer qemu(Path image, Path scratch, List<String> repair) {
    try {
      File err = scratch.resolve("stderr").toFile();
      File out = scratch.resolve("stdout").toFile();
      List<String> command = new ArrayList<>(List.of("qemu-img", "check", "--output=json"));
      command.addAll(repair);
      command.addAll(List.of("-f", "qcow2", image.toString()));
      Process process = new ProcessBuilder(command).redirectOutput(out).redirectError(err).start();
      if (!process.waitFor(8, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
        return new Answer(-1, "", Set.of(), "no answer");
      }
      int code = process.exitValue();
      List<String> lines =
          new ArrayList<>(Files.readAllLines(err.toPath(), StandardCharsets.ISO_8859_1));
      String message =
          lines.stream().filter(l -> l.startsWith("qemu-img:")).collect(Collectors.joining("; "));
      Matcher matcher = NUMBER.matcher(Files.readString(out.toPath(), StandardCharsets.ISO_8859_1));
      java.util.Map<String, String> found = new java.util.HashMap<>();
      while (matcher.find()) {
        found.put(matcher.group(1), matcher.group(2));
      }
      return new Answer(
          code > 3 && code != 63 ? -1 : code,
          found.isEmpty() ? "" : numbers(found),
          findings(lines),
          message);
    } catch (IOException e) {
      throw new AssertionError("cannot run qemu-img: is qemu-utils installed?", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new AssertionError(e);
    }
  }

  private static String numbers(java.util.Map<String, String> found) {
    return NAMES.stream()
        .filter(name -> !found.getOrDefault(name, "0").equals("0"))
        .map(name -> name + "=" + found.get(name))
        .collect(Collectors.joining(" "));
  }

  private static Set<String> findings(List<String> lines) {
    if (lines.size() >= MOST_LINES) {
      return Set.of(MORE);
    }
    return lines.stream()
        .map(FINDING::matcher)
        .filter(Matcher::find)
        .map(Matcher::group)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  static Answer ours(Path image) {
    List<String> lines = new ArrayList<>();
    try (PosixHostFile file = PosixHostFile.open(image.toString(), false)) {
      CheckResult result =
          Checker.check(
              file,
              f -> {
                if (lines.size() < MOST_LINES) {
                  lines.addAll(f.text().lines().toList());
                }
              });
      java.util.Map<String, String> found = new java.util.HashMap<>();
      found.put("check-errors", "" + result.checkErrors());
      found.put("corruptions", "" + result.corruptions());
      found.put("leaks", "" + result.leaks());
      found.put("total-clusters", "" + result.totalClusters());
      found.put("allocated-clusters", "" + result.allocatedClusters());
      found.put("fragmented-clusters", "" + result.fragmentedClusters());
      found.put("compressed-clusters", "" + result.compressedClusters());
      found.put("image-end-offset", "" + result.imageEndOffset());
      return new Answer(
          result.exitCode(),
          result.failure() != null ? "" : numbers(found),
          findings(lines),
          String.valueOf(result.failure()));
    } catch (ImageException e) {
      return new Answer(1, "", Set.of(), e.detail());
    }
  }
}
