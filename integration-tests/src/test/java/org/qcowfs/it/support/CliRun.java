package org.qcowfs.it.support;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Runs the program under test in a process of its own.
 *
 * <p>{@link #run} starts the command line's main class on this test's own class path, so that what
 * was just compiled is tested and no launcher has to build anything; {@link #launcher} is the
 * command a user types.
 */
public final class CliRun {
  /** The heap an ordinary run gets: small on purpose. */
  private static final String HEAP = "-Xmx128m";

  private CliRun() {}

  /** Runs {@code qcowfs} with {@code arguments}; the caller judges the result. */
  public static Run.Result run(String... arguments) {
    return run(Run.PATIENCE, Path.of("."), Map.of(), HEAP, arguments);
  }

  /** Runs {@code qcowfs} and fails unless it exits with 0. */
  public static Run.Result ok(String... arguments) {
    return run(arguments).orFail();
  }

  /**
   * Runs {@code qcowfs} in {@code folder} with a heap option such as {@code -Xmx64m}.
   *
   * @throws AssertionError if it takes longer than {@code limit}
   */
  public static Run.Result run(
      Duration limit,
      Path folder,
      Map<String, String> environment,
      String heap,
      String... arguments) {
    return Run.run(limit, command(heap, arguments), folder, environment, "");
  }

  /** The command line that {@link #run} starts, for callers that start it themselves. */
  public static List<String> command(String heap, String... arguments) {
    return javaCommand(
        List.of("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", heap),
        "org.qcowfs.cli.Main",
        arguments);
  }

  /** The command line that runs a main class of this test's own class path in this Java. */
  public static List<String> javaCommand(
      List<String> options, String mainClass, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(options);
    if (Runtime.version().feature() >= 24) {
      // As the launcher does: else the JVM writes warnings to standard error.
      command.add("--enable-native-access=ALL-UNNAMED");
      command.add("--sun-misc-unsafe-memory-access=allow");
    }
    command.addAll(List.of("-cp", classPath(), mainClass));
    command.addAll(Arrays.asList(arguments));
    return command;
  }

  /**
   * As {@link #command}, for {@code mount}: the process this starts ends when the mount answers,
   * with the JVM left in the background. It does what the launcher does for a user.
   */
  public static List<String> detached(String heap, String... arguments) {
    List<String> java = command(heap, arguments);
    List<String> command =
        new ArrayList<>(
            List.of(
                "sh",
                "-c",
                "exec 4>&1; s=$(exec 3>&1 1>&4 4>&-; \"$@\" &); exit ${s:-1}",
                "sh",
                java.get(0),
                "-Dqcowfs.ready-fd=3"));
    command.addAll(java.subList(1, java.size()));
    return command;
  }

  private static String classPath() {
    // Surefire and failsafe may hide the real class path behind a manifest-only jar.
    return System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"));
  }

  /** Runs the launcher at the top of the project, as the README says. */
  public static Run.Result launcher(String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(project().resolve("qcowfs").toString());
    command.addAll(Arrays.asList(arguments));
    return Run.run(Duration.ofMinutes(5), command);
  }

  /** The top folder of the project. */
  public static Path project() {
    Path project = Path.of(System.getProperty("qcowfs.project", "..")).toAbsolutePath().normalize();
    if (!Files.exists(project.resolve("integration-tests"))) {
      throw new AssertionError("not the project's top folder: " + project);
    }
    return project;
  }
}
