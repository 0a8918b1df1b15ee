package org.qcowfs.cli.command;

import org.qcowfs.cli.option.CacheOption;
import org.qcowfs.cli.option.Options;
import org.qcowfs.cli.program.CommandException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParseResult;

/** The options of {@code convert}, and which of them exclude each other. */
final class ConvertSpec {
  private ConvertSpec() {}

  static CommandSpec create() {
    CommandSpec spec =
        Options.command(
            "convert",
            "Copies a disk, or several one after the other, into another image.",
            "qcowfs convert -p -c -O qcow2 vm.raw vm.qcow2",
            "Runs of zeroes are found and take no space. The source is only read.",
            "-o help lists what OPTIONS there are.");
    source(spec);
    target(spec);
    work(spec);
    return spec.addPositional(Options.operands("FILE... TARGET"));
  }

  private static void source(CommandSpec spec) {
    spec.addOption(
            Options.value("FORMAT", "The sources' format: qcow2 or raw; else it is probed.", "-f"))
        .addOption(
            Options.flag(
                "Each FILE is a list of options:"
                    + " driver=FORMAT,file.driver=file,file.filename=PATH.",
                "--image-opts"))
        .addOption(
            Options.value(
                "SNAPSHOT",
                "Copy the disk as it was at a snapshot: snapshot.id=ID,snapshot.name=NAME, or an id"
                    + " or name.",
                "-l"))
        .addOption(
            Options.flag(
                "Read the source even while another process writes to it.", "-U", "--force-share"))
        .addOption(
            Options.flag(
                "Go on after read errors: zeroes stand for what cannot be read.", "--salvage"))
        .addOption(Options.value(CacheOption.MODES, "Accepted as qemu-img does.", "-T"))
        .addOption(
            Options.values(
                "OBJECT", "Accepted as qemu-img does; only secrets, which go unused.", "--object"));
  }

  private static void target(CommandSpec spec) {
    spec.addOption(Options.value("FORMAT", "The target's format: qcow2 or raw (default).", "-O"))
        .addOption(
            Options.values(
                "OPTIONS", "Options of the target: key=value, with commas between.", "-o"))
        .addOption(Options.flag("Compress the clusters of the target, on all processors.", "-c"))
        .addOption(
            Options.file(
                "FILE", "The target's backing file: only what FILE has above it is copied.", "-B"))
        .addOption(Options.value("FORMAT", "The backing file's format.", "-F"))
        .addOption(Options.flag("Copy into a target that is there already.", "-n"))
        .addOption(
            Options.flag(
                "With -n: TARGET is a list of options, as with --image-opts.",
                "--target-image-opts"))
        .addOption(Options.flag("With -n: the target reads as zeroes already.", "--target-is-zero"))
        .addOption(
            Options.value(
                CacheOption.MODES,
                "unsafe (default) leaves it to the system when the target becomes durable; all"
                    + " others do that at the end.",
                "-t"))
        .addOption(Options.flag("Copy persistent bitmaps too.", "--bitmaps"))
        .addOption(
            Options.flag(
                "With --bitmaps: leave out those that were not saved properly.",
                "--skip-broken-bitmaps"));
  }

  private static void work(CommandSpec spec) {
    spec.addOption(
            Options.value(
                "SIZE",
                "Least run of zeroes that takes no space (default: 4k); 0 to allocate everything.",
                "-S"))
        .addOption(Options.value("COUNT", "Most threads at work, 1 to 16 (default: 8).", "-m"))
        .addOption(Options.flag("Write in any order.", "-W"))
        .addOption(
            Options.flag(
                "Share blocks with the sources where the host can: on one XFS or btrfs.", "-C"))
        .addOption(Options.value("RATE", "Most bytes a second.", "-r"))
        .addOption(Options.flag("Show progress.", "-p"))
        .addOption(Options.flag("Print nothing but errors.", "-q", "--quiet"));
  }

  /** Refuses what does not go together, in qemu-img's words. */
  static void check(ParseResult line) throws CommandException {
    if (Options.has(line, "-C")) {
      if (Options.has(line, "-c")) {
        throw new CommandException("Cannot enable copy offloading when -c is used");
      }
      if (Options.has(line, "-S")) {
        throw new CommandException("Cannot enable copy offloading when -S is used");
      }
      if (Options.has(line, "--salvage")) {
        throw new CommandException("Cannot use copy offloading in salvaging mode");
      }
    }
    if (Options.has(line, "--skip-broken-bitmaps") && !Options.has(line, "--bitmaps")) {
      throw new CommandException("Use of --skip-broken-bitmaps requires --bitmaps");
    }
    boolean existing = Options.has(line, "-n");
    if (Options.has(line, "--target-is-zero") && !existing) {
      throw new CommandException("--target-is-zero requires use of -n flag");
    }
    if (Options.has(line, "--target-image-opts") && !existing) {
      throw new CommandException("--target-image-opts requires use of -n flag");
    }
    if (existing && Options.has(line, "-o")) {
      throw new CommandException("-o has no effect when skipping image creation");
    }
  }
}
