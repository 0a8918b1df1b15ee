package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;

/** {@code compare}, {@code measure} and {@code dd} beside qemu-img's. */
class CompareIT {
  private static final int MIB = 1 << 20;
  private static Twins twins;

  @BeforeAll
  static void makeImages() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    twins = new Twins("compare");
    twins.prepare(
        folder -> {
          for (String name : new String[] {"a", "b", "d", "e"}) {
            QemuImg.create(folder.resolve(name), name.equals("e") ? 5 * MIB : 4 * MIB);
          }
          QemuIo.on(folder.resolve("b")).write(3, MIB, 65536).write(0, 3 * MIB, 65536).run();
          QemuImg.snapshot(folder.resolve("b"), "first");
          QemuIo.on(folder.resolve("d")).write(0, 3 * MIB, 65536).run();
          QemuImg.create(folder.resolve("c"), 5 * MIB, "cluster_size=4k");
          QemuIo.on(folder.resolve("c"))
              .write(3, MIB, 65536)
              .write(3, 4 * MIB + 512 * 1024, 1024)
              .run();
          QemuImg.create(folder.resolve("bits"), 40 * MIB);
          QemuImg.run("bitmap", "--add", folder.resolve("bits").toString(), "one");
          QemuImg.run("bitmap", "--add", "-g", "4k", folder.resolve("bits").toString(), "two");
          QemuImg.createOverlay(folder.resolve("over"), "b", "qcow2");
          QemuIo.on(folder.resolve("over")).writeCompressed(9, 2 * MIB, 65536).run();
          QemuImg.toRaw(folder.resolve("over"), "qcow2", folder.resolve("over.raw"));
        });
  }

  @AfterAll
  static void remove() {
    twins.close();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "compare a a",
        "compare a b",
        "compare b c",
        "compare c b",
        "compare -s b c",
        "compare -s a a",
        "compare -s over over",
        "compare -q a b",
        "compare over over.raw",
        "compare -f qcow2 -F raw over over.raw",
        "compare -s over over.raw",
        "compare a",
        "compare a b c",
        "compare a d",
        "compare -f raw -F raw a b",
        "compare -f raw a b",
        "compare -T foo a b",
        "compare c a",
        "compare a e",
        "compare e a",
        "compare -s a e",
        "compare -U a a",
        "compare --foo",
        "compare --image-opts driver=qcow2,file.filename=a driver=qcow2,file.filename=e",
        "measure",
        "measure a",
        "measure a b",
        "measure --size 1G",
        "measure --size 1000",
        "measure --size 1Z",
        "measure --size 1G a",
        "measure --output=x a",
        "measure -O raw b",
        "measure -O qcow2 b",
        "measure -O qcow2 over",
        "measure -O qcow2 over.raw",
        "measure -O qcow2 bits",
        "measure --output=json -O qcow2 bits",
        "measure -O qcow2 -o compat=0.10 bits",
        "measure -O qcow2 -o compat=9 bits",
        "measure -O qcow2 -o cluster_size=3 bits",
        "measure -O qcow2 -o refcount_bits=3 --size 1M",
        "measure -O qcow2 -o preallocation=x --size 1M",
        "measure -O qcow2 -o cluster_size=4k over",
        "measure -O qcow2 -l first b",
        "measure -O qcow2 -l foo b",
        "measure -O qcow2 -o foo b",
        "measure -O qcow2 --size 1G",
        "measure --output=json -O qcow2 --size 1G",
        "measure -O qcow2 --size 0",
        "measure -O qcow2 --size 1000",
        "measure -O qcow2 -o preallocation=full --size 1G",
        "measure -O qcow2 -o preallocation=metadata b",
        "measure -O qcow2 -o extended_l2=on --size 10G",
        "measure -O qcow2 -o refcount_bits=1 --size 10T",
        "measure -O qcow2 -o cluster_size=512,refcount_bits=64 --size 1G",
        "measure -O qcow2 -o compat=0.10 --size 3M",
        "dd",
        "dd foo",
        "dd if=b",
        "dd of=x",
        "dd if=b of=x bs=0",
        "dd if=b of=x bs=3G",
        "dd if=b of=x count=z",
        "dd if=b of=x foo=1",
        "dd -n if=b of=x",
      })
  void saysWhatQemuSays(String line) throws IOException {
    twins.same(line.split(" "));
    twins.sameFiles();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "if=b of=x",
        "if=over of=x",
        "if=over of=x bs=1M count=2",
        "if=over of=x bs=1M skip=3",
        "if=over of=x bs=64k skip=1 count=40",
        "if=over of=x bs=1000 count=3",
        "if=over of=x bs=3 count=5 skip=100",
        "if=over of=x bs=1M skip=10",
        "if=over of=x bs=8M",
        "-f raw if=b of=x count=1",
        "-U bs=4k if=c count=1000 of=x skip=3",
      })
  void ddCopiesWhatQemuCopies(String operands) throws IOException {
    twins.same(("dd " + operands).split(" "));
    Path ours = twins.ours().resolve("x");
    assertThat(Files.mismatch(ours, twins.theirs().resolve("x"))).isEqualTo(-1);
    twins.same(("dd -O qcow2 " + operands).split(" "));
    Run.ok("qemu-img", "compare", ours.toString(), twins.theirs().resolve("x").toString());
    Cli.qcowfs(twins.ours(), "compare", "-s", "x", twins.theirs().resolve("x").toString()).orFail();
    for (Path folder : new Path[] {twins.ours(), twins.theirs()}) {
      Files.delete(folder.resolve("x"));
    }
  }

  @Test
  void everyDifferenceIsListed() {
    Run.Result text = Cli.qcowfs(twins.ours(), "compare", "--all", "b", "c");
    assertThat(text.out()).isEqualTo("Content mismatch at offset 4718592, 1024 bytes\n");
    assertThat(text.exitCode()).isEqualTo(1);
    Run.Result json = Cli.qcowfs(twins.ours(), "compare", "--all", "--output=json", "a", "c");
    assertThat(json.out().replaceAll("\\s", ""))
        .isEqualTo("[{\"start\":1048576,\"length\":65536},{\"start\":4718592,\"length\":1024}]");
    assertThat(json.exitCode()).isEqualTo(1);
    Run.Result none = Cli.qcowfs(twins.ours(), "compare", "--all", "--output=json", "a", "d");
    assertThat(none.out().replaceAll("\\s", "")).isEqualTo("[]");
    assertThat(none.exitCode()).isZero();
  }

  @Test
  void whatCannotBeOpenedOrReadHasItsOwnExitCode() throws IOException {
    assertThat(Cli.qcowfs(twins.ours(), "compare", "a", "nofile").exitCode()).isEqualTo(2);
    assertThat(Cli.qcowfs(twins.ours(), "compare", "-f", "raw", "-F", "raw", "a", "nofile").err())
        .isEqualTo("qcowfs: Could not open 'nofile': No such file or directory\n");
    Path damaged = twins.ours().resolve("damaged");
    QemuImg.create(damaged, 4 * MIB);
    QemuIo.on(damaged).write(1, 0, 4 * MIB).run();
    try (RandomAccessFile file = new RandomAccessFile(damaged.toFile(), "rw")) {
      file.setLength(file.length() - MIB);
    }
    QemuIo.on(Files.copy(twins.ours().resolve("a"), twins.ours().resolve("full")))
        .write(1, 0, 4 * MIB)
        .run();
    Run.Result ours = Cli.qcowfs(twins.ours(), "compare", "full", "damaged");
    assertThat(ours.exitCode()).isEqualTo(4);
    assertThat(ours.err()).startsWith("qcowfs: Error while reading offset ").contains("damaged");
    Files.delete(damaged);
    Files.delete(twins.ours().resolve("full"));
  }

  /** QEMU also counts it as a difference that an extent ends with the disk. */
  @Test
  void strictSaysWhereTheMapsDiffer() {
    Run.Result ours = Cli.qcowfs(twins.ours(), "compare", "-s", "a", "b");
    assertThat(ours.out()).isEqualTo("Strict mode: Offset 1048576 block status mismatch!\n");
    assertThat(ours.exitCode()).isEqualTo(1);
    assertThat(Cli.qemuImg(twins.theirs(), "compare", "-s", "a", "b").exitCode()).isEqualTo(1);
  }
}
