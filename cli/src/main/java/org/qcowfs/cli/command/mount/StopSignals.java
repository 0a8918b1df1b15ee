package org.qcowfs.cli.command.mount;

import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.fuse.ImageMount;
import org.qcowfs.fuse.MountException;
import sun.misc.Signal;

/** Makes SIGINT, SIGTERM and SIGHUP unmount instead of leaving a dead mount behind. */
final class StopSignals {
  private final Consumer<String> log;
  private @Nullable ImageMount mount;
  private boolean stopped;

  private StopSignals(Consumer<String> log) {
    this.log = log;
  }

  /** From now on a signal stops the mount, even one that has yet to begin. */
  static StopSignals install(Consumer<String> log) {
    StopSignals signals = new StopSignals(log);
    for (String name : List.of("INT", "TERM", "HUP")) {
      Signal signal = new Signal(name);
      // A shell's background job has SIGINT ignored, and what is ignored the JVM does not handle.
      PosixCalls.signalDefault(signal.getNumber());
      Signal.handle(signal, received -> signals.stop());
    }
    return signals;
  }

  /** Names the mount to stop. */
  synchronized void stops(ImageMount started) {
    mount = started;
    if (stopped) {
      unmount(started);
    }
  }

  private synchronized void stop() {
    stopped = true;
    if (mount != null) {
      unmount(mount);
    }
  }

  private void unmount(ImageMount started) {
    try {
      started.unmount();
    } catch (MountException e) {
      log.accept(String.valueOf(e.getMessage()));
    }
  }
}
