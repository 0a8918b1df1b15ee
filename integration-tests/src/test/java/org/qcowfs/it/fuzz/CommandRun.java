package org.qcowfs.it.fuzz;

import java.io.OutputStream;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import org.qcowfs.cli.Commands;
import org.qcowfs.cli.command.Command;
import org.qcowfs.cli.option.Parser;
import org.qcowfs.cli.program.Console;

/** Runs commands of the program in this process and looks at every character they print. */
final class CommandRun {
  private static final int MOST_OUTPUT = 16 << 20;

  private final Disks disks;
  private final Verdict verdict;
  private final Random random;

  CommandRun(Disks disks, Verdict verdict, Random random) {
    this.disks = disks;
    this.verdict = verdict;
    this.random = random;
  }

  /** A command that only looks. */
  void reading(String image) {
    String output = random.nextBoolean() ? "--output=json" : "--output=human";
    switch (random.nextInt(9)) {
      case 0 -> run("info", output, "-f", "qcow2", image);
      case 1 -> run("info", output, "--backing-chain", "-f", "qcow2", image);
      case 2, 3 -> run("map", output, "-f", "qcow2", image);
      case 4 -> run("check", output, "-f", "qcow2", image);
      case 5 -> run("check", "--explain", "--data", "-f", "qcow2", image);
      case 6 -> run("snapshot", "-l", "-f", "qcow2", image);
      case 7 -> run("measure", output, "-O", "qcow2", "-f", "qcow2", image);
      default -> run("check", "--chain", image);
    }
  }

  /** A command that changes the image. */
  void changing(String image) {
    switch (random.nextInt(11)) {
      case 0, 1 -> run("check", "-r", "all", "-f", "qcow2", image);
      case 2 -> run("check", "-r", "leaks", "-f", "qcow2", image);
      case 3 -> run("resize", "-f", "qcow2", image, "+1M");
      case 4 -> run("resize", "--shrink", "-f", "qcow2", image, "512K");
      case 5 -> run("amend", "-f", "qcow2", "-o", "compat=0.10", image);
      case 6 -> run("amend", "-f", "qcow2", "-o", "refcount_bits=32", image);
      case 7 -> run("snapshot", "-c", "new", image);
      case 8 -> run("snapshot", "-d", "snapshot 0", image);
      case 9 -> run("snapshot", "-a", "snapshot 1", image);
      default -> run("rebase", "-u", "-b", "", "-f", "qcow2", image);
    }
  }

  private void run(String name, String... words) {
    Watched out = new Watched();
    PrintStream err = new PrintStream(new Lines(), false, StandardCharsets.UTF_8);
    Console console = new Console(out, err);
    verdict.attempt(
        name + " " + String.join(" ", words),
        () -> {
          Command command = Commands.create(name);
          if (command == null) {
            throw new IllegalStateException(name);
          }
          command.run(Parser.parse(command.spec(), command.words(List.of(words))), console);
        });
    err.flush();
    if (disks.scratch().toFile().exists()) {
      verdict.fault("a file was made");
    }
  }

  /** As {@link Watched}, for bytes. */
  private final class Lines extends OutputStream {
    @Override
    public void write(int b) {
      write(new byte[] {(byte) b}, 0, 1);
    }

    @Override
    public void write(byte[] bytes, int offset, int length) {
      for (int i = offset; i < offset + length; i++) {
        // Beyond ASCII it is judged as the message of an exception.
        if (bytes[i] >= 0 && bytes[i] < 0x20 && bytes[i] != '\n' || bytes[i] == 0x7f) {
          verdict.fault("unescaped character " + bytes[i] + " on standard error");
        }
      }
    }
  }

  /** Keeps nothing: a damaged image may have much to print. */
  private final class Watched extends Writer {
    private long written;

    @Override
    public void write(char[] text, int offset, int length) {
      written += length;
      if (written > MOST_OUTPUT) {
        throw new IllegalStateException("more than " + MOST_OUTPUT + " characters of output");
      }
      verdict.harmless(new String(text, offset, length), true);
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }
}
