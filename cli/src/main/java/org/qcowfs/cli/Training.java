package org.qcowfs.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.qcowfs.cli.program.Console;

/**
 * Runs commands for the class archive the launcher makes after a build, so that it holds what real
 * runs load. Its output is of no interest.
 */
final class Training {
  private static final Console NOWHERE =
      new Console(Writer.nullWriter(), new PrintStream(PrintStream.nullOutputStream()));

  private Training() {}

  /** Arguments: the images to use. */
  public static void main(String[] images) throws IOException, InterruptedException {
    for (String image : images) {
      for (String output : new String[] {"--output=human", "--output=json"}) {
        run("info", "-U", output, image);
        run("info", output, "--backing-chain", image);
        run("map", output, image);
        run("map", output, "--start-offset=1k", "-l", "512", image);
        run("check", "-U", output, image);
        run("snapshot", "-l", output, image);
      }
    }
    copies(images[0]);
    run("info", "/nonexistent");
    run("nonsense");
    mount(images[0]);
    // Through the process's own streams once.
    System.exit(Main.run(new String[] {"--version"}, Console.ofProcess()));
  }

  private static int run(String... arguments) {
    return Main.run(arguments, NOWHERE);
  }

  /** Makes, copies, compares and changes once. */
  private static void copies(String image) throws IOException {
    Path folder = Files.createTempDirectory("qcowfs-training");
    String raw = folder.resolve("raw").toString();
    String qcow2 = folder.resolve("qcow2").toString();
    run("create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", qcow2, "1M");
    run("measure", "-O", "qcow2", image);
    run("convert", "-U", "-O", "raw", image, raw);
    run("convert", "-c", "-O", "qcow2", raw, qcow2);
    run("convert", "-O", "qcow2", raw, qcow2);
    run("compare", raw, qcow2);
    changes(raw, qcow2, folder.resolve("overlay").toString());
    run("dd", "if=" + raw, "of=" + qcow2, "bs=4k", "count=1");
    for (String name : new String[] {"raw", "qcow2", "overlay"}) {
      Files.deleteIfExists(folder.resolve(name));
    }
    Files.delete(folder);
  }

  private static void changes(String raw, String base, String overlay) {
    run("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", overlay);
    run("convert", "-n", "-O", "qcow2", raw, overlay);
    run("commit", "-q", overlay);
    run("convert", "-n", "-O", "qcow2", raw, overlay);
    run("rebase", "-b", raw, "-F", "raw", overlay);
    run("snapshot", "-c", "one", overlay);
    run("snapshot", "-a", "one", overlay);
    run("snapshot", "-d", "one", overlay);
    run("resize", "-q", overlay, "+1M");
    run("resize", "-q", "--shrink", overlay, "-1M");
    run("amend", "-o", "lazy_refcounts=on", overlay);
    run("bitmap", "--add", overlay, "bitmap");
  }

  /** Mounts and unmounts once, where this machine and user can. */
  private static void mount(String image) throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("qcowfs-training");
    Thread server = new Thread(() -> run("mount", "-f", image, folder.toString()));
    server.setDaemon(true);
    server.start();
    Path disk = folder.resolve("disk.raw");
    while (server.isAlive() && !Files.exists(disk)) {
      server.join(10);
    }
    if (server.isAlive()) {
      Files.readAllBytes(disk);
      Files.readAllBytes(folder.resolve("map.json"));
      run("mounts");
      run("umount", "-l", folder.toString()); // without -l it would wait for our own end
      server.join();
    }
    Files.delete(folder);
  }
}
