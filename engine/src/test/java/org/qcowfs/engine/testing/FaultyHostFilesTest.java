package org.qcowfs.engine.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.Set;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.testing.FaultyHostFiles.Call;
import org.qcowfs.engine.testing.FaultyHostFiles.Fault;

class FaultyHostFilesTest {
  private final MemoryHostFiles files = new MemoryHostFiles();
  private final FaultyHostFiles faulty = new FaultyHostFiles(files);
  private final DataBuffer ones = DataBuffer.allocate(2048);

  @Test
  void theChosenCallFailsAndTheOthersDoNot() throws ImageException {
    files.put("f", new MemoryContent());
    try (HostFile file = faulty.open("f", true)) {
      faulty.arm(new Fault(Set.of(Call.SYNC, Call.WRITE), 3, 1, Errno.EIO, false));
      file.write(0, ones, 0, 512);
      file.truncate(100);
      file.sync();
      assertThatExceptionOfType(ImageException.class)
          .isThrownBy(() -> file.write(0, ones, 0, 512))
          .satisfies(e -> assertThat(e.errno()).isEqualTo(Errno.EIO));
      assertThat(file.length()).isEqualTo(100);
      file.write(0, ones, 0, 512);
      assertThat(faulty.counted()).isEqualTo(4);
      assertThat(faulty.hit()).isEqualTo("WRITE f 0x0+0x200");
    }
  }

  @Test
  void aShortWriteLeavesItsFirstHalf() throws ImageException {
    files.put("f", new MemoryContent());
    for (int i = 0; i < 2048; i++) {
      ones.bytes().put(i, (byte) 1);
    }
    try (HostFile file = faulty.open("f", true)) {
      faulty.arm(new Fault(FaultyHostFiles.GROWING, 1, 1, Errno.ENOSPC, true));
      assertThatExceptionOfType(ImageException.class)
          .isThrownBy(() -> file.write(0, ones, 0, 2048))
          .satisfies(e -> assertThat(e.kind()).isEqualTo(ErrorKind.NO_SPACE));
      assertThat(files.content("f").bytes()).hasSize(1024).containsOnly(1);
    }
  }
}
