package org.qcowfs.engine.chain;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.testing.ImageBuilder;

final class FormatProbeTest {
  @TempDir Path folder;

  private String probe(byte[] bytes) throws IOException {
    Path path = Files.write(folder.resolve("file"), bytes);
    try (PosixHostFile file = PosixHostFile.open(path.toString(), false)) {
      return FormatProbe.probe(file);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "KDMV, vmdk", "COWD, vmdk", "'# Disk DescriptorFile', vmdk", "vhdxfile, vhdx",
    "conectix, vpc", "'QED\0', qed", "WithoutFreeSpace, parallels", "WithouFreSpacExt, parallels",
    "'LUKS\u00ba\u00be', luks", "'hello', raw", "'LUKS', raw", "'WithoutFreeSpac', raw"
  })
  void knowsFormatsByTheirFirstBytes(String magic, String format) throws IOException {
    byte[] bytes = magic.getBytes(StandardCharsets.ISO_8859_1);
    assertThat(probe(bytes)).isEqualTo(format);
    assertThat(probe(Arrays.copyOf(bytes, 1024))).isEqualTo(format);
  }

  @Test
  void knowsVdiByItsMagicBehindTheText() throws IOException {
    byte[] bytes = new byte[512];
    bytes[0x40] = 0x7f;
    bytes[0x41] = 0x10;
    bytes[0x42] = (byte) 0xda;
    bytes[0x43] = (byte) 0xbe;
    assertThat(probe(bytes)).isEqualTo("vdi");
  }

  @Test
  void knowsQcow2OfAnyVersionAndLength() throws IOException {
    assertThat(probe(ImageBuilder.golden("v2"))).isEqualTo("qcow2");
    assertThat(probe(ImageBuilder.golden("v3"))).isEqualTo("qcow2");
    assertThat(probe(new byte[] {'Q', 'F', 'I', (byte) 0xfb})).isEqualTo("qcow2");
    assertThat(probe(new byte[] {'Q', 'F', 'I'})).isEqualTo("raw");
    assertThat(probe(new byte[0])).isEqualTo("raw");
  }
}
