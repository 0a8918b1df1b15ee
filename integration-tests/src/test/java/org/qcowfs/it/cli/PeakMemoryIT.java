package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.TempImages;

/**
 * Every command on images that are large in every way takes less than 256 MiB, and no time that
 * grows faster than the image.
 */
class PeakMemoryIT {
  private static final long MOST_KIB = 256 << 10;
  private static final long PATIENCE_SECONDS = 600;
  private static final Pattern PEAK = Pattern.compile("VmHWM:\\s+(\\d+) kB");

  private TempImages temp;
  private long highest;

  @BeforeEach
  void makeFolder() {
    Requires.tools("qemu-img", "qemu-io");
    temp = TempImages.create("memory");
  }

  @AfterEach
  void remove() {
    temp.close();
  }

  /** One that ends before it is looked at is none that takes much; not all of them do. */
  @AfterEach
  void itWasLookedAt() {
    assertThat(highest).as("the highest peak, KiB").isGreaterThan(16 << 10);
  }

  /** 16.8 million clusters, all mapped: 128 MiB of L2 tables. */
  @Test
  void manyClusters() throws Exception {
    run("create -f qcow2 -o preallocation=metadata large.qcow2 1T");
    run("info large.qcow2");
    run("map --output=json large.qcow2");
    run("check large.qcow2");
    run("measure -O qcow2 large.qcow2");
    run("snapshot -c a large.qcow2");
    run("snapshot -a a large.qcow2");
    run("snapshot -d a large.qcow2");
    run("resize large.qcow2 +1G");
    run("amend -o refcount_bits=64 large.qcow2");
    run("create -f qcow2 -b large.qcow2 -F qcow2 overlay.qcow2");
    QemuIo.on(temp.path("overlay.qcow2")).write(1, 512L << 30, 1 << 20).run();
    run("commit overlay.qcow2");
    QemuIo.on(temp.path("overlay.qcow2")).write(2, 512L << 30, 1 << 20).run();
    run("compare large.qcow2 overlay.qcow2", 1);
    run("rebase -b  overlay.qcow2");
    run("convert -O qcow2 large.qcow2 copy.qcow2");
    run("bitmap --add -g 512 large.qcow2 one");
    run("bitmap --add -g 4096 large.qcow2 other");
    run("bitmap --merge one large.qcow2 other");
    run("resize large.qcow2 +1G");
    run("check -r all large.qcow2");
    run("resize --shrink -f qcow2 copy.qcow2 1G");
    run("dd bs=64M count=2 if=large.qcow2 of=part.raw");
  }

  /** 64 TiB in clusters of 2 MiB with extended L2 entries. */
  @Test
  void largeClusters() throws Exception {
    run("create -f qcow2 -o cluster_size=2M,extended_l2=on,refcount_bits=1 wide.qcow2 64T");
    QemuIo.on(temp.path("wide.qcow2")).write(1, 60L << 40, 8 << 20).run();
    run("map wide.qcow2");
    run("check wide.qcow2");
    run("convert -c -m 16 -O qcow2 -o cluster_size=2M wide.qcow2 small.qcow2");
    run("convert -m 16 -W -O qcow2 small.qcow2 copy.qcow2");
    run("compare wide.qcow2 copy.qcow2");
    run("resize wide.qcow2 +1T");
  }

  private void run(String words) throws Exception {
    run(words, 0);
  }

  private void run(String words, int exitCode) throws Exception {
    List<String> command = new ArrayList<>(List.of(Cli.launcher().toString()));
    command.addAll(List.of(words.split(" ", -1)));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(temp.folder().toFile())
            .redirectOutput(temp.path("out").toFile())
            .redirectError(temp.path("err").toFile());
    builder.environment().putAll(Cli.environment());
    Process process = builder.start();
    long begin = System.nanoTime();
    long peak = 0;
    // The launcher becomes the JVM; the highest peak that is seen counts.
    while (!process.waitFor(5, TimeUnit.MILLISECONDS)) {
      peak = Math.max(peak, peakKib(process.pid()));
      if (System.nanoTime() - begin > TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)) {
        process.destroyForcibly().waitFor();
        throw new AssertionError("no end in " + PATIENCE_SECONDS + " s: " + words);
      }
    }
    assertThat(process.exitValue())
        .as("%s: %s", words, Files.readString(temp.path("err")))
        .isEqualTo(exitCode);
    assertThat(peak).as("KiB: " + words).isLessThan(MOST_KIB);
    highest = Math.max(highest, peak);
  }

  private static long peakKib(long pid) {
    try {
      Matcher found = PEAK.matcher(Files.readString(Path.of("/proc", pid + "", "status")));
      return found.find() ? Long.parseLong(found.group(1)) : 0;
    } catch (IOException e) {
      return 0; // it has ended
    }
  }
}
