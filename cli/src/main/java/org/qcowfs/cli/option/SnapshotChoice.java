package org.qcowfs.cli.option;

import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.SnapshotInfo;

/** {@code -l}: which snapshot of a source is meant. */
public final class SnapshotChoice {
  private SnapshotChoice() {}

  /**
   * The disk at a snapshot: {@code snapshot.id=ID,snapshot.name=NAME}, or an id or a name.
   *
   * @param wanted as typed, or null for the disk itself
   */
  public static Image of(Image image, @Nullable String wanted)
      throws CommandException, ImageException {
    if (wanted == null) {
      return image;
    }
    SnapshotInfo found;
    if (wanted.startsWith("snapshot.")) {
      KeyValues values = KeyValues.parse(List.of(wanted));
      try {
        values.allowOnly(List.of("snapshot.id", "snapshot.name"), "");
      } catch (CommandException e) {
        throw new CommandException(
            e.getMessage() + "\nFailed in parsing snapshot param '" + Escape.text(wanted) + "'", e);
      }
      String id = values.text("snapshot.id");
      String name = values.text("snapshot.name");
      found =
          find(
              image,
              s -> (id == null || s.id().equals(id)) && (name == null || s.name().equals(name)));
    } else {
      found = find(image, s -> s.id().equals(wanted));
      found = found == null ? find(image, s -> s.name().equals(wanted)) : found;
    }
    if (found == null) {
      throw new CommandException("Failed to load snapshot: Can't find snapshot");
    }
    return image.snapshot(found);
  }

  private static @Nullable SnapshotInfo find(Image image, Predicate<SnapshotInfo> wanted) {
    return image.snapshots().stream().filter(wanted).findFirst().orElse(null);
  }
}
