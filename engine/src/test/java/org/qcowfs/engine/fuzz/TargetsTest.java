package org.qcowfs.engine.fuzz;

import static org.assertj.core.api.Assertions.assertThatCode;

import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.qcowfs.engine.testing.ImageBuilder;

/** Each target takes what it begins from, and everything that was once a finding. */
class TargetsTest {
  private static final List<String> GOLDEN =
      List.of("backed", "bitmaps", "datafile", "extl2", "snapshots", "v2", "v3", "zlib", "zstd");

  /** Jazzer's side of a target. */
  private interface Target {
    void run(byte[] input);
  }

  @Test
  void healthyImages() {
    for (String name : GOLDEN) {
      byte[] image = ImageBuilder.golden(name);
      HeaderTarget.fuzzerTestOneInput(image);
      ImageTarget.fuzzerTestOneInput(image);
      for (int length = 1; length < image.length; length = length * 3 / 2 + 1) {
        HeaderTarget.fuzzerTestOneInput(Arrays.copyOf(image, length));
        ImageTarget.fuzzerTestOneInput(Arrays.copyOf(image, length));
        CompressedTarget.fuzzerTestOneInput(Arrays.copyOf(image, length));
      }
    }
  }

  @TestFactory
  Stream<DynamicTest> findings() throws Exception {
    return Stream.of(
            findings("header", HeaderTarget::fuzzerTestOneInput),
            findings("image", ImageTarget::fuzzerTestOneInput),
            findings("compressed", CompressedTarget::fuzzerTestOneInput))
        .flatMap(List::stream);
  }

  private static List<DynamicTest> findings(String name, Target target) throws Exception {
    URL folder = TargetsTest.class.getResource("/org/qcowfs/engine/fuzz/" + name);
    if (folder == null) {
      throw new AssertionError("no folder of inputs for " + name);
    }
    try (Stream<Path> inputs = Files.list(Path.of(folder.toURI()))) {
      return inputs
          .map(
              input ->
                  DynamicTest.dynamicTest(
                      name + " " + input.getFileName(),
                      () ->
                          assertThatCode(() -> target.run(read(input))).doesNotThrowAnyException()))
          .toList();
    }
  }

  private static byte[] read(Path input) throws IOException {
    return Files.readAllBytes(input);
  }

  /** Writes the healthy images into a folder, for Jazzer to begin from. */
  public static void main(String[] folder) throws IOException {
    for (String name : GOLDEN) {
      Files.write(Path.of(folder[0], name), ImageBuilder.golden(name));
    }
    Files.write(Path.of(folder[0], "deflate"), stream("zlib", 0));
    Files.write(Path.of(folder[0], "zstandard"), stream("zstd", 1));
  }

  /** The end of an image, where its compressed clusters are, behind a method's number. */
  private static byte[] stream(String name, int method) {
    byte[] image = ImageBuilder.golden(name);
    byte[] stream = Arrays.copyOfRange(image, 0x5000 - 1, image.length);
    stream[0] = (byte) method;
    return stream;
  }
}
