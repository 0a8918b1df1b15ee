package org.qcowfs.engine.testing;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;

/**
 * Makes the files that a crash could leave, from the files before and the journal since.
 *
 * <p>Goes forward only: {@link #advance} does one more operation; {@link #killed} are the files
 * after a crash of the process then (everything done is there), {@link #powerCut} after a power
 * cut: what was done to a file since its last sync may be there or not, each 512-byte sector for
 * itself.
 */
public final class CrashReplay {
  private static final int SECTOR = 512;

  private final List<HostOperation> journal;
  private final Map<String, MemoryContent> done = new TreeMap<>();
  private final Map<String, MemoryContent> durable = new TreeMap<>();
  private final Map<String, List<HostOperation>> pending = new TreeMap<>();
  private int position;

  /** Takes the files as they were when the journal began; all of that is durable. */
  public CrashReplay(Map<String, MemoryContent> before, List<HostOperation> journal) {
    this.journal = journal;
    before.forEach(
        (path, content) -> {
          done.put(path, content.copy());
          durable.put(path, content.copy());
          pending.put(path, new ArrayList<>());
        });
  }

  /** Operations done. */
  public int position() {
    return position;
  }

  /** Does the next operation; returns false where there is none. */
  public boolean advance() {
    if (position == journal.size()) {
      return false;
    }
    HostOperation operation = journal.get(position++);
    MemoryContent content = done.computeIfAbsent(operation.path(), p -> new MemoryContent());
    List<HostOperation> since = pending.computeIfAbsent(operation.path(), p -> new ArrayList<>());
    operation.applyTo(content);
    if (operation.kind() == HostOperation.Kind.SYNC) {
      since.clear();
      durable.put(operation.path(), content.copy());
    } else {
      since.add(operation);
    }
    return true;
  }

  /** Operations that a power cut now could undo. */
  public int pending() {
    return pending.values().stream().mapToInt(List::size).sum();
  }

  /** The files if the process dies now. */
  public MemoryHostFiles killed() {
    MemoryHostFiles files = new MemoryHostFiles();
    done.forEach((path, content) -> files.put(path, content.copy()));
    return files;
  }

  /** The files after one of the possible power cuts. */
  public MemoryHostFiles powerCut(Random random) {
    MemoryHostFiles files = new MemoryHostFiles();
    Chooser chooser = new Chooser(random, pending());
    durable.forEach(
        (path, content) -> {
          MemoryContent left = content.copy();
          MemoryContent all = content.copy();
          for (HostOperation operation : pending.getOrDefault(path, List.of())) {
            operation.applyTo(all);
            keep(operation, all, left, chooser.keep(), random);
          }
          files.put(path, left);
        });
    return files;
  }

  /** Which operations survive: few, half, most, all but one, or just one of them. */
  private static final class Chooser {
    private final Random random;
    private final double share;
    private final int special;
    private final boolean specialKept;
    private int next;

    Chooser(Random random, int count) {
      this.random = random;
      int style = random.nextInt(6);
      share = new double[] {0.1, 0.5, 0.9, 0.5, 1, 0}[style];
      specialKept = style == 5;
      special = style >= 4 && count > 0 ? random.nextInt(count) : -1;
    }

    boolean keep() {
      int index = next++;
      return index == special ? specialKept : random.nextDouble() < share;
    }
  }

  /**
   * Copies what {@code operation} did from {@code all} to {@code left}, whole or torn. Sectors are
   * copied, not the operation repeated: a sector reaches the disk with everything that was in it.
   */
  private static void keep(
      HostOperation operation, MemoryContent all, MemoryContent left, boolean keep, Random random) {
    if (operation.kind() == HostOperation.Kind.TRUNCATE) {
      if (keep) {
        left.truncate(operation.offset());
      }
      return;
    }
    long first = operation.offset() / SECTOR;
    long end = (operation.offset() + operation.length() + SECTOR - 1) / SECTOR;
    if (end - first > 1 && random.nextInt(4) == 0) {
      // Torn: one end of it survives; a kept one loses, a lost one keeps a part.
      long cut = first + 1 + (long) (random.nextDouble() * (end - first - 1));
      if (random.nextBoolean()) {
        end = cut;
      } else {
        first = cut;
      }
    } else if (!keep) {
      return;
    }
    long limit = Math.min(end * SECTOR, all.length());
    byte[] sector = new byte[SECTOR];
    java.nio.ByteBuffer buffer = java.nio.ByteBuffer.wrap(sector);
    for (long at = first * SECTOR; at < limit; at += SECTOR) {
      int n = (int) Math.min(SECTOR, all.length() - at);
      all.read(at, buffer, 0, n);
      left.write(at, buffer, 0, n);
    }
  }
}
