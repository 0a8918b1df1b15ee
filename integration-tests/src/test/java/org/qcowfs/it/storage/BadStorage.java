package org.qcowfs.it.storage;

import java.lang.ref.Reference;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.qcowfs.fuse.session.Session;
import org.qcowfs.fuse.stats.RequestStatistics;
import org.qcowfs.fuse.tree.FaultLog;
import org.qcowfs.fuse.tree.OpenFiles;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;

/**
 * A folder mounted a second time, read-only or for writing, with whatever {@link #faults} says to
 * be wrong with it.
 */
public final class BadStorage implements AutoCloseable {
  /** Requests served at once: as many can hang and still leave room for others. */
  public static final int WORKERS = 96;

  private final Path point;
  private final Session session;
  private final OpenFiles files;

  /** Its callbacks must live as long as the session. */
  private final ServedFolder served;

  private final Faults faults;

  private BadStorage(
      Path point, Session session, OpenFiles files, ServedFolder served, Faults faults) {
    this.point = point;
    this.session = session;
    this.files = files;
    this.served = served;
    this.faults = faults;
  }

  /** Mounts {@code folder} on the empty folder {@code point}, read-only, as an export may be. */
  public static BadStorage mount(Path folder, Path point) {
    return mount(folder, point, false);
  }

  /** Mounts {@code folder} on {@code point} so that its files can be written to. */
  public static BadStorage mountWritable(Path folder, Path point) {
    return mount(folder, point, true);
  }

  private static BadStorage mount(Path folder, Path point, boolean writable) {
    Requires.fuse();
    Faults faults = new Faults();
    OpenFiles files = new OpenFiles();
    ServedFolder served = new ServedFolder(folder, files, faults, writable);
    List<String> arguments = new ArrayList<>(List.of("badstorage", "-f", "-o"));
    arguments.add(
        // As many requests at a time as a network file system has under way.
        "use_ino,fsname=badstorage,subtype=badstorage,attr_timeout=0,entry_timeout=0,"
            + "max_background=256,congestion_threshold=256,"
            + (writable ? "rw" : "ro"));
    arguments.add(point.toString());
    Session session = Session.mount(arguments, served.table());
    if (session == null) {
      throw new AssertionError("could not mount " + folder + " on " + point);
    }
    session.start(files, null, new RequestStatistics(), new FaultLog(line -> {}), WORKERS);
    return new BadStorage(point, session, files, served, faults);
  }

  /** Where the folder's files are to be found. */
  public Path point() {
    return point;
  }

  /** The path of {@code name} here. */
  public Path path(String name) {
    return point.resolve(name);
  }

  /** Files that programs have open here now. */
  public int openFiles() {
    return files.count();
  }

  /** What is wrong. */
  public Faults faults() {
    return faults;
  }

  /** Heals everything and unmounts. */
  @Override
  public void close() {
    faults.heal();
    if (Mounted.isMountPoint(point)) {
      Run.ok("umount", "-l", point.toString());
    }
    try {
      session.await();
      session.close();
      Reference.reachabilityFence(served);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
