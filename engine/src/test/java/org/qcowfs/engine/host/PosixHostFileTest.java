package org.qcowfs.engine.host;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;

final class PosixHostFileTest {
  @TempDir Path folder;

  private static PosixHostFile open(Path path) throws ImageException {
    return PosixHostFile.open(path.toString(), false);
  }

  @Test
  void readsUpToTheEndOfTheFile() throws Exception {
    Path path = Files.write(folder.resolve("file"), new byte[] {1, 2, 3, 4, 5});
    try (PosixHostFile file = open(path)) {
      DataBuffer buffer = DataBuffer.allocate(16, 8);
      assertThat(file.length()).isEqualTo(5);
      assertThat(file.read(0, buffer, 0, 16)).isEqualTo(5);
      assertThat(buffer.bytes().get(4)).isEqualTo((byte) 5);
      assertThat(file.read(3, buffer, 7, 9)).isEqualTo(2);
      assertThat(buffer.bytes().get(7)).isEqualTo((byte) 4);
      assertThat(file.read(5, buffer, 0, 16)).isZero();
      assertThat(file.read(1L << 55, buffer, 0, 16)).isZero();
      assertThat(file.read(0, buffer, 16, 0)).isZero();
    }
  }

  @Test
  void aClosedFileIsNotTheOneThatIsOpenedNext() throws Exception {
    Path first = Files.write(folder.resolve("first"), new byte[] {1});
    Path next = Files.write(folder.resolve("next"), new byte[] {2});
    PosixHostFile closed = open(first);
    int number = closed.fd();
    closed.close();
    try (PosixHostFile file = open(next)) {
      assertThat(file.fd()).as("the kernel gives the lowest free number").isEqualTo(number);
      DataBuffer buffer = DataBuffer.allocate(16, 8);
      assertThatThrownBy(() -> closed.read(0, buffer, 0, 1))
          .isInstanceOfSatisfying(
              ImageException.class, e -> assertThat(e.errno()).isEqualTo(Errno.EBADF));
    }
  }

  @Test
  void refusesRangesOutsideTheBuffer() throws Exception {
    Path path = Files.write(folder.resolve("file"), new byte[100]);
    try (PosixHostFile file = open(path)) {
      DataBuffer buffer = DataBuffer.allocate(16, 8);
      for (int[] range : new int[][] {{0, 17}, {10, 7}, {-1, 2}, {0, -1}, {17, 0}}) {
        assertThatThrownBy(() -> file.read(0, buffer, range[0], range[1]))
            .isInstanceOf(IndexOutOfBoundsException.class);
      }
    }
  }

  @Test
  void refusesWhatIsNeitherFileNorBlockDeviceAtOnce() throws Exception {
    Path fifo = folder.resolve("fifo");
    Process made = new ProcessBuilder("mkfifo", fifo.toString()).start();
    assertThat(made.waitFor(60, TimeUnit.SECONDS)).isTrue();
    assertThat(made.exitValue()).isZero();
    String[][] cases = {
      {fifo.toString(), "a FIFO"},
      {folder.toString(), "a directory"},
      {"/dev/zero", "a character device"},
      {"/dev/null", "a character device"},
    };
    for (String[] each : cases) {
      Assertions.assertTimeoutPreemptively(
          Duration.ofSeconds(60),
          () ->
              assertThatThrownBy(() -> PosixHostFile.open(each[0], false))
                  .isInstanceOfSatisfying(
                      ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.REFUSED))
                  .hasMessage(
                      each[0]
                          + ": '"
                          + each[0]
                          + "' is "
                          + each[1]
                          + "; expected a regular file or a block device"));
    }
  }

  @Test
  void saysWhyAFileCannotBeOpened() throws Exception {
    Path missing = folder.resolve("missing");
    assertThatThrownBy(() -> open(missing))
        .isInstanceOfSatisfying(
            ImageException.class,
            e -> {
              assertThat(e.kind()).isEqualTo(ErrorKind.IO);
              assertThat(e.errno()).isEqualTo(Errno.ENOENT);
            })
        .hasMessage(missing + ": Could not open '" + missing + "': No such file or directory");
    assertThatThrownBy(() -> open(folder.resolve("missing/below")))
        .hasMessageEndingWith("No such file or directory");
    Path loop = folder.resolve("loop");
    Files.createSymbolicLink(loop, loop);
    assertThatThrownBy(() -> open(loop)).hasMessageEndingWith("Too many levels of symbolic links");
    Path file = Files.write(folder.resolve("file"), new byte[1]);
    assertThatThrownBy(() -> PosixHostFile.createNew(file.toString()))
        .hasMessageEndingWith("File exists");
    assertThatThrownBy(() -> PosixHostFile.open(folder.toString(), true))
        .hasMessageEndingWith("Is a directory");
  }

  @Test
  void writesSyncsAndGrows() throws Exception {
    Path path = folder.resolve("new");
    DataBuffer buffer = DataBuffer.allocate(8192);
    buffer.bytes().put(0, new byte[] {9, 8, 7});
    try (PosixHostFile file = PosixHostFile.createNew(path.toString())) {
      assertThat(file.writable()).isTrue();
      file.write(100, buffer, 1, 2);
      assertThat(file.length()).isEqualTo(102);
      file.sync();
      file.truncate(1 << 20);
      file.allocate(1 << 20, 4096);
      assertThat(file.length()).isEqualTo((1 << 20) + 4096);
      file.zeroRange(101, 1);
      buffer.zero(0, 8192);
      assertThat(file.read(99, buffer, 0, 4)).isEqualTo(4);
      assertThat(buffer.bytes().getInt(0)).isEqualTo(0x00080000);
    }
    assertThat(Files.size(path)).isEqualTo((1 << 20) + 4096);
  }

  @Test
  void findsHolesAndData() throws Exception {
    Path path = folder.resolve("sparse");
    DataBuffer buffer = DataBuffer.allocate(65536);
    buffer.bytes().put(0, (byte) 1);
    try (PosixHostFile file = PosixHostFile.createNew(path.toString())) {
      file.truncate(1 << 20);
      file.write(524288, buffer, 0, 65536);
      assertThat(file.nextData(0)).isEqualTo(524288);
      assertThat(file.nextHole(0)).isZero();
      assertThat(file.nextHole(524288)).isEqualTo(524288 + 65536);
      assertThat(file.nextData(524288 + 65536)).isEqualTo(Long.MAX_VALUE);
      assertThat(file.nextData(1 << 20)).as("at the end").isEqualTo(Long.MAX_VALUE);
      assertThat(file.nextHole(2 << 20)).as("past the end").isEqualTo(2 << 20);
      assertThat(file.allocatedBytes()).isBetween(65536L, 200_000L);
      assertThat(file.punchHole(524288, 65536)).isTrue();
      assertThat(file.nextData(0)).isEqualTo(Long.MAX_VALUE);
    }
  }

  @Test
  void aReadOnlyFileTakesNoWrites() throws Exception {
    Path path = Files.write(folder.resolve("file"), new byte[10]);
    try (PosixHostFile file = open(path)) {
      assertThatThrownBy(() -> file.write(0, DataBuffer.allocate(1, 8), 0, 1))
          .hasMessage(path + ": Could not write 1 bytes at host offset 0x0: Bad file descriptor");
    }
    assertThat(Files.readAllBytes(path)).containsOnly(0);
  }

  @Test
  void closingTwiceClosesOnce() throws Exception {
    Path path = Files.write(folder.resolve("file"), new byte[10]);
    PosixHostFile first = open(path);
    int descriptor = first.fd();
    first.close();
    try (PosixHostFile second = open(path)) {
      assertThat(second.fd()).as("the number is used again").isEqualTo(descriptor);
      first.close();
      assertThat(second.read(0, DataBuffer.allocate(8, 8), 0, 8)).isEqualTo(8);
    }
  }

  @Test
  void identityFollowsLinksAndTellsFilesApart() throws Exception {
    Path path = Files.write(folder.resolve("a"), new byte[10]);
    Path hard = Files.createLink(folder.resolve("b"), path);
    Path soft = Files.createSymbolicLink(folder.resolve("c"), path);
    Path other = Files.write(folder.resolve("d"), new byte[10]);
    try (PosixHostFile a = open(path);
        PosixHostFile b = open(hard);
        PosixHostFile c = open(soft);
        PosixHostFile d = open(other)) {
      Object identity = HostFiles.POSIX.identity(a);
      assertThat(HostFiles.POSIX.identity(b)).isEqualTo(identity);
      assertThat(HostFiles.POSIX.identity(c)).isEqualTo(identity);
      assertThat(HostFiles.POSIX.identity(d)).isNotEqualTo(identity);
    }
  }

  @Test
  void buffersAreAlignedZeroedAndBounded() {
    DataBuffer buffer = DataBuffer.allocate(10_000);
    assertThat(buffer.address() % 4096).isZero();
    assertThat(buffer.capacity()).isEqualTo(10_000);
    buffer.bytes().put(5, (byte) 1).put(6, (byte) 2).put(7, (byte) 3);
    buffer.zero(6, 1);
    assertThat(buffer.bytes().get(5)).isEqualTo((byte) 1);
    assertThat(buffer.bytes().get(6)).isZero();
    assertThat(buffer.bytes().get(7)).isEqualTo((byte) 3);
    assertThatThrownBy(() -> buffer.zero(9_999, 2)).isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> DataBuffer.wrap(java.nio.ByteBuffer.allocate(1)))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
