package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * Names in an image that a terminal, a log or a path would obey: ESC, new lines, C1 controls, an
 * override of the reading direction, invalid UTF-8, slashes. They are shown escaped, and become
 * harmless file names.
 */
class HostileNamesIT {
  /** Each is 24 bytes, so that it fits where the seeds have a name. */
  private static final List<byte[]> NAMES =
      List.of(
          bytes("\033[2J\033]0;title\007\033[31m...."),
          bytes("line 1\nline 2\r\n\b\b\b\b\t\f..."),
          bytes("\u202etxt.exe\u2066\u2028\u200f....."),
          bytes("\u009b31m\u0085\u0090\u009d............"),
          new byte[] {
            (byte) 0xff,
            (byte) 0xfe,
            (byte) 0xc0,
            (byte) 0xaf,
            (byte) 0xed,
            (byte) 0xa0,
            (byte) 0x80,
            (byte) 0x9b,
            '3',
            '1',
            'm',
            0x1b,
            '[',
            'm',
            0x7f,
            0,
            'a',
            'b',
            'c',
            'd',
            'e',
            'f',
            'g',
            'h'
          },
          bytes("../../../../../../../etc"));

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static void assertHarmless(Run.Result result) {
    String shown = result.out() + result.err();
    assertThat(shown.replace("\n", ""))
        .as("%s", result.command())
        .doesNotMatch("(?s).*[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}].*");
    assertThat(result.err()).doesNotContain("internal error");
  }

  /** An overlay with a long name, which others are written over. */
  private static Path overlay(TempImages scratch) {
    Path image = scratch.path("disk.qcow2");
    String placeholder = "x".repeat(24);
    QemuImg.create(scratch.path(placeholder), 1 << 20);
    QemuImg.run(
        "create",
        "-q",
        "-u",
        "-f",
        "qcow2",
        "-b",
        placeholder,
        "-F",
        "qcow2",
        image.toString(),
        "1M");
    QemuImg.run("snapshot", "-c", placeholder, image.toString());
    QemuImg.run("bitmap", "--add", image.toString(), placeholder);
    return image;
  }

  /** Puts {@code name} wherever the placeholder is. */
  private static void rename(Path image, byte[] name) throws IOException {
    byte[] all = Files.readAllBytes(image);
    byte[] old = "x".repeat(24).getBytes(StandardCharsets.US_ASCII);
    int found = 0;
    try (Patcher p = Patcher.open(image)) {
      for (int at = 0; at + 24 <= all.length; at++) {
        if (java.util.Arrays.equals(all, at, at + 24, old, 0, 24)) {
          p.bytes(at, java.util.Arrays.copyOf(name, 24));
          found++;
        }
      }
    }
    assertThat(found).as("backing name, snapshot, bitmap").isEqualTo(3);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 1, 2, 3, 4, 5})
  void r12R16EveryCommandShowsNamesEscaped(int which) throws Exception {
    try (TempImages scratch = TempImages.create("names")) {
      Path image = overlay(scratch);
      rename(image, NAMES.get(which));
      String file = image.toString();
      List<List<String>> commands = new ArrayList<>();
      commands.add(List.of("info", file));
      commands.add(List.of("info", "--output=json", "--backing-chain", file));
      commands.add(List.of("map", file));
      commands.add(List.of("snapshot", "-l", file));
      commands.add(List.of("check", "--explain", file));
      commands.add(List.of("convert", "-O", "raw", file, scratch.path("out").toString()));
      commands.add(List.of("mount", file, scratch.makeFolder("mnt").toString()));
      for (List<String> command : commands.subList(which % 2, commands.size())) {
        assertHarmless(CliRun.run(command.toArray(String[]::new)));
      }
    }
  }

  @Test
  void r12NamesThatBecomeTheSameFileNameStayApart() throws Exception {
    try (TempImages scratch = TempImages.create("names")) {
      Path image = scratch.path("disk.qcow2");
      QemuImg.create(image, 1 << 20);
      for (String name : new String[] {"a_b", "aXb", "aYb", "."}) {
        QemuImg.run("snapshot", "-c", name, image.toString());
      }
      try (Patcher p = Patcher.open(image)) {
        byte[] table = p.readBytes(p.header("snapshots_offset"), 280);
        String text = new String(table, StandardCharsets.ISO_8859_1);
        p.bytes(p.header("snapshots_offset") + text.indexOf("aXb") + 1, (byte) '/');
        p.bytes(p.header("snapshots_offset") + text.indexOf("aYb") + 1, (byte) 0x1b);
      }
      Path log = scratch.path("log");
      try (Mounted mounted =
              Mounted.mount(image, scratch.makeFolder("mnt"), "--log-file", log.toString());
          Stream<Path> entries = Files.list(mounted.point().resolve("snapshots"))) {
        List<String> names = entries.map(e -> String.valueOf(e.getFileName())).sorted().toList();
        assertThat(names).containsExactly("_", "a_b", "a_b.2", "a_b.3");
        for (String name : names) {
          assertThat(Files.size(mounted.snapshot(name))).isEqualTo(1 << 20);
        }
        assertHarmless(CliRun.ok("mounts"));
      }
      assertThat(log).satisfies(f -> assertThat(Files.readString(f)).isEmpty());
    }
  }

  @Test
  void r12ANameOf64KibibytesIsCutToAFileName() throws Exception {
    try (TempImages scratch = TempImages.create("names")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      try (Patcher p = Patcher.open(image)) {
        long table = p.header("snapshots_offset");
        long end = (p.length() + 4095) / 4096 * 4096;
        p.bytes(end, p.readBytes(table, 64)).bytes(end + 64, new byte[1 << 17]);
        p.u16(end + 14, 65535).header("snapshots_offset", end);
        byte[] name = new byte[65535];
        java.util.Arrays.fill(name, (byte) 0x1b);
        p.bytes(end + 40 + p.u32(end + 36) + p.u16(end + 12), name);
      }
      assertHarmless(CliRun.run("snapshot", "-l", image.toString()));
      try (Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"));
          Stream<Path> entries = Files.list(mounted.point().resolve("snapshots"))) {
        assertThat(entries)
            .singleElement()
            .satisfies(
                folder ->
                    assertThat(String.valueOf(folder.getFileName())).isEqualTo("_".repeat(255)));
      }
    }
  }
}
