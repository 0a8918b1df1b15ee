package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;

/** {@code create}: what it says, and the image it leaves, beside qemu-img's. */
class CreateIT {
  private Twins twins;

  @BeforeEach
  void makeFolders() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    twins = new Twins("create");
    twins.prepare(
        folder -> {
          QemuImg.create(folder.resolve("base.qcow2"), 5 << 20);
          QemuIo.on(folder.resolve("base.qcow2")).write(7, 0, 1 << 20).run();
          Files.write(folder.resolve("base.raw"), new byte[10240]);
        });
  }

  @AfterEach
  void removeFolders() {
    twins.close();
  }

  private static String[] words(String line) {
    return line.split(" ");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "-f qcow2 x 1G",
        "-q -f qcow2 x 1G",
        "-f qcow2 x 0",
        "-f qcow2 x 1000",
        "-f qcow2 x 1.5k",
        "-f qcow2 x 0x12345",
        "-f qcow2 x 3T",
        "-f qcow2 -o cluster_size=512 x 100M",
        "-f qcow2 -o cluster_size=2M x 100G",
        "-f qcow2 -o cluster_size=4k,refcount_bits=1 x 64M",
        "-f qcow2 -o refcount_bits=64 x 64M",
        "-f qcow2 -o compat=0.10 x 64M",
        "-f qcow2 -o compat=v2,size=64M x",
        "-f qcow2 -o compat=1.1,lazy_refcounts=on x 64M",
        "-f qcow2 -o compat=v3,nolazy_refcounts x 64M",
        "-f qcow2 -o extended_l2=on,cluster_size=128k x 64M",
        "-f qcow2 -o compression_type=zstd -o cluster_size=32k x 64M",
        "-f qcow2 -o preallocation=off x 64M",
        "-f qcow2 -o preallocation=metadata x 64M",
        "-f qcow2 -o preallocation=metadata x 1000k",
        "-f qcow2 -o preallocation=metadata,cluster_size=4k x 1900k",
        "-f qcow2 -o preallocation=metadata,extended_l2=on x 64M",
        "-f qcow2 -o preallocation=falloc x 8M",
        "-f qcow2 -o preallocation=full,cluster_size=4k x 8M",
        "-f qcow2 -b base.qcow2 -F qcow2 x",
        "-f qcow2 -b base.raw -F raw x 64M",
        "-f qcow2 -b base.qcow2 -F qcow2 x 1M",
        "-f qcow2 -o backing_file=base.qcow2,backing_fmt=qcow2 x",
        "-f qcow2 -b base.qcow2 -F qcow2 -o preallocation=metadata,extended_l2=on x",
      })
  void imagesAreQemus(String line) throws IOException {
    String[] words = words("create " + line);
    twins.same(words);
    twins.sameFiles();
    twins.sameImage("x", "qcow2");
    assertThat(stat("%s", twins.ours())).isEqualTo(stat("%s", twins.theirs()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "x 64M",
        "-f raw x 1000",
        "x 0",
        "-o size=1M x",
        "-o preallocation=off x 1M",
        "-o preallocation=falloc x 1M",
        "-f raw -o preallocation=full x 1M",
        "-f file x 1M",
        "-q x 1M"
      })
  void rawImagesAreQemus(String line) throws IOException {
    twins.same(words("create " + line));
    twins.sameFiles();
    assertThat(stat("%s", twins.ours())).isEqualTo(stat("%s", twins.theirs()));
    assertThat(stat("%b", twins.ours())).isEqualTo(stat("%b", twins.theirs()));
  }

  private static long stat(String what, Path folder) {
    return Long.parseLong(Run.ok("stat", "-c", what, folder.resolve("x").toString()).out().strip());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "create",
        "create --foo",
        "create -f qcow2 x",
        "create x",
        "create -f qcow2 x 1Z",
        "create -f qcow2 x 9E",
        "create -f qcow2 x 7E",
        "create -f qcow2 x -- -1",
        "create -f qcow2 -o foo=1 x 1M",
        "create -f qcow2 -o foo x 1M",
        "create -f qcow2 -o size=1M, x 1M",
        "create -f qcow2 -o size=5M x 1M",
        "create -f qcow2 -o size=-1 x",
        "create -f qcow2 -o cluster_size=3 x 1M",
        "create -f qcow2 -o cluster_size=5000 x 1M",
        "create -f qcow2 -o cluster_size=4M x 1M",
        "create -f qcow2 -o cluster_size=64kb x 1M",
        "create -f qcow2 -o cluster_size=512 x 200G",
        "create -f qcow2 -o compat=9 x 1M",
        "create -f qcow2 -o preallocation=x x 1M",
        "create -f qcow2 -o compression_type=lz4 x 1M",
        "create -f qcow2 -o lazy_refcounts=maybe x 1M",
        "create -f qcow2 -o compat=0.10,lazy_refcounts=on x 1M",
        "create -f qcow2 -o compat=0.10,refcount_bits=8 x 1M",
        "create -f qcow2 -o compat=v2,extended_l2=on x 1M",
        "create -f qcow2 -o compat=v2,compression_type=zstd x 1M",
        "create -f qcow2 -o compat=v2,data_file=d x 1M",
        "create -f qcow2 -o data_file_raw=on x 1M",
        "create -f qcow2 -o refcount_bits=3 x 1M",
        "create -f qcow2 -o refcount_bits=x x 1M",
        "create -f qcow2 -o refcount_bits=-1 x 1M",
        "create -f qcow2 -o extended_l2=on,cluster_size=4k x 1M",
        "create -f qcow2 -F qcow2 x 1M",
        "create -f qcow2 -b base.qcow2 x",
        "create -f qcow2 -b base.raw x",
        "create -f qcow2 -u -b base.qcow2 x 1M",
        "create -f qcow2 -u -b nofile -F qcow2 x",
        "create -f qcow2 -b nofile -F qcow2 x",
        "create -f qcow2 -b nofile -F qcow2 x 1M",
        "create -f qcow2 -b base.qcow2 -F qcow2 base.qcow2 1M",
        "create -f qcow2 -b base.qcow2 -F qcow2 -o preallocation=metadata x",
        "create -f qcow2 -b base.qcow2 -F qcow2 -o data_file=d,data_file_raw=on x",
        "create -b base.raw -F raw x 1M",
        "create -o cluster_size=1 x 1M",
        "create -o preallocation=x x 1M",
        "create -f qcow2 nofolder/x 1M",
        "create -f qcow2 . 1M",
      })
  void faultsAreQemusAndLeaveNothing(String line) throws IOException {
    Run.Result ours = twins.same(words(line));
    assertThat(ours.exitCode()).isEqualTo(1);
    assertThat(Files.exists(twins.ours().resolve("x"))).isFalse();
    assertThat(Files.exists(twins.ours().resolve("d"))).isFalse();
    twins.sameImage("base.qcow2", "qcow2");
  }

  /** Here qemu-img leaves an empty file. */
  @Test
  void unsupportedPreallocationOfRawLeavesNothing() {
    twins.same("create", "-o", "preallocation=metadata", "x", "1M");
    assertThat(Files.exists(twins.ours().resolve("x"))).isFalse();
  }

  @Test
  void unknownFormatSaysWhatIsKnown() {
    Run.Result ours = Cli.qcowfs(twins.ours(), "create", "-f", "vmdk", "x", "1M");
    assertThat(ours.err())
        .isEqualTo("qcowfs: x: Unknown file format 'vmdk'; expected qcow2 or raw\n");
    assertThat(ours.exitCode()).isEqualTo(1);
  }

  @Test
  void backingFileNeedNotExist() throws IOException {
    twins.same(words("create -u -f qcow2 -b nofile -F qcow2 x 1M"));
    twins.sameFiles();
    assertThat(QemuImg.info(twins.ours().resolve("x")))
        .contains("\"backing-filename\": \"nofile\"");
  }

  /** As a name in an image, too: from the current folder. */
  @Test
  void dataFileIsInTheCurrentFolder() throws IOException {
    twins.prepare(folder -> Files.createDirectory(folder.resolve("sub")));
    twins.same(words("create -f qcow2 -o data_file=rel sub/x 1M"));
    twins.sameFiles();
    twins.prepare(
        folder -> {
          String[] write = {"-f", "qcow2", "-c", "write -P 7 0 64k", "sub/x"};
          Cli.run(Path.of("qemu-io"), folder, write).orFail();
        });
    twins.same(words("convert -f qcow2 -O raw sub/x flat"));
    twins.same(words("resize -f qcow2 sub/x 2M"));
    twins.same(words("convert -f qcow2 -O raw -o size=2M sub/x flat2"));
    twins.sameContent("flat", "raw");
    twins.sameContent("flat2", "raw");
    Path sub = twins.ours().resolve("sub");
    assertThat(Cli.qcowfs(sub, words("convert -f qcow2 -O raw x flat")).err()).contains("'rel'");
    Files.move(twins.ours().resolve("rel"), sub.resolve("rel"));
    Cli.qcowfs(twins.ours(), words("convert -f qcow2 -O raw sub/x flat2")).orFail();
    twins.sameContent("flat2", "raw");
    Files.write(twins.ours().resolve("rel"), new byte[2 << 20]);
    assertThat(Cli.qcowfs(twins.ours(), words("convert -f qcow2 -O raw sub/x zero")).err())
        .contains("beside the image")
        .hasLineCount(1);
  }

  @Test
  void existingFileIsReplacedUnlessItIsInUse() throws IOException {
    twins.same(words("create -f qcow2 base.raw 2M"));
    twins.sameImage("base.raw", "qcow2");
    Process user =
        new ProcessBuilder("qemu-io", "-f", "qcow2", twins.ours().resolve("base.raw").toString())
            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
            .start();
    try {
      Run.Result refused = Cli.qcowfs(twins.ours(), words("create -q -f qcow2 base.raw 2M"));
      for (int i = 0; i < 200 && refused.exitCode() == 0; i++) {
        refused = Cli.qcowfs(twins.ours(), words("create -q -f qcow2 base.raw 2M"));
      }
      assertThat(refused.err()).contains("lock").hasLineCount(1);
    } finally {
      user.getOutputStream().close();
      user.destroy();
    }
    twins.sameImage("base.raw", "qcow2");
  }

  @Test
  void fullHostLeavesNothing() throws IOException {
    Requires.root();
    Path small = Files.createDirectory(twins.ours().resolve("small"));
    Run.ok("mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", small.toString());
    try {
      for (String mode : new String[] {"falloc", "full"}) {
        Run.Result ours =
            Cli.qcowfs(
                twins.ours(),
                "create",
                "-q",
                "-f",
                "qcow2",
                "-o",
                "preallocation=" + mode,
                "small/x",
                "8M");
        assertThat(ours.exitCode()).isEqualTo(1);
        assertThat(ours.err().toLowerCase(Locale.ROOT)).contains("no space left").hasLineCount(1);
        assertThat(small).isEmptyDirectory();
      }
    } finally {
      Run.ok("umount", small.toString());
    }
  }

  @Test
  void optionsAreListed() {
    for (String format : new String[] {"qcow2", "raw"}) {
      Run.Result ours = Cli.qcowfs(twins.ours(), "create", "-f", format, "-o", "help").orFail();
      String qemu = Cli.qemuImg(twins.theirs(), "create", "-f", format, "-o", "help", "x").out();
      assertThat(ours.out()).startsWith("Supported " + format + " options:\n");
      ours.out()
          .lines()
          .filter(line -> line.startsWith("  "))
          .forEach(line -> assertThat(qemu.lines().map(String::strip)).contains(line.strip()));
    }
  }

  /** What the new image is to stand on is not replaced by it, however deep it lies. */
  @ParameterizedTest
  @ValueSource(strings = {"bottom.qcow2", "bottom.data", "middle.qcow2", "link"})
  void noLayerOfTheBackingChainIsReplaced(String target) throws IOException {
    Path folder = Files.createTempDirectory(twins.ours(), "layers");
    Cli.qemuImg(folder, words("create -q -f qcow2 -o data_file=bottom.data bottom.qcow2 1M"))
        .orFail();
    Cli.qemuImg(folder, words("create -q -f qcow2 -b bottom.qcow2 -F qcow2 middle.qcow2")).orFail();
    Cli.qemuImg(folder, words("create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2")).orFail();
    Files.createLink(folder.resolve("link"), folder.resolve("bottom.qcow2"));
    byte[] before = Files.readAllBytes(folder.resolve(target));
    for (String command : List.of("create -f qcow2", "create -f qcow2 -o size=2M")) {
      Run.Result result = Cli.qcowfs(folder, words(command + " -b top.qcow2 -F qcow2 " + target));
      assertThat(result.exitCode()).isEqualTo(1);
      assertThat(result.err()).hasLineCount(1).contains(target + ": ");
    }
    assertThat(folder.resolve(target)).hasBinaryContent(before);
  }
}
