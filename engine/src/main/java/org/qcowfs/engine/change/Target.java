package org.qcowfs.engine.change;

import java.io.Closeable;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.chain.BackingPath;
import org.qcowfs.engine.chain.FormatProbe;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.check.DirtyImage;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;

/** One image file, without its chain: open, as a rule for writing, and locked. */
final class Target implements Closeable {
  final HostFile file;
  final OpenOptions options;
  final HostFiles files;

  /** {@code qcow2} or {@code raw}. */
  final String format;

  private Target(HostFile file, String format, OpenOptions options, HostFiles files) {
    this.file = file;
    this.format = format;
    this.options = options;
    this.files = files;
  }

  /** Opens {@code path} in the format the options name, or the one that is found. */
  static Target open(String path, OpenOptions options, HostFiles files) throws ImageException {
    return open(path, true, options, files);
  }

  /** As {@link #open(String, OpenOptions, HostFiles)}, only to be read. */
  static Target openToRead(String path, OpenOptions options, HostFiles files)
      throws ImageException {
    return open(path, false, options, files);
  }

  private static Target open(String path, boolean writable, OpenOptions options, HostFiles files)
      throws ImageException {
    HostFile file = files.open(path, writable);
    try {
      files.lock(file, false, options.warnings());
      String given = options.format();
      String format = given == null ? FormatProbe.probe(file) : given;
      if (!format.equals("qcow2") && !format.equals("raw")) {
        throw new ImageException(
            ErrorKind.UNSUPPORTED,
            path,
            "Unknown driver '" + Escape.text(format) + "'; expected qcow2 or raw");
      }
      if (writable && format.equals("qcow2")) {
        DirtyImage.repair(file, options.warnings());
      }
      return new Target(file, format, options, files);
    } catch (ImageException | RuntimeException e) {
      file.close();
      throw e;
    }
  }

  /** For reading the same image, with its chain, while this one has it locked. */
  OpenOptions reading() {
    return options.withFormat(format).withWritable(false).withForceShare(true);
  }

  /** The external data file, open for writing and locked, or null if the image has none. */
  @Nullable HostFile openDataFile() throws ImageException {
    Header header = Qcow2Opener.readHeader(file);
    String name = header.extensionText(HeaderExtension.DATA_FILE);
    if (!header.has(IncompatibleFeature.EXTERNAL_DATA_FILE) || name == null) {
      return null;
    }
    String path =
        BackingPath.dataFile(file.path(), name, options.backingPolicy(), options.warnings());
    HostFile data = files.open(path, true);
    try {
      files.lock(data, false, options.warnings());
      return data;
    } catch (ImageException e) {
      data.close();
      throw e;
    }
  }

  @Override
  public void close() throws ImageException {
    file.close();
  }
}
