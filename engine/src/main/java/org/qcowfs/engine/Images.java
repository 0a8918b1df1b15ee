package org.qcowfs.engine;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.chain.BackingPath;
import org.qcowfs.engine.chain.ChainOpener;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.OpenFiles;
import org.qcowfs.engine.model.CreateOptions;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.qcow2.Qcow2Creator;
import org.qcowfs.engine.raw.RawCreator;

/** The first file to read: opens images. */
public final class Images {
  private Images() {}

  /**
   * Opens an image and, if asked to, the chain below it.
   *
   * @param path a regular file or block device
   * @throws ImageException with one line that says what is wrong; nothing stays open then
   */
  public static Image open(String path, OpenOptions options) throws ImageException {
    return open(path, options, HostFiles.POSIX);
  }

  /** As {@link #open(String, OpenOptions)}, with the files taken from {@code files}. */
  public static Image open(String path, OpenOptions options, HostFiles files)
      throws ImageException {
    return Image.over(ChainOpener.open(path, options, files));
  }

  /**
   * Opens the upper part of a chain to read it: what no layer of it has reads as zeroes.
   *
   * @param layers how many, at least 1
   */
  public static Image openUpper(String path, OpenOptions options, int layers, HostFiles files)
      throws ImageException {
    return Image.over(ChainOpener.open(path, options.withWritable(false), layers, files));
  }

  /**
   * Creates an empty qcow2 image, and its external data file if it is to have one.
   *
   * @param path where; nothing may be there yet
   * @throws ImageException kind {@code UNSUPPORTED} for options that do not go together, {@code IO}
   *     with errno {@code EEXIST} if the file exists; no file is left behind then
   */
  public static void create(String path, CreateOptions options) throws ImageException {
    Qcow2Creator.validate(path, options);
    fill(path, HostFiles.POSIX.createNew(path), file -> writeQcow2(file, options));
  }

  /**
   * As {@link #create}, in the place of what is there: a file that nobody uses, or a block device.
   *
   * @throws ImageException kind {@code IN_USE} if another process uses the file, which is then
   *     unchanged; after any other failure to write it, it is gone
   */
  public static void replace(String path, CreateOptions options) throws ImageException {
    Qcow2Creator.validate(path, options);
    refuseOwnBacking(path, options.backingName());
    fill(path, emptied(path), file -> writeQcow2(file, options));
  }

  /**
   * Creates a raw image of zeroes, in the place of what is there; a block device keeps what it has.
   *
   * @param size bytes
   * @throws ImageException as {@link #replace}
   */
  public static void replaceRaw(String path, long size, Preallocation preallocation)
      throws ImageException {
    RawCreator.validate(path, preallocation);
    fill(path, emptied(path), file -> RawCreator.create(file, size, preallocation));
  }

  /** An image must not take the place of its backing file, whatever that is called. */
  private static void refuseOwnBacking(String path, @Nullable String name) throws ImageException {
    boolean isSame = false;
    try {
      Path file = Path.of(path);
      isSame = name != null && Files.isSameFile(file, file.resolveSibling(name));
    } catch (IOException | InvalidPathException e) {
      // One of them is not there, or no file.
    }
    if (isSame) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          path,
          "Error: Trying to create an image with the same filename as the backing file");
    }
  }

  /** What is done to a new file. */
  @FunctionalInterface
  private interface Filler {
    void fill(HostFile file) throws ImageException;
  }

  private static void writeQcow2(HostFile file, CreateOptions options) throws ImageException {
    String dataFile = options.dataFile();
    if (dataFile == null) {
      Qcow2Creator.create(file, null, options);
      return;
    }
    String path = BackingPath.newDataFile(file.path(), dataFile);
    fill(path, emptied(path), data -> Qcow2Creator.create(file, data, options));
  }

  private static HostFile emptied(String path) throws ImageException {
    HostFile file = HostFiles.POSIX.openOrCreate(path);
    try {
      HostFiles.POSIX.lock(file, false, line -> {});
      if (OpenFiles.count(path) > 1) {
        throw new ImageException(
            ErrorKind.IN_USE, path, "the file is being read here: it cannot be replaced");
      }
      if (file.resizable()) {
        file.truncate(0);
        if (file.length() != 0) {
          // A mounted disk, for one. What it has would show through where a new image has nothing.
          throw new ImageException(
              ErrorKind.UNSUPPORTED,
              path,
              "the file cannot be emptied: it keeps its "
                  + file.length()
                  + " bytes when it is cut; 'convert -n' writes into it");
        }
      }
      return file;
    } catch (ImageException e) {
      file.close();
      throw e;
    }
  }

  private static void fill(String path, HostFile file, Filler filler) throws ImageException {
    boolean filled = false;
    try {
      filler.fill(file);
      filled = true;
    } finally {
      boolean removable = file.resizable();
      file.close();
      if (!filled && removable) {
        HostFiles.POSIX.delete(path);
      }
    }
  }
}
