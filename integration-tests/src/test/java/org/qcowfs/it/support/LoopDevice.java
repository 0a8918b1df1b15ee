package org.qcowfs.it.support;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A file attached to a loop device until close. */
public final class LoopDevice implements AutoCloseable {
  private final Path device;

  private LoopDevice(Path device) {
    this.device = device;
  }

  /**
   * Attaches {@code file}.
   *
   * @param options of {@code losetup}, such as {@code -r} or {@code -P}
   */
  public static LoopDevice attach(Path file, String... options) {
    Requires.root();
    List<String> command = new ArrayList<>(List.of("losetup", "-f", "--show"));
    command.addAll(Arrays.asList(options));
    command.add(file.toString());
    Run.Result result = Run.run(Run.PATIENCE, command).orFail();
    return new LoopDevice(Path.of(result.out().strip()));
  }

  public Path device() {
    return device;
  }

  @Override
  public void close() {
    Run.ok("losetup", "-d", device.toString());
  }
}
