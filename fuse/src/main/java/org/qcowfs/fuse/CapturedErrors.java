package org.qcowfs.fuse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * Collects what native code writes to the standard error, so that libfuse's reason for a failed
 * mount becomes part of one message.
 *
 * <p><b>Thread safety:</b> one at a time in a process: descriptor 2 is everybody's.
 */
final class CapturedErrors {
  private final Path file;
  private final int saved;

  private CapturedErrors(Path file, int saved) {
    this.file = file;
    this.saved = saved;
  }

  static CapturedErrors begin() throws IOException {
    Path file = Files.createTempFile("qcowfs", ".err");
    int target = PosixCalls.open(file.toString(), PosixCalls.O_RDWR | PosixCalls.O_CLOEXEC);
    int saved = PosixCalls.dup(2);
    PosixCalls.dup2(target, 2);
    PosixCalls.close(target);
    return new CapturedErrors(file, saved);
  }

  /** Gives the descriptor back and returns what was written. */
  String end() throws IOException {
    PosixCalls.dup2(saved, 2);
    PosixCalls.close(saved);
    String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
    Files.delete(file);
    return text.strip();
  }
}
