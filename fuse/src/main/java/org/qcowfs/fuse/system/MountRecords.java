package org.qcowfs.fuse.system;

import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.BasicFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.host.posix.PosixCalls;

/**
 * One file per mount, written by the process that serves it: {@code $XDG_RUNTIME_DIR/qcowfs}, for
 * root {@code /run/qcowfs}, else {@code ~/.cache/qcowfs}. They are a convenience: a mount without
 * one still unmounts.
 */
public final class MountRecords {
  private static final Path SYSTEM = Path.of("/run/qcowfs");
  private static final Path USERS = Path.of("/run/user");
  private static final String SUFFIX = ".mount";
  private static final int MOST_BYTES = 64 << 10;

  private MountRecords() {}

  /** The folder this user's records (and logs, without a syslog) go to. */
  public static Path folder() {
    String runtime = System.getenv("XDG_RUNTIME_DIR");
    // Owned, not only writable: root with another user's environment would write where that user
    // may have put a link.
    if (runtime != null && !runtime.isEmpty() && isOwn(Path.of(runtime))) {
      return Path.of(runtime, "qcowfs");
    }
    if (PosixCalls.geteuid() == 0) {
      return SYSTEM;
    }
    String cache = System.getenv("XDG_CACHE_HOME");
    return cache != null && !cache.isEmpty()
        ? Path.of(cache, "qcowfs")
        : Path.of(System.getProperty("user.home", "/"), ".cache", "qcowfs");
  }

  private static boolean isOwn(Path folder) {
    try {
      return Files.getAttribute(folder, "unix:uid").equals(PosixCalls.geteuid());
    } catch (IOException | UnsupportedOperationException e) {
      return false;
    }
  }

  /** Makes {@link #folder()} if it is not there. */
  public static Path makeFolder() throws IOException {
    Path folder = folder();
    Files.createDirectories(
        folder, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
    return folder;
  }

  /**
   * Writes a record and returns its file. It is there as a whole or not at all: what says of no
   * living process that it serves is deleted by whoever reads it.
   */
  public static Path write(MountRecord record) throws IOException {
    Properties properties = new Properties();
    properties.setProperty("pid", Long.toString(record.pid()));
    properties.setProperty("started", record.started());
    properties.setProperty("image", record.image());
    properties.setProperty("mount-point", record.mountPoint());
    properties.setProperty("device", record.device());
    properties.setProperty("log", record.log());
    Path folder = makeFolder();
    Path begun = folder.resolve(record.pid() + ".new");
    try (Writer out = Files.newBufferedWriter(begun)) {
      properties.store(out, null);
    }
    return Files.move(begun, folder.resolve(record.pid() + SUFFIX), StandardCopyOption.ATOMIC_MOVE);
  }

  /**
   * Leaves word, for who waits for the process of {@code record} to end, that not everything
   * written is in the image.
   */
  public static void writeFailure(MountRecord record, String message) throws IOException {
    Files.writeString(failureFile(makeFolder(), record), message);
  }

  /** What {@link #writeFailure} left, which is gone then; null if nothing. */
  public static @Nullable String takeFailure(MountRecord record) {
    for (Path folder : List.of(folder(), SYSTEM)) {
      Path file = failureFile(folder, record);
      try {
        String message = Files.readString(file);
        Files.deleteIfExists(file);
        return message;
      } catch (IOException e) {
        // None here.
      }
    }
    return null;
  }

  /** Its name has the time of the process's start, so that no later process is meant. */
  private static Path failureFile(Path folder, MountRecord record) {
    String started = record.started().replaceAll("[^0-9A-Za-z]", "");
    return folder.resolve(record.pid() + "-" + started + ".failed");
  }

  /** The record of the mount at {@code entry}, or null. */
  public static @Nullable MountRecord of(MountTable.Entry entry) {
    for (MountRecord record : all()) {
      if (record.device().equals(entry.device())
          && record.mountPoint().equals(entry.mountPoint())) {
        return record;
      }
    }
    return null;
  }

  /** Every record this user may read. */
  public static List<MountRecord> all() {
    List<Path> folders = new ArrayList<>(List.of(folder()));
    if (!folders.contains(SYSTEM)) {
      folders.add(SYSTEM);
    }
    try (DirectoryStream<Path> users = Files.newDirectoryStream(USERS)) {
      for (Path user : users) {
        Path theirs = user.resolve("qcowfs");
        if (!folders.contains(theirs)) {
          folders.add(theirs);
        }
      }
    } catch (IOException e) {
      // No login manager here.
    }
    List<MountRecord> records = new ArrayList<>();
    Path own = folder();
    folders.forEach(folder -> read(folder, folder.equals(own), records));
    return records;
  }

  private static void read(Path folder, boolean isOwn, List<MountRecord> records) {
    try (DirectoryStream<Path> files = Files.newDirectoryStream(folder, "*" + SUFFIX)) {
      for (Path file : files) {
        MountRecord record = isSmallFile(file) ? read(file) : null;
        if (record != null && record.isServed()) {
          records.add(record);
        } else if (isOwn && (record == null || !record.mayStillServe())) {
          // Left by a process that was killed. Never in another user's folder: it may be a link.
          Files.deleteIfExists(file);
        }
      }
    } catch (IOException e) {
      // Not there, or another user's.
    }
  }

  /** Another user's folder may hold anything: a FIFO would keep us waiting. */
  private static boolean isSmallFile(Path file) throws IOException {
    BasicFileAttributes attributes =
        Files.readAttributes(file, BasicFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
    return attributes.isRegularFile() && attributes.size() <= MOST_BYTES;
  }

  private static @Nullable MountRecord read(Path file) throws IOException {
    Properties properties = new Properties();
    try (Reader in = Files.newBufferedReader(file)) {
      properties.load(in);
      return new MountRecord(
          Long.parseLong(properties.getProperty("pid", "0")),
          properties.getProperty("started", ""),
          properties.getProperty("image", ""),
          properties.getProperty("mount-point", ""),
          properties.getProperty("device", ""),
          properties.getProperty("log", ""));
    } catch (IllegalArgumentException e) {
      return null;
    }
  }
}
