package org.qcowfs.engine.testing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a disk must hold: the bytes now, and for each 512-byte sector the values a crash may leave.
 *
 * <p>Positions count the host's operations ({@link Journal#size()}). A value is lawful after a
 * crash at position {@code p} if it is the last one covered by a flush that had returned by then,
 * or was issued after that one and before {@code p}.
 */
public final class ReferenceDisk {
  public static final int SECTOR = 512;

  /** A sector's bytes from request number {@code request} on, which began at {@code position}. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  private record Version(int request, int position, byte[] bytes) {}

  /**
   * A flush that had returned by {@code position} and covers all requests up to {@code request}.
   */
  private record Flush(int position, int request) {}

  private final byte[] now;
  private final byte[] initial;
  private final @Nullable List<Version>[] history;
  private final List<Flush> flushes = new ArrayList<>();
  private int requests;

  /** A disk that durably holds {@code initial}. */
  @SuppressWarnings({"unchecked", "rawtypes"})
  public ReferenceDisk(byte[] initial) {
    this.initial = initial.clone();
    this.now = initial.clone();
    this.history = new List[(initial.length + SECTOR - 1) / SECTOR];
  }

  public int size() {
    return now.length;
  }

  /** The bytes now; not to be changed. */
  public byte[] now() {
    return now;
  }

  /** A write that begins at {@code position}. */
  public void write(int position, long offset, byte[] data) {
    System.arraycopy(data, 0, now, (int) offset, data.length);
    changed(position, offset, data.length);
  }

  /** A request to read as zeroes that begins at {@code position}. */
  public void zero(int position, long offset, long length) {
    Arrays.fill(now, (int) offset, (int) (offset + length), (byte) 0);
    changed(position, offset, length);
  }

  private void changed(int position, long offset, long length) {
    requests++;
    for (int s = (int) (offset / SECTOR); (long) s * SECTOR < offset + length; s++) {
      List<Version> versions = history[s];
      if (versions == null) {
        versions = new ArrayList<>(2);
        history[s] = versions;
      }
      int from = s * SECTOR;
      int to = Math.min(from + SECTOR, now.length);
      versions.add(new Version(requests, position, Arrays.copyOfRange(now, from, to)));
    }
  }

  /**
   * A write or zero request that failed: each byte of the range may be old or new.
   *
   * @param wanted what the range would hold
   * @param found what the range holds now
   * @throws AssertionError if a byte is neither
   */
  public void failed(int position, long offset, byte[] wanted, byte[] found) {
    for (int i = 0; i < wanted.length; i++) {
      byte old = now[(int) offset + i];
      if (found[i] != old && found[i] != wanted[i]) {
        throw new AssertionError(
            String.format(
                "after a failed request byte 0x%x is %02x; expected the old %02x or the new %02x",
                offset + i, found[i], old, wanted[i]));
      }
    }
    write(position, offset, wanted); // any of it may surface until the next flush
    write(position, offset, found);
  }

  /** The requests so far: what a flush that begins now covers. */
  public int requests() {
    return requests;
  }

  /** A flush that covers the first {@code covered} requests has returned at {@code position}. */
  public void flushed(int position, int covered) {
    flushes.add(new Flush(position, covered));
  }

  /**
   * Checks what the disk holds without a crash.
   *
   * @throws AssertionError naming the first byte that differs
   */
  public void verify(long offset, byte[] found) {
    int at =
        Arrays.mismatch(now, (int) offset, (int) offset + found.length, found, 0, found.length);
    if (at >= 0) {
      throw new AssertionError(
          String.format(
              "byte 0x%x is %02x; expected %02x", offset + at, found[at], now[(int) offset + at]));
    }
  }

  /**
   * Checks what the disk holds after a crash at {@code position}.
   *
   * @throws AssertionError naming the first sector that holds an unlawful value
   */
  public void verifyAfterCrash(int position, byte[] found) {
    int covered = 0;
    for (Flush flush : flushes) {
      if (flush.position <= position) {
        covered = Math.max(covered, flush.request);
      }
    }
    for (int s = 0; s < history.length; s++) {
      if (!lawful(s, position, covered, found)) {
        throw new AssertionError(
            String.format(
                "sector %d (guest offset 0x%x) holds %s after a crash at position %d: %s",
                s, s * SECTOR, describe(s, found), position, lawfulValues(s, position, covered)));
      }
    }
  }

  private boolean lawful(int s, int position, int covered, byte[] found) {
    List<Version> versions = history[s];
    byte[] base = null;
    if (versions != null) {
      for (Version version : versions) {
        if (version.request <= covered) {
          base = version.bytes;
        } else if (version.position < position && same(s, version.bytes, 0, found)) {
          return true;
        }
      }
    }
    return base == null ? same(s, initial, s * SECTOR, found) : same(s, base, 0, found);
  }

  private boolean same(int s, byte[] value, int at, byte[] found) {
    int from = s * SECTOR;
    int n = Math.min(SECTOR, now.length - from);
    return Arrays.equals(value, at, at + n, found, from, from + n);
  }

  private String describe(int s, byte[] found) {
    int from = s * SECTOR;
    int to = Math.min(from + SECTOR, now.length);
    byte[] value = Arrays.copyOfRange(found, from, to);
    String known = "bytes never written there";
    if (Arrays.equals(value, new byte[value.length])) {
      known = "zeroes";
    } else if (same(s, initial, from, found)) {
      known = "the initial bytes";
    }
    List<Version> versions = history[s];
    if (versions != null) {
      for (Version version : versions) {
        if (Arrays.equals(version.bytes, value)) {
          known = "request " + version.request + "'s bytes";
        }
      }
    }
    return known;
  }

  private String lawfulValues(int s, int position, int covered) {
    StringBuilder out = new StringBuilder("expected ");
    List<Version> versions = history[s];
    String base = "the initial bytes";
    StringBuilder later = new StringBuilder();
    if (versions != null) {
      for (Version version : versions) {
        if (version.request <= covered) {
          base = "request " + version.request + " (flushed)";
        } else if (version.position < position) {
          later.append(" or request ").append(version.request);
        }
      }
    }
    return out.append(base).append(later).toString();
  }
}
