package org.qcowfs.it.interop;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.it.corpus.Corpus;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.TempImages;

/** The virtual-machine state kept with a snapshot reads as it was written. */
class VmStateIT {
  private final Path image = Corpus.image("snapshots-vm-state");

  private byte[] wanted() throws Exception {
    byte[] noise = Files.readAllBytes(image.resolveSibling("../sources/noise"));
    return Arrays.copyOf(noise, 300 * 1024 + 123);
  }

  @Test
  void qemuAgreesThatTheSnapshotHasState() {
    assertThat(QemuImg.info(image)).contains("\"vm-state-size\": " + (300 * 1024 + 123));
  }

  @Test
  void throughTheEngine() throws Exception {
    try (Image opened = Images.open(image.toString(), OpenOptions.readOnly())) {
      SnapshotInfo running = opened.snapshots().get(0);
      Image state = opened.vmState(running);
      DataBuffer buffer = DataBuffer.allocate((int) state.size());
      state.read(0, buffer, 0, buffer.capacity());
      byte[] got = new byte[buffer.capacity()];
      buffer.bytes().get(0, got);
      assertThat(got).isEqualTo(wanted());
    }
  }

  @Test
  void throughTheMount() throws Exception {
    try (TempImages scratch = TempImages.create("vmstate");
        Mounted mounted = Mounted.mount(image, scratch.makeFolder("mnt"))) {
      assertThat(Files.readAllBytes(mounted.snapshot("running").resolveSibling("vmstate.bin")))
          .isEqualTo(wanted());
    }
  }
}
