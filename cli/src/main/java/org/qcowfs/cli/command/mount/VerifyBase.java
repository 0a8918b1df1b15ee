package org.qcowfs.cli.command.mount;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.base.BaseRecord;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.storage.StorageFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Qcow2Info;

/** {@code --verify-base}: the files below are those that were recorded beside the top one. */
final class VerifyBase {
  static final String NAME = "--verify-base";
  private static final String RECORD = "record";

  private final BaseRecord found;
  private final Path place;
  private final boolean toRecord;

  private VerifyBase(BaseRecord found, Path place, boolean toRecord) {
    this.found = found;
    this.place = place;
    this.toRecord = toRecord;
  }

  /**
   * Looks at the files below, before anything is opened for writing.
   *
   * @param mode the option's value: empty, or {@code record} to accept what is there
   * @param overlay what is put above {@code image}, or null
   * @param files where they are opened
   * @throws CommandException if a file is not the recorded one
   */
  static VerifyBase check(
      String mode, Path image, @Nullable Path overlay, OpenOptions options, StorageFiles files)
      throws CommandException, ImageException {
    if (!mode.isEmpty() && !mode.equals(RECORD)) {
      throw new CommandException(
          NAME + ": '" + Escape.text(mode) + "' is nothing it takes; expected " + RECORD);
    }
    Path top = overlay == null ? image : overlay;
    Path place = BaseRecord.beside(top);
    try {
      BaseRecord found =
          BaseRecord.of(filesBelow(image, overlay != null, options, files), files.forLook());
      boolean toRecord = mode.equals(RECORD) || !Files.exists(top) || !Files.exists(place);
      String changed = toRecord ? "" : found.differencesFrom(place);
      if (!changed.isEmpty()) {
        throw new CommandException(
            "The base has changed since "
                + shown(place)
                + " was written: "
                + changed
                + "; "
                + NAME
                + "="
                + RECORD
                + " accepts it as it is");
      }
      return new VerifyBase(found, place, toRecord);
    } catch (IOException e) {
      if (e instanceof ImageException known) {
        throw known;
      }
      throw new CommandException(NAME + ": " + shown(place) + ": " + Escape.text("" + e));
    }
  }

  private static List<Path> filesBelow(
      Path image, boolean itself, OpenOptions options, StorageFiles storage)
      throws ImageException, CommandException {
    List<Path> files = new ArrayList<>();
    try (Image disk =
        Images.open(image.toString(), options.withWarnings(line -> {}), storage.forLook())) {
      for (int depth = itself ? 0 : 1; depth < disk.depth(); depth++) {
        Path file = Path.of(disk.path(depth)).toAbsolutePath();
        files.add(file);
        Qcow2Info info = disk.info(depth).qcow2();
        if (info != null && info.dataFile() != null) {
          files.add(file.resolveSibling(info.dataFile()));
        }
      }
    }
    if (files.isEmpty()) {
      throw new CommandException(NAME + ": the image has no backing file");
    }
    return files;
  }

  /** Writes the record, if there is none yet or a new one was asked for. */
  void record() throws CommandException {
    if (toRecord) {
      try {
        found.write(place);
      } catch (IOException e) {
        throw new CommandException(
            NAME + ": could not write " + shown(place) + ": " + Escape.text("" + e));
      }
    }
  }

  private static String shown(Path file) {
    return "'" + Escape.text(file.toString()) + "'";
  }
}
