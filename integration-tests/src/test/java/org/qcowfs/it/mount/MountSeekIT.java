package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_DATA;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_END;
import static org.qcowfs.engine.host.posix.PosixCalls.SEEK_HOLE;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.posix.PosixCalls;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.TempImages;

/** Every answer of the mounted raw file is that of the file itself. */
class MountSeekIT {
  private static final int SIZE = (16 << 20) + 512;

  @Test
  void seeksAndEdgeReadsAnswerAsTheFileItselfDoes() throws IOException {
    try (TempImages temp = TempImages.create("seek")) {
      Path image = temp.path("disk.raw");
      try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
        file.setLength(SIZE);
        file.seek(4 << 20);
        file.write(new byte[1 << 20]);
        file.seek(9 << 20);
        file.write(new byte[4096]);
      }
      try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"), "--format", "raw")) {
        assertThat(answers(mount.disk())).isEqualTo(answers(image));
      }
    }
  }

  private static List<String> answers(Path file) {
    int fd = PosixCalls.open(file.toString(), PosixCalls.O_RDONLY | PosixCalls.O_CLOEXEC);
    assertThat(fd).isNotNegative();
    List<String> answers = new ArrayList<>();
    try {
      long[] offsets = {
        0,
        1,
        4 << 20,
        (4 << 20) - 1,
        (5 << 20) - 1,
        5 << 20,
        9 << 20,
        (9 << 20) + 4096,
        SIZE - 1,
        SIZE,
        SIZE + 1,
        -1,
        Long.MIN_VALUE,
        Long.MAX_VALUE
      };
      for (long offset : offsets) {
        for (int whence : new int[] {SEEK_DATA, SEEK_HOLE, SEEK_END, 0, 1, 7}) {
          boolean isHoleOrData = whence == SEEK_DATA || whence == SEEK_HOLE;
          if (!isHoleOrData && (offset < 0 || offset > SIZE || whence == SEEK_END)) {
            // The kernel's own business: how far a file of that file system could reach.
            continue;
          }
          long found = PosixCalls.lseek(fd, offset, whence);
          answers.add(
              whence
                  + " from "
                  + offset
                  + ": "
                  + (found < 0 ? Errno.text(PosixCalls.errno()) : found));
          PosixCalls.lseek(fd, 0, 0);
        }
      }
      DataBuffer buffer = DataBuffer.allocate(8192);
      for (long offset : new long[] {SIZE - 512, SIZE - 1, SIZE, SIZE + 4096L}) {
        answers.add(
            "read at " + offset + ": " + PosixCalls.pread(fd, buffer.address(), 8192, offset));
      }
    } finally {
      PosixCalls.close(fd);
    }
    return answers;
  }
}
