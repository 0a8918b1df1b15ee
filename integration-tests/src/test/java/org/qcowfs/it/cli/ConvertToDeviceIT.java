package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.LoopDevice;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.TempImages;

/** A block device has bytes before an image is put on it: none of them may show through. */
class ConvertToDeviceIT {
  private static final int MIB = 1 << 20;

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-O raw DEVICE",
        "-C -O raw DEVICE",
        "-n -O raw DEVICE",
        "-O qcow2 DEVICE",
        "-c -O qcow2 DEVICE",
        "-O qcow2 -o preallocation=metadata DEVICE",
        "-O qcow2 -o data_file=DEVICE out.qcow2",
        "-O qcow2 -o data_file=DEVICE,data_file_raw=on out.qcow2",
        "-O qcow2 -o data_file=DEVICE,preallocation=metadata out.qcow2"
      })
  void whatTheDeviceHadIsGone(String words) throws Exception {
    try (TempImages scratch = TempImages.create("device");
        LoopDevice device = LoopDevice.attach(full(scratch, 6))) {
      Path source = scratch.path("source.qcow2");
      QemuImg.create(source, 4 * MIB + 512);
      QemuIo.on(source).write(7, MIB, 70_000).write(8, 4 * MIB, 512).run();
      String format = words.contains("-O raw") ? "raw" : "qcow2";
      List<String> line = new ArrayList<>(List.of("convert", "-f", "qcow2", "source.qcow2"));
      line.addAll(Arrays.asList(words.replace("DEVICE", "" + device.device()).split(" ")));

      assertThat(Cli.asQemuImg(scratch.folder(), line.toArray(String[]::new)).err()).isEmpty();

      Path target = words.endsWith("out.qcow2") ? scratch.path("out.qcow2") : device.device();
      Path copy = scratch.path("copy.raw");
      QemuImg.toRaw(target, format, copy);
      QemuImg.toRaw(source, "qcow2", scratch.path("source.raw"));
      byte[] expected = Files.readAllBytes(scratch.path("source.raw"));
      byte[] found = Files.readAllBytes(copy);
      assertThat(Arrays.copyOf(found, expected.length)).isEqualTo(expected);
      // As with qemu-img, what the device has behind the copy stays.
      byte[] behind = new byte[found.length - expected.length];
      Arrays.fill(behind, (byte) 'x');
      assertThat(Arrays.copyOfRange(found, expected.length, found.length)).isEqualTo(behind);
    }
  }

  @Test
  void aDeviceThatIsTooSmallForAllClustersIsRefused() throws Exception {
    try (TempImages scratch = TempImages.create("device");
        LoopDevice device = LoopDevice.attach(full(scratch, 4))) {
      String name = device.device().toString();
      var result =
          Cli.asQemuImg(
              scratch.folder(),
              "create",
              "-f",
              "qcow2",
              "-o",
              "preallocation=metadata",
              name,
              "4M");
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.err()).contains(name + ": Cannot grow device files");
    }
  }

  @Test
  void clustersAreAllocatedWhenAnImageOnADeviceGrows() throws Exception {
    try (TempImages scratch = TempImages.create("device");
        LoopDevice device = LoopDevice.attach(full(scratch, 6))) {
      String name = device.device().toString();
      String[] grow = {"resize", "-q", "-f", "qcow2", "--preallocation=metadata", name, "4M"};
      QemuImg.run("create", "-f", "qcow2", name, "1M");
      assertThat(Cli.asQemuImg(scratch.folder(), grow).err()).isEmpty();
      QemuImg.run("check", "-f", "qcow2", name);
      Path raw = scratch.path("raw");
      QemuImg.toRaw(device.device(), "qcow2", raw);
      assertThat(Files.readAllBytes(raw)).isEqualTo(new byte[4 * MIB]);
    }
  }

  @Test
  void aDiskIsNoLargerThanTheDeviceItsDataIsOn() throws Exception {
    try (TempImages scratch = TempImages.create("device");
        LoopDevice device = LoopDevice.attach(full(scratch, 6))) {
      String data = "data_file=" + device.device();
      String[] large = {"create", "-q", "-f", "qcow2", "-o", data, "disk.qcow2", "7M"};
      String[] fitting = {"create", "-q", "-f", "qcow2", "-o", data, "disk.qcow2", "6M"};
      assertThat(Cli.asQemuImg(scratch.folder(), large).err()).contains("Cannot grow device files");
      assertThat(scratch.path("disk.qcow2")).doesNotExist();
      assertThat(Cli.asQemuImg(scratch.folder(), fitting).err()).isEmpty();
      assertThat(Cli.asQemuImg(scratch.folder(), "resize", "disk.qcow2", "7M").err())
          .contains("Cannot grow device files");
      assertThat(Cli.asQemuImg(scratch.folder(), "info", "disk.qcow2").out()).contains("6 MiB");
    }
  }

  /** Locks are on the file and on the device, which know nothing of each other. */
  @Test
  void theDeviceIsNotTheSourceInDisguise() throws Exception {
    try (TempImages scratch = TempImages.create("device")) {
      Path source = scratch.path("source.qcow2");
      QemuImg.create(source, 2 * MIB, "preallocation=full");
      byte[] before = Files.readAllBytes(source);
      try (LoopDevice device = LoopDevice.attach(source)) {
        String name = device.device().toString();
        String[] out = {"convert", "-O", "raw", "source.qcow2", name};
        String[] in = {"convert", "-n", "-O", "raw", "-f", "qcow2", name, "source.qcow2"};
        assertThat(Cli.asQemuImg(scratch.folder(), out).exitCode()).isEqualTo(1);
        assertThat(Cli.asQemuImg(scratch.folder(), in).exitCode()).isEqualTo(1);
      }
      assertThat(source).hasBinaryContent(before);
    }
  }

  private static Path full(TempImages scratch, int mib) throws Exception {
    byte[] bytes = new byte[mib * MIB];
    Arrays.fill(bytes, (byte) 'x');
    return Files.write(scratch.path("device.raw"), bytes);
  }
}
