package org.qcowfs.cli.program;

import java.io.BufferedOutputStream;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.charset.StandardCharsets;

/**
 * Where a command writes: buffered UTF-8 to standard output, whole lines to standard error.
 *
 * <p>A {@code PrintStream} would swallow a full disk; this reports it at {@link #flush()}.
 */
public final class Console {
  private final Writer out;
  private final PrintStream err;

  public Console(Writer out, PrintStream err) {
    this.out = out;
    this.err = err;
  }

  /** The process's own streams. */
  public static Console ofProcess() {
    return new Console(
        new OutputStreamWriter(
            new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 16),
            StandardCharsets.UTF_8),
        new PrintStream(new FileOutputStream(FileDescriptor.err), true, StandardCharsets.UTF_8));
  }

  public Writer out() {
    return out;
  }

  public PrintStream err() {
    return err;
  }

  /** Prints {@code qcowfs: line}; the line must be escaped already. */
  public void error(String line) {
    err.println(ProgramName.VALUE + ": " + line);
  }

  /** Prints {@code qcowfs: warning: line}; the line must be escaped already. */
  public void warn(String line) {
    error("warning: " + line);
  }

  public void flush() throws IOException {
    out.flush();
  }
}
