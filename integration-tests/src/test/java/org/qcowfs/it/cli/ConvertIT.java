package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;

/** {@code convert}: what it says, and the image it leaves, beside qemu-img's. */
class ConvertIT {
  private static final int MIB = 1 << 20;
  private static Twins twins;

  @BeforeAll
  static void makeSources() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    twins = new Twins("convert");
    twins.prepare(
        folder -> {
          Path disk = Files.write(folder.resolve("disk.raw"), new byte[0]);
          try (RandomAccessFile file = new RandomAccessFile(disk.toFile(), "rw")) {
            file.setLength(21 * MIB + 1536);
            Random random = new Random(5);
            byte[] noise = new byte[MIB + 700 * 512];
            random.nextBytes(noise);
            file.write(noise);
            file.seek(5 * MIB + 8192);
            file.write("the same words again and again. ".repeat(90_000).getBytes("US-ASCII"));
            file.seek(20 * MIB);
            file.write(noise, 0, MIB);
          }
          Files.write(folder.resolve("odd.raw"), "neither sector nor page ".repeat(50).getBytes());
          Path image = folder.resolve("src.qcow2");
          QemuImg.create(image, 40 * MIB + 512);
          QemuIo.on(image).write(1, MIB, 3 * MIB).writeCompressed(2, 6 * MIB, MIB).run();
          QemuImg.snapshot(image, "first");
          QemuIo.on(image).write(3, 2 * MIB, 70000).zero(3 * MIB, MIB).write(0, 8 * MIB, MIB).run();
          marked(folder);
          QemuImg.createOverlay(folder.resolve("over.qcow2"), "src.qcow2", "qcow2", 50L * MIB);
          QemuIo.on(folder.resolve("over.qcow2"))
              .write(9, 6 * MIB + 4096, 4096)
              .zero(0, 2 * MIB)
              .write(7, 45 * MIB, MIB)
              .run();
        });
  }

  /** Images with bitmaps: "broken" has one that was not saved, and a sound one. */
  private static void marked(Path folder) throws IOException {
    String marked = folder.resolve("marked.qcow2").toString();
    QemuImg.create(Path.of(marked), 10 * MIB);
    QemuImg.run("bitmap", "--add", "-g", "512", marked, "one").orFail();
    QemuImg.run("bitmap", "--add", "--disable", "-g", "2M", marked, "two").orFail();
    QemuIo.on(Path.of(marked)).write(4, MIB + 512, 70000).run();
    QemuImg.run("bitmap", "--enable", marked, "two").orFail();
    QemuImg.run("bitmap", "--merge", "one", marked, "two").orFail();
    Path broken = Files.copy(Path.of(marked), folder.resolve("broken.qcow2"));
    Run.run(
        Run.PATIENCE,
        List.of("qemu-io", "-f", "qcow2", "-c", "write 0 64k", "-c", "abort", broken.toString()));
  }

  @AfterAll
  static void remove() {
    twins.close();
  }

  private static void convert(String line, String format) throws IOException {
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      Files.deleteIfExists(folder.resolve("x"));
    }
    twins.same(("convert " + line).split(" "));
    twins.alikeImage("x", format);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-O qcow2 disk.raw x",
        "-f raw -O qcow2 disk.raw x",
        "-f qcow2 -O qcow2 src.qcow2 x",
        "-O qcow2 over.qcow2 x",
        "-O qcow2 -W -m 1 over.qcow2 x",
        "-p -O qcow2 -t none -T none over.qcow2 x",
        "-p -q -O qcow2 -t writethrough over.qcow2 x",
        "-c -O qcow2 disk.raw x",
        "-c -O qcow2 over.qcow2 x",
        "-c -W -m 16 -O qcow2 -o cluster_size=4k disk.raw x",
        "-c -O qcow2 -o cluster_size=2M disk.raw x",
        "-c -O qcow2 -o compression_type=zstd disk.raw x",
        "-c -O qcow2 -o compression_type=zstd,extended_l2=on disk.raw x",
        "-c -O qcow2 -o refcount_bits=1 disk.raw x",
        "-c -O qcow2 -o refcount_bits=2,cluster_size=512 disk.raw x",
        "-c -S 0 -O qcow2 disk.raw x",
        "-O qcow2 -o cluster_size=4k disk.raw x",
        "-O qcow2 -o cluster_size=512 disk.raw x",
        "-O qcow2 -o extended_l2=on disk.raw x",
        "-O qcow2 -o compat=0.10 over.qcow2 x",
        "-O qcow2 -S 0 src.qcow2 x",
        "-O qcow2 -S 64k disk.raw x",
        "-O qcow2 -o preallocation=metadata disk.raw x",
        "-O qcow2 -o preallocation=full disk.raw x",
        "-O qcow2 -l first src.qcow2 x",
        "-O qcow2 -l 1 src.qcow2 x",
        "-O qcow2 -l snapshot.name=first src.qcow2 x",
        "-O qcow2 -l snapshot.id=1,snapshot.name=first src.qcow2 x",
        "-O qcow2 disk.raw src.qcow2 x",
        "-c -O qcow2 disk.raw src.qcow2 over.qcow2 x",
        "-f raw -c -O qcow2 odd.raw disk.raw odd.raw x",
        "-f raw -S 0 -O qcow2 odd.raw disk.raw x",
        "-O qcow2 -B src.qcow2 -F qcow2 over.qcow2 x",
        "-c -O qcow2 -B src.qcow2 -F qcow2 over.qcow2 x",
        "-O qcow2 -o backing_file=src.qcow2,backing_fmt=qcow2 over.qcow2 x",
        "-O qcow2 --salvage src.qcow2 x",
        "-U -O qcow2 -r 1G src.qcow2 x",
        "-O qcow2 -C src.qcow2 x",
        "-C -O qcow2 disk.raw src.qcow2 over.qcow2 x",
        "-C -O qcow2 -B src.qcow2 -F qcow2 over.qcow2 x",
        "-O qcow2 --bitmaps src.qcow2 x",
        "-O qcow2 --bitmaps marked.qcow2 x",
        "-O qcow2 --bitmaps -o cluster_size=4k marked.qcow2 x",
        "-O qcow2 --bitmaps --skip-broken-bitmaps -t none broken.qcow2 x",
        "--image-opts -O qcow2 driver=qcow2,file.filename=over.qcow2 x",
      })
  void intoQcow2(String line) throws IOException {
    convert(line, "qcow2");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "disk.raw x",
        "src.qcow2 x",
        "over.qcow2 x",
        "-O raw -m 16 -W over.qcow2 x",
        "-O raw -S 0 src.qcow2 x",
        "-O raw -S 1M disk.raw x",
        "-O raw -l first src.qcow2 x",
        "-O raw -o preallocation=falloc src.qcow2 x",
        "-O raw -o preallocation=full src.qcow2 x",
        "-C -O raw src.qcow2 x",
        "disk.raw over.qcow2 x",
        "-f raw -O raw odd.raw odd.raw disk.raw x",
      })
  void intoRaw(String line) throws IOException {
    convert(line, "raw");
    assertThat(Files.mismatch(twins.ours().resolve("x"), twins.theirs().resolve("x")))
        .isEqualTo(-1);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "convert",
        "convert src.qcow2",
        "convert -O raw -c src.qcow2 x",
        "convert -O qcow2 -l foo src.qcow2 x",
        "convert -l snapshot.foo=1 src.qcow2 x",
        "convert --bitmaps -O qcow2 broken.qcow2 x",
        "convert --bitmaps -O qcow2 disk.raw x",
        "convert --bitmaps -O raw marked.qcow2 x",
        "convert --bitmaps -O qcow2 -o compat=0.10 marked.qcow2 x",
        "convert --bitmaps -O qcow2 marked.qcow2 src.qcow2 x",
        "convert --skip-broken-bitmaps -O qcow2 marked.qcow2 x",
        "convert -m 20 src.qcow2 x",
        "convert -m x src.qcow2 x",
        "convert -S 1 src.qcow2 x",
        "convert -S 32M src.qcow2 x",
        "convert -c -C -O qcow2 src.qcow2 x",
        "convert -S 4k -C src.qcow2 x",
        "convert --salvage -C src.qcow2 x",
        "convert --target-is-zero src.qcow2 x",
        "convert -n -o size=4M src.qcow2 x",
        "convert -t foo src.qcow2 x",
        "convert -T foo src.qcow2 x",
        "convert -r 10z src.qcow2 x",
        "convert -B src.qcow2 -O raw over.qcow2 x",
        "convert -O qcow2 -B src.qcow2 over.qcow2 x",
        "convert -O qcow2 -o preallocation=metadata -c src.qcow2 x",
        "convert --bitmaps src.qcow2 x",
        "convert -O qcow2 -o foo=1 src.qcow2 x",
        "convert --bogus",
      })
  void faultsAreQemusAndLeaveNothing(String line) throws IOException {
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      Files.deleteIfExists(folder.resolve("x"));
    }
    assertThat(twins.same(line.split(" ")).exitCode()).isEqualTo(1);
    assertThat(Files.exists(twins.ours().resolve("x"))).isFalse();
  }

  @Test
  void intoWhatIsThere() throws IOException {
    for (String format : List.of("qcow2", "raw")) {
      for (Path folder : List.of(twins.ours(), twins.theirs())) {
        QemuImg.run("create", "-q", "-f", format, folder.resolve("x").toString(), "50M");
        Run.ok("qemu-io", "-f", format, "-c", "write -P 5 0 50M", folder.resolve("x").toString());
      }
      twins.same("convert", "-n", "-O", format, "over.qcow2", "x");
      twins.alikeImage("x", format);
      assertThat(
              Cli.qcowfs(twins.ours(), "convert", "-n", "-O", format, "disk.raw", "over.qcow2", "x")
                  .err())
          .isEqualTo("qcowfs: output file is smaller than input file\n");
    }
  }

  /** A disk image written to the begin of a larger disk. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "-O raw disk.raw",
        "-S 0 -O raw disk.raw",
        "-O qcow2 disk.raw",
        "-W -m 1 -O qcow2 disk.raw",
        "-c -O qcow2 disk.raw",
        "-O qcow2 -f raw odd.raw",
        "-O raw -f raw odd.raw",
      })
  void largerTargetKeepsWhatItHasBehind(String line) throws IOException {
    String format = line.contains("-O raw") ? "raw" : "qcow2";
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      QemuImg.run("create", "-q", "-f", format, folder.resolve("x").toString(), "23M");
      Run.ok("qemu-io", "-f", format, "-c", "write -P 5 0 23M", folder.resolve("x").toString());
    }
    Cli.qcowfs(twins.ours(), ("convert -n " + line + " x").split(" ")).orFail();
    // qemu-img cannot put a compressed cluster in the place of another one.
    Cli.qemuImg(twins.theirs(), ("convert -n " + line.replace("-c ", "") + " x").split(" "))
        .orFail();
    QemuImg.toRaw(twins.ours().resolve("x"), format, twins.ours().resolve("x.raw"));
    byte[] bytes = Files.readAllBytes(twins.ours().resolve("x.raw"));
    QemuImg.toRaw(twins.theirs().resolve("x"), format, twins.theirs().resolve("x.raw"));
    byte[] expected = Files.readAllBytes(twins.theirs().resolve("x.raw"));
    if (line.contains("odd.raw")) { // qemu-img fills the sector up
      long size = Files.size(twins.ours().resolve("odd.raw"));
      Arrays.fill(expected, (int) size, (int) size + 511 & ~511, (byte) 5);
    }
    assertThat(Arrays.mismatch(bytes, expected)).isEqualTo(-1);
    Files.delete(twins.ours().resolve("x.raw"));
    Files.delete(twins.theirs().resolve("x.raw"));
  }

  @Test
  void theLastClusterOfAnOddDiskIsCompressedToo() throws IOException {
    convert("-f raw -c -O qcow2 odd.raw x", "qcow2");
    List<String> counts = new ArrayList<>();
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      String json = Cli.qemuImg(folder, "check", "--output=json", "x").orFail().out();
      counts.add(json.lines().filter(l -> l.contains("compressed-clusters")).toList().toString());
    }
    assertThat(counts.get(0)).contains("\"compressed-clusters\": 1").isEqualTo(counts.get(1));
  }

  @Test
  void targetThatIsThereMustSupportBitmaps() {
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      QemuImg.run("create", "-f", "raw", folder.resolve("there.raw").toString(), "20M").orFail();
      QemuImg.create(folder.resolve("there.v2"), 20 * MIB, "compat=0.10");
    }
    for (String target : List.of("raw there.raw", "qcow2 there.v2")) {
      String line = "convert -n --bitmaps -f qcow2 marked.qcow2 -O " + target;
      assertThat(twins.same(line.split(" ")).exitCode()).as(line).isEqualTo(1);
    }
  }

  /** Progress goes by what there is to copy, not by the disk with its holes. */
  @Test
  void progressIsQemus() throws IOException {
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      QemuImg.create(folder.resolve("islands.qcow2"), 128 * MIB);
      QemuIo.on(folder.resolve("islands.qcow2"))
          .write(1, 0, MIB)
          .write(1, 2 * MIB, MIB)
          .write(1, 4 * MIB, MIB)
          .write(1, 32 * MIB, MIB)
          .zero(64 * MIB, MIB)
          .run();
      QemuImg.create(folder.resolve("empty.qcow2"), MIB);
    }
    for (String source : List.of("islands.qcow2", "empty.qcow2")) {
      String[] words = {"convert", "-p", "-O", "qcow2", source, "x"};
      assertThat(Cli.asQemuImg(twins.ours(), words).orFail().out())
          .isEqualTo(Cli.qemuImg(twins.theirs(), words).orFail().out());
    }
  }

  /** Zeroes of the source hide what the target's backing file has there. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "convert -n -O qcow2 holes.qcow2 x",
        "convert -n -S 0 -O qcow2 holes.qcow2 x",
        "convert -n -B full.qcow2 -F qcow2 -O qcow2 holes.qcow2 x",
        "convert -B full.qcow2 -F qcow2 -O qcow2 holes.qcow2 x",
        "convert -c -B full.qcow2 -F qcow2 -O qcow2 holes.qcow2 x",
        "convert -B full.qcow2 -F qcow2 -O qcow2 above-short.qcow2 x",
      })
  void zeroesHideTheBackingFileOfTheTarget(String line) {
    for (Path folder : List.of(twins.ours(), twins.theirs())) {
      QemuImg.create(folder.resolve("full.qcow2"), 8 * MIB);
      QemuIo.on(folder.resolve("full.qcow2")).write(5, 0, 8 * MIB).run();
      QemuImg.create(folder.resolve("short.qcow2"), 3 * MIB);
      QemuIo.on(folder.resolve("short.qcow2")).write(5, 0, 3 * MIB).run();
      QemuImg.create(folder.resolve("holes.qcow2"), 8 * MIB);
      QemuIo.on(folder.resolve("holes.qcow2")).write(1, MIB, MIB).zero(4 * MIB, MIB).run();
      QemuImg.createOverlay(folder.resolve("above-short.qcow2"), "short.qcow2", "qcow2", 8 * MIB);
      QemuImg.createOverlay(folder.resolve("x"), "full.qcow2", "qcow2");
    }
    twins.same(line.split(" "));
    String source = line.substring(line.lastIndexOf(' ', line.length() - 3) + 1, line.length() - 2);
    Run.ok("qemu-img", "compare", twins.ours() + "/" + source, twins.ours() + "/x");
    Cli.qemuImg(twins.ours(), "check", "x").orFail();
  }

  @Test
  void sourceIsNeverTheTarget() throws IOException {
    byte[] before = Files.readAllBytes(twins.ours().resolve("src.qcow2"));
    Run.Result ours = Cli.qcowfs(twins.ours(), "convert", "-O", "qcow2", "src.qcow2", "src.qcow2");
    assertThat(ours.exitCode()).isEqualTo(1);
    assertThat(ours.err())
        .startsWith("qcowfs: src.qcow2: error while converting qcow2: Failed to get")
        .hasLineCount(1);
    assertThat(twins.ours().resolve("src.qcow2")).hasBinaryContent(before);
  }

  /** {@code -U} takes no lock that would forbid it. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "convert -U -O qcow2 src.qcow2 link",
        "convert -U -O raw over.qcow2 link",
        "convert -U -n -O raw src.qcow2 link",
        "convert -U -O qcow2 -o data_file=link src.qcow2 x",
        "dd -U if=src.qcow2 of=link",
      })
  void sourceReadWithoutLocksIsNotTheTargetEither(String line) throws IOException {
    Path source = twins.ours().resolve("src.qcow2");
    byte[] before = Files.readAllBytes(source);
    Files.createLink(twins.ours().resolve("link"), source);
    Run.Result ours = Cli.qcowfs(twins.ours(), line.split(" "));
    Files.delete(twins.ours().resolve("link"));
    assertThat(ours.exitCode()).as(ours.err()).isEqualTo(1);
    assertThat(ours.err()).hasLineCount(1);
    assertThat(source).hasBinaryContent(before);
  }

  @Test
  void damagedSourceIsAnErrorUnlessSalvaged() throws IOException {
    Path damaged = twins.ours().resolve("damaged.qcow2");
    QemuImg.create(damaged, 4 * MIB);
    QemuIo.on(damaged).write(1, 0, 4 * MIB).run();
    try (RandomAccessFile file = new RandomAccessFile(damaged.toFile(), "rw")) {
      file.setLength(file.length() - MIB);
    }
    Run.Result failed = Cli.qcowfs(twins.ours(), "convert", "damaged.qcow2", "x");
    assertThat(failed.exitCode()).isEqualTo(1);
    assertThat(failed.err()).contains("past the end of the file").endsWith("; 'x' is incomplete\n");
    Run.Result salvaged = Cli.qcowfs(twins.ours(), "convert", "--salvage", "damaged.qcow2", "x");
    assertThat(salvaged.exitCode()).isZero();
    assertThat(salvaged.err()).contains("warning: error while reading offset 3145728");
    byte[] bytes = Files.readAllBytes(twins.ours().resolve("x"));
    assertThat(bytes[3 * MIB - 1]).isEqualTo((byte) 1);
    assertThat(bytes[3 * MIB]).isZero();
    Files.delete(damaged);
  }

  @Test
  void interruptedSaysThatTheTargetIsIncomplete() throws Exception {
    Process process =
        new ProcessBuilder(
                Cli.launcher().toString(), "convert", "-p", "-r", "256k", "disk.raw", "x")
            .directory(twins.ours().toFile())
            .start();
    process.getInputStream().read(); // the progress: it runs
    Run.ok("kill", "-TERM", Long.toString(process.pid()));
    assertThat(process.waitFor(Run.PATIENCE.toSeconds(), java.util.concurrent.TimeUnit.SECONDS))
        .isTrue();
    assertThat(process.exitValue()).isEqualTo(1);
    assertThat(new String(process.getErrorStream().readAllBytes(), "UTF-8"))
        .isEqualTo("qcowfs: interrupted; 'x' is incomplete\n");
  }
}
