package org.qcowfs.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.io.StringWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.cli.program.Console;
import org.qcowfs.cli.program.Version;

class MainTest {
  @TempDir Path folder;

  private final StringWriter out = new StringWriter();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private int run(String... args) {
    return run(out, args);
  }

  private int run(Writer writer, String... args) {
    return Main.run(args, new Console(writer, new PrintStream(err, true, StandardCharsets.UTF_8)));
  }

  private String err() {
    return err.toString(StandardCharsets.UTF_8);
  }

  @Test
  void versionIsTheProjects() throws IOException {
    assertThat(run("--version")).isZero();
    assertThat(out).hasToString("qcowfs " + Version.NUMBER + "\n");
    assertThat(Files.readString(Path.of("pom.xml")))
        .contains("<version>" + Version.NUMBER + "</version>");
  }

  @Test
  void everyCommandOfTheHelpExists() {
    for (String name : Commands.names()) {
      assertThat(Commands.create(name)).as(name).isNotNull();
      assertThat(run("help", name)).isZero();
    }
    assertThat(err()).isEmpty();
  }

  @Test
  void unknownCommandPointsToTheHelp() {
    assertThat(run("\u001b[31m")).isEqualTo(1);
    assertThat(err())
        .isEqualTo(
            "qcowfs: Command not found: \\x1b[31m\nTry 'qcowfs --help' for more information\n");
  }

  @Test
  void unknownOptionPointsToTheHelp() {
    assertThat(run("mount", "--bogus", "a", "b")).isEqualTo(1);
    assertThat(err())
        .isEqualTo(
            "qcowfs: unrecognized option '--bogus'\nTry 'qcowfs --help' for more information\n");
  }

  @Test
  void nullInANameIsAMessage() {
    assertThat(run("info", "a\0b")).isEqualTo(1);
    assertThat(err()).startsWith("qcowfs: Could not open 'a\\x00b': ").hasLineCount(1);
  }

  @Test
  void outputThatCannotBeWrittenIsReported() throws IOException {
    Path image = Files.write(folder.resolve("disk.raw"), new byte[512]);
    assertThat(run(failing("No space left on device"), "info", image.toString())).isEqualTo(1);
    assertThat(err()).isEqualTo("qcowfs: Could not write the output: No space left on device\n");
  }

  @Test
  void readerThatWentAwayIsNot() throws IOException {
    Path image = Files.write(folder.resolve("disk.raw"), new byte[512]);
    assertThat(run(failing("Broken pipe"), "info", image.toString())).isEqualTo(1);
    assertThat(err()).isEmpty();
  }

  private static Writer failing(String reason) {
    return new Writer() {
      @Override
      public void write(char[] text, int offset, int length) throws IOException {
        throw new IOException(reason);
      }

      @Override
      public void flush() throws IOException {
        throw new IOException(reason);
      }

      @Override
      public void close() {}
    };
  }
}
