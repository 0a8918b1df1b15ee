package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.host.storage.StorageFiles;
import org.qcowfs.engine.model.BackingPolicy;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;

/** Opens a qcow2 overlay above an image, which is opened for reading only. */
final class Overlay {
  private static final Path DEFAULT_FOLDER = Path.of("/var/tmp");

  private Overlay() {}

  /**
   * Opens {@code file} for writing, after making it if it is not there.
   *
   * @param wanted what a new one is to be; null for the defaults
   * @param options how to open {@code base}
   * @param files where files are opened once it is known what they are
   * @throws CommandException if {@code file} is something else; nothing has changed then
   * @throws ImageException if one of the two cannot be opened, by itself or because it is in use
   */
  static Image open(
      Path file,
      Path base,
      @Nullable OverlayOptions wanted,
      OpenOptions options,
      StorageFiles files)
      throws ImageException, CommandException {
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      return create(file, base, wanted == null ? OverlayOptions.DEFAULT : wanted, options, files);
    }
    if (wanted != null) {
      throw new CommandException(
          "--overlay-options is for a new overlay, and " + shown(file) + " exists");
    }
    requireOverlayOf(file, base, options, files);
    inspect(base, options, files);
    // What there is to say of the layers below has been said; a repair of the overlay is news.
    String own = Escape.text(file.toString());
    OpenOptions news =
        above(options)
            .withWarnings(
                line -> {
                  if (line.startsWith(own)) {
                    options.warnings().accept(line);
                  }
                });
    return Images.open(file.toString(), news, files);
  }

  /** Opens a new overlay without a name: it is gone when the process ends, however that comes. */
  static Image openTemporary(
      Path base, OverlayOptions wanted, OpenOptions options, StorageFiles files)
      throws ImageException, CommandException {
    String named = System.getenv("TMPDIR");
    Path folder = named == null || named.isEmpty() ? DEFAULT_FOLDER : Path.of(named);
    Path hidden;
    try {
      // Nobody else may open it in the moment in which it has a name.
      hidden = Files.createTempDirectory(folder.toAbsolutePath(), "qcowfs-");
    } catch (IOException e) {
      throw new CommandException(
          "Could not open a temporary overlay in "
              + shown(folder)
              + ": "
              + (e instanceof NoSuchFileException
                  ? "No such file or directory"
                  : Escape.text("" + e)));
    }
    Path file = hidden.resolve("overlay.qcow2");
    try {
      return create(file, base, wanted, options, files);
    } finally {
      unlink(file);
      unlink(hidden);
    }
  }

  private static void unlink(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      // It is in a folder of ours, and only the room is lost.
    }
  }

  private static Image create(
      Path file, Path base, OverlayOptions wanted, OpenOptions options, StorageFiles files)
      throws ImageException {
    ImageInfo below = inspect(base, options, files);
    long size = wanted.size() < 0 ? below.virtualSize() : wanted.size();
    Images.create(
        file.toString(),
        CreateOptions.ofSize(size)
            .withClusterSize(wanted.clusterSize())
            .withExtendedL2(wanted.extendedL2())
            .withBacking(base.toString(), below.format()));
    try {
      return Images.open(file.toString(), above(options), files);
    } catch (ImageException | RuntimeException e) {
      try {
        Files.deleteIfExists(file);
      } catch (IOException e2) {
        e.addSuppressed(e2);
      }
      throw e;
    }
  }

  /** Opens the image and what it stands on, as the user wants that done, and closes it again. */
  private static ImageInfo inspect(Path base, OpenOptions options, StorageFiles files)
      throws ImageException {
    try (Image image = Images.open(base.toString(), options, files.forLook())) {
      return image.info();
    }
  }

  /** The policy for implicit opens has been kept by {@link #inspect}; the overlay is our own. */
  private static OpenOptions above(OpenOptions options) {
    return options
        .withFormat("qcow2")
        .withWritable(true)
        .withBackingPolicy(BackingPolicy.ANY)
        .withWarnings(line -> {});
  }

  private static void requireOverlayOf(
      Path file, Path base, OpenOptions options, StorageFiles files)
      throws CommandException, ImageException {
    String reason;
    try (Image image = Images.open(file.toString(), options.withFormat("qcow2").forDescription())) {
      String name = image.info().backingName();
      Path folder = file.toAbsolutePath().getParent();
      if (name != null
          && folder != null
          && files.ask(base.toString(), () -> isSameFile(folder.resolve(name), base))) {
        return;
      }
      reason =
          name == null
              ? "it has no backing file"
              : "its backing file is '" + Escape.text(name) + "'";
    } catch (ImageException e) {
      if (e.kind() == ErrorKind.IN_USE || e.errno() == Errno.ETIMEDOUT) {
        throw e;
      }
      reason = e.detail();
    } catch (RuntimeException e) {
      reason = Escape.text("" + e);
    }
    throw new CommandException(
        shown(file) + " exists and is no overlay of " + shown(base) + ": " + reason);
  }

  private static boolean isSameFile(Path one, Path other) throws ImageException {
    try {
      return Files.isSameFile(one, other);
    } catch (IOException e) {
      throw new ImageException(ErrorKind.IO, one.toString(), Escape.text("" + e), e);
    }
  }

  private static String shown(Path file) {
    return "'" + Escape.text(file.toString()) + "'";
  }
}
