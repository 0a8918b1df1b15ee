package org.qcowfs.engine.qcow2;

import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.bitmap.BitmapDirectory;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.format.FormatLimits;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderCodec;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.HeaderValidator;
import org.qcowfs.engine.qcow2.format.IncompatibleFeature;
import org.qcowfs.engine.qcow2.snapshot.SnapshotTable;

/** Opens a qcow2 image: header, rules, snapshot table, data file. */
public final class Qcow2Opener {
  /** Opens the file an image names as its data file, through the policy for implicit opens. */
  @FunctionalInterface
  public interface DataFileOpener {
    /** Opens {@code name}, as it is recorded. */
    HostFile open(String name) throws ImageException;
  }

  private Qcow2Opener() {}

  /** Whether the file's first bytes are qcow2's (any version). */
  public static boolean probe(DataBuffer head, int length) {
    return length >= 4 && head.bytes().getInt(0) == Header.MAGIC;
  }

  /**
   * Opens {@code file} as qcow2; the layer owns it from then on, also if this fails.
   *
   * @throws ImageException if nothing of the disk could be read through what the header says
   */
  public static Layer open(
      HostFile file, OpenOptions options, MetadataCache cache, DataFileOpener dataFiles)
      throws ImageException {
    HostFile dataFile = null;
    try {
      Header header = readHeader(file);
      if (options.writable()) {
        refuseUnsafeWrites(file, header);
      }
      SnapshotTable snapshots = SnapshotTable.read(file, header);
      warn(options, file, snapshots.fault());
      BitmapDirectory bitmaps =
          options.describeOnly()
              ? BitmapDirectory.read(file, header)
              : new BitmapDirectory(List.of(), null);
      warn(options, file, bitmaps.fault());
      if (!options.describeOnly()) {
        refuseEncrypted(file, header);
        dataFile = openDataFile(file, header, dataFiles);
      }
      return new Qcow2Layer(
          file,
          dataFile == null ? file : dataFile,
          header,
          snapshots,
          bitmaps.bitmaps(),
          cache,
          options.writable(),
          true);
    } catch (ImageException | RuntimeException e) {
      closeQuietly(dataFile, e);
      closeQuietly(file, e);
      throw e;
    }
  }

  /** Reads and judges the header of a file that claims to be qcow2. */
  public static Header readHeader(HostFile file) throws ImageException {
    Header header = decodeHeader(file);
    HeaderValidator.validate(file.path(), file.length(), header);
    return header;
  }

  /** Reads the header of a file that claims to be qcow2; its fields are not judged yet. */
  public static Header decodeHeader(HostFile file) throws ImageException {
    long length = file.length();
    DataBuffer head = DataBuffer.allocate(512, 8);
    int got = file.read(0, head, 0, 512);
    if (!probe(head, got)) {
      throw new ImageException(
          ErrorKind.NOT_THIS_FORMAT, file.path(), "Image is not in qcow2 format");
    }
    boolean v3 = got >= 8 && head.bytes().getInt(4) == 3;
    int least = v3 ? FormatLimits.V3_HEADER_BYTES : FormatLimits.V2_HEADER_BYTES;
    if (got < least) {
      throw ImageException.corrupt(
          file.path(),
          "qcow2 header too short (the file is "
              + length
              + " bytes; expected at least "
              + least
              + ")");
    }
    int clusterBits = head.bytes().getInt(20);
    if (clusterBits > FormatLimits.MIN_CLUSTER_BITS
        && clusterBits <= FormatLimits.MAX_CLUSTER_BITS) {
      // Extensions and the backing name lie anywhere in the first cluster.
      head = DataBuffer.allocate(1 << clusterBits, 8);
      got = file.read(0, head, 0, 1 << clusterBits);
    }
    head.bytes().limit(got);
    return HeaderCodec.decode(head.bytes());
  }

  /**
   * Refuses to change an image whose metadata cannot be trusted, or is encrypted.
   *
   * @throws ImageException kind {@code CORRUPT} or {@code UNSUPPORTED}
   */
  public static void refuseUnsafeChanges(HostFile file, Header header) throws ImageException {
    refuseUntrusted(file, header);
    refuseEncrypted(file, header);
  }

  private static void refuseUnsafeWrites(HostFile file, Header header) throws ImageException {
    refuseUntrusted(file, header);
    if (header.extension(HeaderExtension.BITMAPS) != null) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          file.path(),
          "Image has persistent dirty bitmaps, which writing would make stale; write to an overlay"
              + " instead, or remove them");
    }
  }

  private static void refuseUntrusted(HostFile file, Header header) throws ImageException {
    if (header.has(IncompatibleFeature.CORRUPT)) {
      throw ImageException.corrupt(
          file.path(), "qcow2: Image is corrupt; cannot be opened read/write");
    }
    if (header.has(IncompatibleFeature.DIRTY)) {
      throw ImageException.corrupt(
          file.path(),
          "Image was not closed cleanly (dirty bit set) and its refcounts may be wrong; repair it"
              + " with 'qcowfs check -r all' before writing to it");
    }
  }

  private static void refuseEncrypted(HostFile file, Header header) throws ImageException {
    if (header.cryptMethod() != 0) {
      throw new ImageException(
          ErrorKind.UNSUPPORTED,
          file.path(),
          "Image is encrypted with "
              + (header.cryptMethod() == 1 ? "AES" : "LUKS")
              + " (header, crypt_method at 0x20 is "
              + header.cryptMethod()
              + "); reading encrypted images is not supported");
    }
  }

  private static @Nullable HostFile openDataFile(
      HostFile file, Header header, DataFileOpener dataFiles) throws ImageException {
    if (!header.has(IncompatibleFeature.EXTERNAL_DATA_FILE)) {
      return null;
    }
    String name = header.extensionText(HeaderExtension.DATA_FILE);
    if (name == null || name.isEmpty()) {
      throw ImageException.corrupt(
          file.path(),
          "'data-file' is required for this image (incompatible feature bit 2 is set, and the"
              + " header extension that names the data file is missing)");
    }
    return dataFiles.open(name);
  }

  private static void warn(OpenOptions options, HostFile file, @Nullable String fault) {
    if (fault != null) {
      options.warnings().accept(Escape.text(file.path()) + ": " + fault);
    }
  }

  private static void closeQuietly(@Nullable HostFile file, Exception cause) {
    if (file != null) {
      try {
        file.close();
      } catch (ImageException e) {
        cause.addSuppressed(e);
      }
    }
  }
}
