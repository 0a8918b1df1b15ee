package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.MethodOrderer;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestMethodOrder;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** The launcher in a fresh checkout of its own, from its first run on. */
@TestMethodOrder(MethodOrderer.OrderAnnotation.class)
class LauncherIT {
  private static final Duration PATIENCE = Duration.ofMinutes(15);
  private static final String[] CHECKOUT = {
    "qcowfs",
    "launcher",
    "pom.xml",
    ".mvn",
    "engine/pom.xml",
    "engine/src/main",
    "fuse/pom.xml",
    "fuse/src/main",
    "cli/pom.xml",
    "cli/src/main",
    "integration-tests/pom.xml"
  };

  /** Where any user may look, with a space in its name. */
  private static Path scratch;

  private static Path checkout;
  private static Path image;

  @BeforeAll
  static void copyCheckout() throws IOException {
    Requires.root();
    Requires.tools("setpriv", "mount", "umount");
    scratch = Files.createTempDirectory("qcowfs launcher");
    Run.ok("chmod", "755", scratch.toString());
    checkout = copy("check out");
    image = Files.write(scratch.resolve("disk.raw"), new byte[4096]);
    Run.ok("chmod", "644", image.toString());
  }

  @AfterAll
  static void remove() {
    TempImages.deleteTree(scratch);
  }

  private static Path copy(String name) throws IOException {
    Path copy = Files.createDirectory(scratch.resolve(name));
    for (String part : CHECKOUT) {
      Path to = copy.resolve(part);
      Files.createDirectories(to.getParent());
      Run.ok("cp", "-r", CliRun.project().resolve(part).toString(), to.toString());
    }
    return copy;
  }

  private static Run.Result launch(Map<String, String> more, String... command) {
    Map<String, String> environment = new HashMap<>(Cli.environment());
    environment.putAll(more);
    return Run.run(PATIENCE, List.of(command), scratch, environment, "");
  }

  private static List<Path> builds() throws IOException {
    try (Stream<Path> list = Files.list(checkout.resolve(".build"))) {
      return list.filter(path -> path.getFileName().toString().startsWith("app-")).toList();
    }
  }

  @Test
  @Order(1)
  void firstRunsAtOnceBuildOnce() throws IOException {
    String launcher = checkout.resolve("qcowfs").toString();
    List<CompletableFuture<Run.Result>> runs = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      runs.add(
          CompletableFuture.supplyAsync(
              () -> launch(Map.of(), launcher, "info", image.toString())));
    }
    long builders = 0;
    for (CompletableFuture<Run.Result> run : runs) {
      Run.Result result = run.join().orFail();
      assertThat(result.out()).startsWith("image: ");
      builders += result.err().contains("building the program") ? 1 : 0;
    }
    assertThat(builders).isEqualTo(1);
    assertThat(builds()).hasSize(1);
  }

  @Test
  @Order(2)
  void worksThroughSymbolicLinksFromAnywhere() throws IOException {
    Path first = Files.createSymbolicLink(scratch.resolve("first"), Path.of("check out/qcowfs"));
    Path folder = Files.createDirectory(scratch.resolve("bin"));
    Path second = Files.createSymbolicLink(folder.resolve("qemu-img"), first);
    Run.Result run = launch(Map.of(), second.toString(), "info", "nofile");
    assertThat(run.err())
        .isEqualTo("qemu-img: Could not open 'nofile': No such file or directory\n");
    Run.Result onPath =
        launch(Map.of(), "env", "PATH=" + folder + ":/usr/bin:/bin", "qemu-img", "--version");
    assertThat(onPath.orFail().out()).startsWith("qemu-img version 7.2.0 (qcowfs ");
    Run.Result here =
        Run.run(PATIENCE, List.of("sh", "qcowfs", "--version"), checkout, Cli.environment(), "");
    assertThat(here.orFail().out()).startsWith("qcowfs ");
  }

  @Test
  @Order(2)
  void worksFromReadOnlyCheckout() {
    Run.ok("mount", "--bind", checkout.toString(), checkout.toString());
    try {
      Run.ok("mount", "-o", "remount,bind,ro", checkout.toString());
      Run.Result run =
          launch(Map.of(), checkout.resolve("qcowfs").toString(), "info", image.toString());
      assertThat(run.orFail().err()).isEmpty();
    } finally {
      Run.ok("umount", checkout.toString());
    }
  }

  @Test
  @Order(2)
  void worksForOrdinaryUserWhenRootBuiltIt() {
    Run.Result run =
        launch(
            Map.of("HOME", "/nonexistent"),
            "setpriv",
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            checkout.resolve("qcowfs").toString(),
            "info",
            image.toString());
    assertThat(run.orFail().err()).isEmpty();
  }

  @Test
  @Order(2)
  void nothingOfJavaReachesTheTerminal() {
    Run.Result run =
        launch(
            Map.of("JAVA_TOOL_OPTIONS", "-Xmx64m", "_JAVA_OPTIONS", "-Xmx64m"),
            checkout.resolve("qcowfs").toString(),
            "snapshot",
            "-l",
            image.toString());
    assertThat(run.orFail().err()).isEmpty();
    assertThat(run.out()).isEmpty();
  }

  @Test
  @Order(2)
  void infoStartsQuickly() {
    String launcher = checkout.resolve("qcowfs").toString();
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    List<Integer> times = new ArrayList<>();
    List<Integer> least = new ArrayList<>();
    for (int i = 0; i < 15; i++) {
      times.add(cpuMillis(launcher, "info", image.toString()));
      least.add(cpuMillis(java, "-version"));
    }
    // CPU time, of the quickest, and beside that of a JVM that does nothing: neither the machine's
    // speed nor what else it does meanwhile decides. Without the class archive it is some 8 times.
    assertThat(Collections.min(times))
        .as("the quickest of %s ms; java -version: %s ms", times, least)
        .isLessThan(6 * Collections.min(least));
  }

  /** What a program and its children compute, in ms, the kernel's work for them included. */
  private static int cpuMillis(String... command) {
    List<String> timed =
        new ArrayList<>(
            List.of("bash", "-c", "TIMEFORMAT='%3U %3S'; time \"$@\" >/dev/null 2>&1", "bash"));
    timed.addAll(List.of(command));
    String said = launch(Map.of("LC_ALL", "C"), timed.toArray(String[]::new)).orFail().err();
    String[] seconds = said.strip().split(" ");
    return (int)
        Math.round((Double.parseDouble(seconds[0]) + Double.parseDouble(seconds[1])) * 1e3);
  }

  @Test
  @Order(3)
  void rebuildsWhenSourceIsNewer() throws IOException {
    Path before = builds().get(0);
    Path source = checkout.resolve("cli/src/main/java/org/qcowfs/cli/program/Version.java");
    String text = Files.readString(source);
    Files.writeString(source, text.replaceAll("\"[0-9.]+\"", "\"9.8.7\""));
    Run.Result run = launch(Map.of(), checkout.resolve("qcowfs").toString(), "--version");
    assertThat(run.orFail().out()).isEqualTo("qcowfs 9.8.7\n");
    assertThat(run.err()).contains("building the program");
    assertThat(builds()).hasSize(1).doesNotContain(before);
    Run.Result again = launch(Map.of(), checkout.resolve("qcowfs").toString(), "--version");
    assertThat(again.err()).isEmpty();
  }

  @Test
  @Order(4)
  void failedBuildIsShownAndNothingIsRun() throws IOException {
    Path source = checkout.resolve("cli/src/main/java/org/qcowfs/cli/program/Version.java");
    String text = Files.readString(source);
    Files.writeString(source, text + "this is no Java");
    Run.Result run = launch(Map.of(), checkout.resolve("qcowfs").toString(), "--version");
    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.out()).isEmpty();
    assertThat(run.err())
        .contains("COMPILATION ERROR")
        .contains("Version.java")
        .contains("the build failed; its output is in " + checkout.resolve(".build/build.log"));
    Files.writeString(source, text);
    assertThat(launch(Map.of(), checkout.resolve("qcowfs").toString(), "--version").orFail().out())
        .isEqualTo("qcowfs 9.8.7\n");
  }

  @Test
  @Order(5)
  void installNeverSaysWhatToType() throws IOException {
    Path fresh = copy("fresh");
    Path tools = Files.createDirectory(scratch.resolve("tools"));
    for (String tool :
        List.of("sh", "readlink", "find", "grep", "sed", "id", "mkdir", "flock", "apt-get")) {
      Files.createSymbolicLink(tools.resolve(tool), Path.of("/usr/bin", tool));
    }
    Run.Result run =
        launch(
            Map.of("PATH", tools.toString(), "QCOWFS_INSTALL", "never"),
            fresh.resolve("qcowfs").toString(),
            "info",
            image.toString());
    assertThat(run.exitCode()).isEqualTo(1);
    assertThat(run.err())
        .contains("maven: builds the program")
        .containsPattern("QCOWFS_INSTALL=never is set; type: apt-get install .* maven");
  }
}
