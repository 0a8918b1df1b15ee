package org.qcowfs.cli.command.mount;

import org.qcowfs.cli.option.Options;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.fuse.tree.CacheMode;
import org.qcowfs.fuse.tree.DetectZeroes;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The options of {@code mount}. */
final class MountSpec {
  private MountSpec() {}

  static CommandSpec create() {
    CommandSpec spec =
        Options.command(
            "mount",
            "Mounts an image on an empty folder, which then holds the disk (disk.raw), its"
                + " description (info.json, map.json, check.json), one folder per snapshot"
                + " (snapshots/) and one per layer of the backing chain (layers/).",
            "qcowfs mount vm.qcow2 /mnt/vm",
            "On an empty regular file it mounts the flat disk alone. Without --rw nothing is ever"
                + " written to the image.");
    image(spec);
    writing(spec);
    BaseOptions.addTo(spec);
    StorageOptions.addTo(spec);
    process(spec);
    return spec.addPositional(Options.operands("IMAGE DIR"));
  }

  private static void image(CommandSpec spec) {
    spec.addOption(
            Options.value(
                "FMT", "The image's format: qcow2 or raw (default: found out).", "--format"))
        .addOption(
            Options.flag(
                "Read even while another program writes to the image.", "-U", "--force-share"))
        .addOption(
            converted(
                BackingPolicy.class,
                new BackingPolicyConverter(),
                "POLICY",
                "Which other files the image may have opened: any, same-dir or deny (default:"
                    + " any).",
                "--backing"))
        .addOption(
            converted(
                Long.class,
                new ByteSizeConverter(),
                "SIZE",
                "Memory for the image's tables, in bytes or with k, M, G (default: 32M).",
                "--l2-cache-size"));
  }

  private static void writing(CommandSpec spec) {
    spec.addOption(Options.flag("Let disk.raw be written to: into the image itself.", "--rw"))
        .addOption(
            OptionSpec.builder("--overlay")
                .type(String.class)
                .arity("0..1")
                .preprocessor(new AttachedValue())
                .paramLabel("FILE")
                .description(
                    "Let disk.raw be written to: into the qcow2 overlay FILE above the image, made"
                        + " if it is not there. The image is never opened for writing.",
                    "Without =FILE the overlay is a temporary one in $TMPDIR (/var/tmp), gone after"
                        + " the unmount.")
                .build())
        .addOption(
            converted(
                OverlayOptions.class,
                new OverlayOptionsConverter(),
                "OPTIONS",
                "For a new overlay: cluster_size=SIZE, extended_l2=on|off, size=SIZE, with commas"
                    + " between.",
                "--overlay-options"))
        .addOption(
            converted(
                CacheMode.class,
                new CacheModeConverter(),
                "MODE",
                "writeback (default), writethrough, none, directsync or unsafe, as for QEMU. In the"
                    + " first and the last the kernel reports a write past the end of the disk at"
                    + " fsync or close.",
                "--cache"))
        .addOption(
            converted(
                Discard.class,
                new DiscardConverter(),
                "MODE",
                "Whether holes punched into disk.raw free space: unmap (default) or ignore.",
                "--discard"))
        .addOption(
            converted(
                DetectZeroes.class,
                new DetectZeroesConverter(),
                "MODE",
                "Store written zeroes as zeroes: off (default), on, or unmap to free space.",
                "--detect-zeroes"))
        .addOption(
            Options.flag(
                "Let the disk grow: by a write behind its end, truncate -s or fallocate. It never"
                    + " shrinks.",
                "--growable"));
  }

  private static void process(CommandSpec spec) {
    spec.addOption(
            Options.flag("Stay in the foreground; log to the terminal.", "-f", "--foreground"))
        .addOption(
            Options.values(
                "OPTIONS",
                "Mount options of mount(8) and libfuse, such as allow_other, uid=1000.",
                "-o"))
        .addOption(
            Options.file(
                "FILE",
                "Write the serving process's number here; removed when it ends.",
                "--pid-file"))
        .addOption(
            Options.file(
                "FILE",
                "Append errors here when in the background (default: the system log).",
                "--log-file"))
        .addOption(
            Options.value(
                "[HOST:]PORT",
                "Answer Prometheus on http://HOST:PORT/metrics (default host: this machine only)"
                    + " for as long as the mount is there.",
                "--metrics"))
        .addOption(
            Options.flag(
                "Say what is mounted, by which process, and where its log goes.",
                "-v",
                "--verbose"));
  }

  private static <T> OptionSpec converted(
      Class<T> type, ITypeConverter<T> converter, String label, String help, String name) {
    return OptionSpec.builder(name)
        .type(type)
        .converters(converter)
        .arity("1")
        .paramLabel(label)
        .description(help)
        .build();
  }
}
