package org.qcowfs.engine.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.json.MapEntry;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.qcow2.check.Finding;

/** The examples do what they say, and are what the Javadoc and the README quote. */
final class ExamplesTest {
  private static final Pattern EXAMPLE =
      Pattern.compile("^  (static .*?\n)  \\}$", Pattern.MULTILINE | Pattern.DOTALL);
  private static final Pattern JAVADOC =
      Pattern.compile("^ \\* <pre>\\{@code\n(.*?)\\}</pre>$", Pattern.MULTILINE | Pattern.DOTALL);
  private static final Pattern README =
      Pattern.compile("^```java\n(.*?)^```$", Pattern.MULTILINE | Pattern.DOTALL);

  private static final int CLUSTER = 1 << 16;

  @TempDir Path folder;
  private String image;

  @BeforeEach
  void create() throws IOException {
    image = path("disk.qcow2");
    Images.create(image, CreateOptions.ofSize(4 * CLUSTER));
  }

  private String path(String name) {
    return folder.resolve(name).toString();
  }

  private static byte[] bytes(int length) {
    byte[] bytes = new byte[length];
    Arrays.fill(bytes, (byte) 7);
    return bytes;
  }

  @Test
  void open() throws Exception {
    assertThat(Examples.open(image)).isEqualTo("qcow2, 262144 bytes, 1 layers");
  }

  @Test
  void writeAndRead() throws Exception {
    Examples.write(image, 3000, ByteBuffer.wrap(bytes(5000)));
    byte[] expected = new byte[7000];
    Arrays.fill(expected, 1000, 6000, (byte) 7);
    assertThat(Examples.read(image, 2000, 7000)).isEqualTo(expected);
  }

  @Test
  void map() throws Exception {
    Examples.write(image, CLUSTER, ByteBuffer.wrap(bytes(2 * CLUSTER)));
    List<MapEntry> extents = new ArrayList<>();
    Examples.map(image, extents::add);
    assertThat(extents).extracting(MapEntry::length).containsExactly(65536L, 131072L, 65536L);
    assertThat(extents).extracting(MapEntry::data).containsExactly(false, true, false);
  }

  @Test
  void check() throws Exception {
    List<Finding> findings = new ArrayList<>();
    assertThat(Examples.check(image, findings::add)).isTrue();
    assertThat(findings).isEmpty();
    // The first entry of the L1 table: a reserved bit.
    byte[] damaged = Files.readAllBytes(Path.of(image));
    int table = (int) ByteBuffer.wrap(damaged).getLong(40);
    ByteBuffer.wrap(damaged).putLong(table, 1);
    Files.write(Path.of(image), damaged);
    assertThat(Examples.check(image, findings::add)).isFalse();
    assertThat(findings).isNotEmpty();
  }

  @Test
  void convert() throws Exception {
    Examples.write(image, CLUSTER + 10, ByteBuffer.wrap(bytes(CLUSTER)));
    Examples.convert(image, path("small.qcow2"));
    assertThat(Examples.read(path("small.qcow2"), 0, 4 * CLUSTER))
        .isEqualTo(Examples.read(image, 0, 4 * CLUSTER));
    assertThat(Files.size(Path.of(path("small.qcow2")))).isLessThan(Files.size(Path.of(image)));
  }

  private static List<String> find(Pattern pattern, String file) throws IOException {
    return pattern
        .matcher(Files.readString(Path.of(file)))
        .results()
        .map(match -> match.group(1))
        .toList();
  }

  private static List<String> examples() throws IOException {
    return find(EXAMPLE, "src/test/java/org/qcowfs/engine/examples/Examples.java").stream()
        .map(code -> code.replaceAll("(?m)^  ", "") + "}\n")
        .toList();
  }

  @Test
  void theJavadocQuotesAllOfThem() throws IOException {
    List<String> examples = examples();
    assertThat(examples).hasSize(6).allMatch(code -> code.lines().count() <= 10);
    assertThat(find(JAVADOC, "src/main/java/org/qcowfs/engine/package-info.java"))
        .map(quote -> quote.replaceAll("(?m)^ \\* ?", ""))
        .isEqualTo(examples);
  }

  @Test
  void theReadmeQuotesOneOfThem() throws IOException {
    List<String> quotes = find(README, "../README.md");
    assertThat(quotes).hasSize(1);
    assertThat(examples()).containsAll(quotes);
  }
}
