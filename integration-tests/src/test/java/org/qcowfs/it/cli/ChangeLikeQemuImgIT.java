package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * {@code resize}, {@code commit}, {@code rebase}, {@code amend} and {@code bitmap} beside the real
 * qemu-img: the same words to both, in two folders that begin alike; what they print, how they end
 * and what the images are afterwards must be the same. Each line goes on with the images that the
 * line before left, so that each program's work is looked at by the other's.
 */
class ChangeLikeQemuImgIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private final Map<Path, FileTime> seen = new HashMap<>();

  @BeforeAll
  static void tools() {
    Requires.tools("qemu-img", "qemu-io");
  }

  /** Scripts in the resources: set-up lines up to an empty one, then lines for both programs. */
  @ParameterizedTest
  @ValueSource(strings = {"resize", "resize-kinds", "commit", "rebase", "amend", "bitmap"})
  void doesTheSame(String script) throws IOException {
    List<String> lines;
    try (var in = getClass().getResourceAsStream("change/" + script + ".txt")) {
      assertThat(in).isNotNull();
      lines = new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    }
    int setUp = lines.indexOf("");
    assertThat(setUp).isPositive();
    try (TempImages temp = TempImages.create("change-" + script)) {
      Path theirs = Files.createDirectory(temp.path("theirs"));
      Path ours = Files.createDirectory(temp.path("ours"));
      for (String line : lines.subList(0, setUp)) {
        shell(theirs, line).orFail();
        shell(ours, line).orFail();
      }
      for (String line : lines.subList(setUp + 1, lines.size())) {
        both(line, theirs, ours);
      }
    }
  }

  private void both(String line, Path theirs, Path ours) throws IOException {
    if (!line.startsWith("qemu-img ")) {
      shell(theirs, line).orFail();
      shell(ours, line).orFail();
      return;
    }
    String[] words = words(line.substring("qemu-img ".length()));
    Run.Result qemu = Cli.qemuImg(theirs, words);
    Run.Result mine = Cli.asQemuImg(ours, words);
    assertThat(mine.out()).as(line).isEqualTo(qemu.out());
    assertThat(mine.err()).as(line).isEqualTo(qemu.err());
    assertThat(mine.exitCode()).as(line).isEqualTo(qemu.exitCode());
    if (qemu.exitCode() == 0) {
      compare(line, theirs, ours);
    }
  }

  /** Words between spaces; '' is an empty one. */
  private static String[] words(String line) {
    return Arrays.stream(line.split(" ")).map(w -> w.equals("''") ? "" : w).toArray(String[]::new);
  }

  private static Run.Result shell(Path folder, String line) {
    return Run.run(PATIENCE, List.of("sh", "-c", line), folder, Cli.environment(), "");
  }

  private void compare(String line, Path theirs, Path ours) throws IOException {
    for (String name : images(theirs)) {
      String as = line + ": " + name;
      if (!hasChanged(theirs.resolve(name)) & !hasChanged(ours.resolve(name))) {
        continue;
      }
      boolean qcow2 = name.endsWith(".qcow2");
      if (!qcow2) {
        assertThat(Files.mismatch(theirs.resolve(name), ours.resolve(name))).as(as).isEqualTo(-1);
        continue;
      }
      Run.Result same =
          Cli.qemuImg(
              theirs, "compare", "-U", "-f", "qcow2", "-F", "qcow2", name, "../ours/" + name);
      // A data file is found from where the program runs: its own bytes are compared instead.
      assertThat(same.exitCode() == 0 || same.err().contains("No such file")).as(as).isTrue();
      assertThat(info(ours, name)).as(as).isEqualTo(info(theirs, name));
      Run.Result check = Cli.qemuImg(ours, "check", "-q", name);
      if (check.exitCode() != 0) {
        assertThat(Cli.qemuImg(theirs, "check", "-q", name).exitCode())
            .as(as + check.err())
            .isEqualTo(check.exitCode());
      }
    }
  }

  /** Whether a file was written to since the last time this was asked. */
  private boolean hasChanged(Path file) throws IOException {
    FileTime now = Files.getLastModifiedTime(file);
    return !now.equals(seen.put(file, now));
  }

  private static List<String> images(Path folder) throws IOException {
    try (Stream<Path> list = Files.list(folder)) {
      return list.map(p -> p.getFileName().toString()).sorted().toList();
    }
  }

  /** What {@code info} says but for dates and the blocks on the host. */
  private static List<String> info(Path folder, String name) {
    String json = Cli.qemuImg(folder, "info", "--output=json", name).out();
    List<String> lines = new ArrayList<>(new TreeSet<>(json.lines().map(String::strip).toList()));
    lines.removeIf(l -> l.matches("\"(actual-size|date-sec|date-nsec)\": .*"));
    return lines;
  }
}
