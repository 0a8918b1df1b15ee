package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.ProgramName;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.system.MountRecords;

/**
 * Where the lines of a mount go: to the terminal until it is left, then to the file the user named,
 * else to the system log, else to a file beside the mount's record, which is made by its first line
 * and removed, by a later mount, a week after the last.
 *
 * <p><b>Thread safety:</b> any thread.
 */
final class MountLog implements Consumer<String> {
  private static final Path SYSLOG_SOCKET = Path.of("/dev/log");
  private static final String SUFFIX = ".log";
  private static final int KEPT_DAYS = 7;

  private final @Nullable Path file;
  private final boolean isSystemLog;
  private volatile boolean hasTerminal = true;

  private MountLog(@Nullable Path file, boolean isSystemLog) {
    this.file = file;
    this.isSystemLog = isSystemLog;
  }

  /** A log for {@code chosen}, or the default place if it is null. */
  static MountLog to(@Nullable Path chosen) throws IOException {
    if (chosen != null) {
      // Now, while an error can still be shown.
      Files.write(chosen, new byte[0], StandardOpenOption.CREATE, StandardOpenOption.APPEND);
      return new MountLog(chosen.toAbsolutePath(), false);
    }
    if (Files.exists(SYSLOG_SOCKET)) {
      return new MountLog(null, true);
    }
    Path folder = MountRecords.makeFolder();
    removeOld(folder);
    return new MountLog(folder.resolve(ProcessHandle.current().pid() + SUFFIX), false);
  }

  /** A log outlives its mount, so that it can be read; but not for ever. */
  private static void removeOld(Path folder) {
    Instant oldest = Instant.now().minus(KEPT_DAYS, ChronoUnit.DAYS);
    try (DirectoryStream<Path> logs = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
      for (Path log : logs) {
        String pid = log.getFileName().toString().replace(SUFFIX, "");
        if (Files.getLastModifiedTime(log).toInstant().isBefore(oldest)
            && pid.matches("[0-9]{1,18}")
            && ProcessHandle.of(Long.parseLong(pid)).isEmpty()) {
          Files.deleteIfExists(log);
        }
      }
    } catch (IOException | DirectoryIteratorException e) {
      // They take little room.
    }
  }

  /** Where lines go once the terminal is left, in words. */
  String place() {
    return isSystemLog || file == null ? "syslog" : file.toString();
  }

  /** From now on the terminal belongs to somebody else. */
  void leaveTerminal() {
    if (isSystemLog) {
      PosixCalls.openlog("qcowfs");
    }
    hasTerminal = false;
  }

  @Override
  public synchronized void accept(String text) {
    String line = Escape.text(text); // it should be already
    if (hasTerminal) {
      System.err.println(ProgramName.VALUE + ": " + line);
      return;
    }
    if (file == null) {
      PosixCalls.syslog(line);
      return;
    }
    String stamped = Instant.now().truncatedTo(ChronoUnit.SECONDS) + " " + line + "\n";
    try {
      Files.writeString(file, stamped, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException e) {
      // There is nobody left to tell.
    }
  }
}
