package org.qcowfs.it.damaged;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.qcowfs.it.corpus.Patcher;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** What a user meets who mounts a damaged image, or whose image is damaged while it is mounted. */
@Timeout(300)
class MountedDamageIT {
  @Test
  void aRefusedImageIsOneLineAndExitCode1() {
    try (TempImages scratch = TempImages.create("mounted")) {
      Path image = Seed.PLAIN.copyTo(scratch.folder());
      try (Patcher patcher = Patcher.open(image)) {
        patcher.header("version", 4);
      }
      for (String command : new String[] {"mount", "info", "map"}) {
        String[] arguments =
            command.equals("mount")
                ? new String[] {command, image.toString(), scratch.makeFolder("mnt").toString()}
                : new String[] {command, image.toString()};
        Run.Result result =
            CliRun.run(Run.PATIENCE, scratch.folder(), Map.of(), "-Xmx64m", arguments);
        assertThat(result.exitCode()).as(command).isEqualTo(1);
        assertThat(result.out()).as(command).isEmpty();
        assertThat(result.err().lines())
            .as(command)
            .singleElement()
            .asString()
            .startsWith("qcowfs: ")
            .contains("Unsupported qcow2 version 4");
      }
      assertThat(Mounted.isMountPoint(scratch.path("mnt"))).isFalse();
    }
  }

  @Test
  void r35AFileThatIsCutWhileMountedFailsWhereItWasCut() throws Exception {
    try (TempImages scratch = TempImages.create("mounted")) {
      Path image = Seed.VERSION_2.copyTo(scratch.folder());
      Path log = scratch.path("log");
      try (Mounted mounted =
              Mounted.mount(image, scratch.makeFolder("mnt"), "--log-file", log.toString());
          RandomAccessFile disk = new RandomAccessFile(mounted.disk().toFile(), "r")) {
        byte[] sector = new byte[512];
        disk.readFully(sector);
        int last = (int) Seed.DATA - 4096;
        try (Patcher patcher = Patcher.open(image)) {
          patcher.truncate(patcher.dataCluster(last / 4096));
        }
        disk.seek(last);
        assertThatThrownBy(() -> disk.readFully(sector)).hasMessageContaining("Input/output error");
        // One line with file, structure, offset and reason.
        assertThat(Files.readString(log))
            .contains(image.toString())
            .contains(String.format("guest offset 0x%x", last))
            .contains("past the end of the file");
        disk.seek(1 << 20);
        disk.readFully(sector);
        assertThat(sector).startsWith("sector 00002048".getBytes("US-ASCII"));
      }
    }
  }
}
