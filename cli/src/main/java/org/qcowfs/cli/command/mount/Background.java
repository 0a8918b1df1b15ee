package org.qcowfs.cli.command.mount;

import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * Leaving the terminal. A JVM cannot fork, so the launcher starts it detached ({@code &}) with one
 * end of a pipe, whose number is in the system property {@code qcowfs.ready-fd}, and reads the
 * other end until it is closed. The line it finds is its own exit code: {@code 0} when the mount
 * answers; without a line the mount failed, and has said why.
 */
final class Background {
  private static final String PROPERTY = "qcowfs.ready-fd";

  private final int pipe;

  private Background(int pipe) {
    this.pipe = pipe;
  }

  /** The launcher's pipe, or null if it started us in the foreground. */
  static @Nullable Background ofLauncher() {
    Integer pipe = Integer.getInteger(PROPERTY);
    return pipe == null ? null : new Background(pipe);
  }

  /**
   * Gives up terminal, folder and session, then lets the launcher return 0.
   *
   * @return false if the launcher is gone: the user stopped it before the mount was ready
   */
  boolean enter() {
    PosixCalls.setsid();
    // A folder we stand in could not be unmounted.
    PosixCalls.chdir("/");
    int nothing = PosixCalls.open("/dev/null", PosixCalls.O_RDWR);
    for (int standard = 0; standard <= 2; standard++) {
      PosixCalls.dup2(nothing, standard);
    }
    if (nothing > 2) {
      PosixCalls.close(nothing);
    }
    return tell("0\n");
  }

  private boolean tell(String line) {
    byte[] bytes = line.getBytes(StandardCharsets.US_ASCII);
    DataBuffer buffer = DataBuffer.allocate(bytes.length, 8);
    buffer.bytes().put(0, bytes);
    boolean told = PosixCalls.write(pipe, buffer.address(), bytes.length) == bytes.length;
    PosixCalls.close(pipe);
    return told;
  }
}
