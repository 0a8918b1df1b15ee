package org.qcowfs.engine.proof;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.engine.proof.GuestOperation.ApplySnapshot;
import org.qcowfs.engine.proof.GuestOperation.CreateSnapshot;
import org.qcowfs.engine.proof.GuestOperation.DeleteSnapshot;

/**
 * What the snapshots of an image must be, and since when and until when, in positions of a journal.
 */
final class LiveSnapshots {
  private static final int NEVER = Integer.MAX_VALUE;

  /** One snapshot; a change that began may be there, one that ended must be. */
  private static final class Entry {
    final String name;
    final byte[] content;
    int createBegan = -1;
    int createEnded = -1;
    int deleteBegan = NEVER;
    int deleteEnded = NEVER;

    Entry(String name, byte[] content) {
      this.name = name;
      this.content = content;
    }
  }

  private final List<Entry> entries = new ArrayList<>();

  LiveSnapshots(Map<String, byte[]> before) {
    before.forEach((name, content) -> entries.add(new Entry(name, content)));
  }

  private List<Entry> alive() {
    return entries.stream().filter(e -> e.deleteBegan == NEVER && e.createEnded != NEVER).toList();
  }

  /** The content of each snapshot there is now, by name. */
  Map<String, byte[]> contents() {
    Map<String, byte[]> contents = new java.util.TreeMap<>();
    alive().forEach(e -> contents.put(e.name, e.content));
    return contents;
  }

  /** Tells the journal's length. */
  @FunctionalInterface
  interface Clock {
    int position();
  }

  /**
   * Creates, deletes or applies a snapshot; other operations do nothing.
   *
   * @param now the disk's bytes
   * @return for an applied snapshot the disk's bytes from now on, else null
   * @throws ImageException as the image does; what failed may or may not be found after a crash
   */
  byte @Nullable [] request(Image image, GuestOperation operation, byte[] now, Clock clock)
      throws ImageException {
    List<Entry> alive = alive();
    if (operation instanceof CreateSnapshot create) {
      if (alive.stream().noneMatch(e -> e.name.equals(create.name()))) {
        create(image, create.name(), now, clock);
      }
    } else if (operation instanceof DeleteSnapshot delete && !alive.isEmpty()) {
      Entry entry = alive.get(delete.index() % alive.size());
      int began = clock.position();
      entry.deleteBegan = began;
      try {
        image.deleteSnapshot(info(image, entry.name));
      } catch (ImageException e) {
        if (e.kind() != ErrorKind.FAILED && find(image, entry.name) != null) {
          entry.deleteBegan = NEVER;
        }
        throw e;
      }
      entry.deleteEnded = clock.position();
    } else if (operation instanceof ApplySnapshot apply && !alive.isEmpty()) {
      Entry entry = alive.get(apply.index() % alive.size());
      image.applySnapshot(info(image, entry.name));
      return entry.content;
    }
    return null;
  }

  private void create(Image image, String name, byte[] now, Clock clock) throws ImageException {
    Entry entry = new Entry(name, now.clone());
    entry.createBegan = clock.position();
    entry.createEnded = NEVER;
    entries.add(entry);
    image.createSnapshot(name);
    entry.createEnded = clock.position();
  }

  /** Whether {@code operation} has nothing to do: no snapshot, or already one of that name. */
  boolean isVoid(GuestOperation operation) {
    if (operation instanceof CreateSnapshot create) {
      return alive().stream().anyMatch(e -> e.name.equals(create.name()));
    }
    return alive().isEmpty()
        && (operation instanceof DeleteSnapshot || operation instanceof ApplySnapshot);
  }

  private static SnapshotInfo info(Image image, String name) {
    SnapshotInfo info = find(image, name);
    if (info == null) {
      throw new AssertionError("no snapshot " + name + " in " + image.snapshots());
    }
    return info;
  }

  private static @Nullable SnapshotInfo find(Image image, String name) {
    return image.snapshots().stream().filter(s -> s.name().equals(name)).findFirst().orElse(null);
  }

  /**
   * Checks the snapshots of an image as a crash at {@code position} left it.
   *
   * @throws AssertionError if one is missing, should be gone, or holds something else
   */
  void verifyAfterCrash(Image image, int position) throws ImageException {
    List<String> found = image.snapshots().stream().map(SnapshotInfo::name).toList();
    for (Entry entry : entries) {
      boolean may = entry.createBegan < position && position <= entry.deleteEnded;
      boolean must = entry.createEnded <= position && position <= entry.deleteBegan;
      boolean shared =
          entries.stream()
              .anyMatch(e -> e != entry && e.name.equals(entry.name) && e.createBegan < position);
      if (must && !found.contains(entry.name)) {
        throw new AssertionError("snapshot " + entry.name + " is missing among " + found);
      }
      if (!may && !shared && found.contains(entry.name)) {
        throw new AssertionError("snapshot " + entry.name + " is there: " + found);
      }
      if (must || may && !shared && found.contains(entry.name)) {
        byte[] then = GuestDisk.readAll(image.snapshot(info(image, entry.name)));
        int at = Arrays.mismatch(then, entry.content);
        if (at >= 0) {
          throw new AssertionError(
              String.format("snapshot %s has changed at 0x%x", entry.name, at));
        }
      }
    }
  }

  /** Checks the snapshots of an image that was closed. */
  void verify(Image image) throws ImageException {
    verifyAfterCrash(image, NEVER - 1);
    List<String> found = image.snapshots().stream().map(SnapshotInfo::name).sorted().toList();
    if (!found.equals(List.copyOf(contents().keySet()))) {
      throw new AssertionError("snapshots " + found + "; expected " + contents().keySet());
    }
  }
}
