package org.qcowfs.engine.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.testing.ImageBuilder;

/** Locks against the real qemu-io (package qemu-utils), both ways. */
final class ImageLockTest {
  private static final OpenOptions OPTIONS = OpenOptions.readOnly();

  @TempDir Path folder;
  private Path disk = Path.of("");

  @BeforeEach
  void make() {
    disk = ImageBuilder.v3(12, 1 << 20).write(folder.resolve("disk.qcow2"));
  }

  /** A qemu-io that holds the image until it is closed. */
  private static final class Holder implements AutoCloseable {
    private final Process process;

    Holder(String... options) throws IOException {
      List<String> command = new ArrayList<>(List.of("qemu-io"));
      command.addAll(List.of(options));
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
      Writer in = process.outputWriter(StandardCharsets.UTF_8);
      in.write("length\n");
      in.flush();
      BufferedReader out =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
      String line = out.readLine(); // answers once the image is open
      assertThat(line).as("qemu-io's answer").contains("1 MiB");
    }

    @Override
    public void close() throws Exception {
      process.getOutputStream().close();
      if (!process.waitFor(10, TimeUnit.SECONDS)) {
        process.destroyForcibly().waitFor();
      }
    }
  }

  private static String qemuIo(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("qemu-io"));
    command.addAll(List.of(arguments));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor(60, TimeUnit.SECONDS)).isTrue();
    return process.exitValue() + " " + output;
  }

  private void refused(OpenOptions options, String what) {
    assertThatThrownBy(() -> Images.open(disk.toString(), options))
        .isInstanceOfSatisfying(
            ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.IN_USE))
        .hasMessageMatching(
            Pattern.quote(
                    disk + ": " + what + "; is another process using the image '" + disk + "'?")
                + " It is open in process [0-9]+ \\(qemu-io\\)");
  }

  @Test
  void whatQemuWritesIsRefusedAndCanBeForced() throws Exception {
    try (Holder holder = new Holder(disk.toString())) {
      assertThat(holder.process.isAlive()).isTrue();
      refused(OPTIONS, "Failed to get shared \"write\" lock");
      refused(OPTIONS.withWritable(true), "Failed to get \"write\" lock");
      Images.open(disk.toString(), OPTIONS.withForceShare(true)).close();
    }
    Images.open(disk.toString(), OPTIONS).close();
  }

  @Test
  void whatQemuOnlyReadsIsSharedWithReaders() throws Exception {
    try (Holder holder = new Holder("-r", disk.toString())) {
      assertThat(holder.process.isAlive()).isTrue();
      Images.open(disk.toString(), OPTIONS).close();
      refused(OPTIONS.withWritable(true), "Failed to get \"write\" lock");
    }
  }

  @Test
  void qemuRefusesToWriteWhatIsReadHere() throws Exception {
    try (Image image = Images.open(disk.toString(), OPTIONS)) {
      assertThat(image.size()).isEqualTo(1 << 20);
      assertThat(qemuIo("-c", "length", disk.toString()))
          .startsWith("1 ")
          .contains("Failed to get \"write\" lock");
      assertThat(qemuIo("-r", "-c", "length", disk.toString())).startsWith("0 ").contains("1 MiB");
    }
    assertThat(qemuIo("-c", "length", disk.toString())).startsWith("0 ");
  }

  @Test
  void qemuMayWriteWhatIsReadWithForce() throws Exception {
    try (Image image = Images.open(disk.toString(), OPTIONS.withForceShare(true))) {
      assertThat(image.size()).isEqualTo(1 << 20);
      assertThat(qemuIo("-c", "length", disk.toString())).startsWith("0 ");
    }
  }

  @Test
  void qemuRefusesWhatIsOpenForWritingHere() throws Exception {
    try (PosixHostFile file = PosixHostFile.open(disk.toString(), true)) {
      HostFiles.POSIX.lock(file, false, line -> {});
      assertThat(qemuIo("-r", "-c", "length", disk.toString()))
          .startsWith("1 ")
          .contains("Failed to get shared \"write\" lock");
      assertThat(qemuIo("-r", "-U", "-c", "length", disk.toString())).startsWith("0 ");
    }
  }

  @Test
  void twoReadersOfThisProcessShareAndTwoWritersDoNot() throws Exception {
    try (Image one = Images.open(disk.toString(), OPTIONS);
        Image two = Images.open(disk.toString(), OPTIONS)) {
      assertThat(one.size()).isEqualTo(two.size());
    }
    try (PosixHostFile one = PosixHostFile.open(disk.toString(), true);
        PosixHostFile two = PosixHostFile.open(disk.toString(), true)) {
      HostFiles.POSIX.lock(one, false, line -> {});
      assertThatThrownBy(() -> HostFiles.POSIX.lock(two, false, line -> {}))
          .isInstanceOf(ImageException.class);
    }
  }

  @Test
  void aBackingFileThatIsBeingWrittenIsRefused() throws Exception {
    Path top =
        ImageBuilder.v3(12, 1 << 20).backing("disk.qcow2", "qcow2").write(folder.resolve("top"));
    try (Holder holder = new Holder(disk.toString())) {
      assertThat(holder.process.isAlive()).isTrue();
      assertThatThrownBy(() -> Images.open(top.toString(), OPTIONS))
          .hasMessageMatching(
              Pattern.quote(
                      disk
                          + ": Could not open backing file: Failed to get shared \"write\" lock; is"
                          + " another process using the image '"
                          + disk
                          + "'?")
                  + " It is open in process [0-9]+ \\(qemu-io\\)");
    }
    assertThat(Files.size(top)).isPositive();
  }
}
