package org.qcowfs.engine.base;

import java.io.IOException;
import java.io.Reader;
import java.io.Writer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.posix.FileStatus;
import org.qcowfs.engine.host.storage.StorageFiles;

/**
 * What the files below an image were when the image was put on them: kept beside it in {@code
 * IMAGE.base}, a Java properties file.
 *
 * <p>Of each file it has size, time of modification, inode, and the SHA-256 of samples: the first
 * and last 64 KiB, and 30 times 4 KiB spread evenly, at most 248 KiB in 32 reads. It sees every
 * change that moves the time or the size, and a file that was replaced. It cannot see a change
 * between the samples by somebody who puts the time back.
 */
public final class BaseRecord {
  private static final int END_SAMPLE = 64 << 10;
  private static final int SAMPLE = 4 << 10;
  private static final int SAMPLES = 30;

  private final List<Path> files;
  private final List<Map<String, String>> marks;

  private BaseRecord(List<Path> files, List<Map<String, String>> marks) {
    this.files = files;
    this.marks = marks;
  }

  /** Where the record of an image is. */
  public static Path beside(Path image) {
    return image.resolveSibling(image.getFileName() + ".base");
  }

  /**
   * What {@code files}, those below an image from the top down, are now.
   *
   * @param storage where they are opened: those of this host
   */
  public static BaseRecord of(List<Path> files, HostFiles storage) throws ImageException {
    List<Map<String, String>> marks = new ArrayList<>();
    for (Path file : files) {
      try (HostFile open = storage.open(file.toString(), false)) {
        marks.add(marks(open));
      }
    }
    return new BaseRecord(List.copyOf(files), marks);
  }

  private static Map<String, String> marks(HostFile file) throws ImageException {
    FileStatus status = StorageFiles.opened(file);
    long size = file.length();
    Map<String, String> marks = new LinkedHashMap<>();
    marks.put("size", Long.toString(size));
    marks.put(
        "modified", Instant.ofEpochSecond(status.mtimeSeconds(), status.mtimeNanos()).toString());
    marks.put("inode", Long.toUnsignedString(status.inode()));
    marks.put("samples", samples(file, size));
    return marks;
  }

  private static String samples(HostFile file, long size) throws ImageException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
    DataBuffer buffer = DataBuffer.allocate(END_SAMPLE);
    sample(file, 0, END_SAMPLE, buffer, digest);
    for (int i = 1; i <= SAMPLES; i++) {
      sample(file, size / (SAMPLES + 1) * i & -SAMPLE, SAMPLE, buffer, digest);
    }
    sample(file, Math.max(0, size - END_SAMPLE), END_SAMPLE, buffer, digest);
    return HexFormat.of().formatHex(digest.digest());
  }

  private static void sample(
      HostFile file, long offset, int length, DataBuffer buffer, MessageDigest digest)
      throws ImageException {
    int got = file.read(offset, buffer, 0, length);
    digest.update(buffer.bytes().duplicate().position(0).limit(got));
  }

  /** Writes the record; one that is there is replaced. */
  public void write(Path record) throws IOException {
    Properties lines = new Properties();
    for (int i = 0; i < files.size(); i++) {
      lines.setProperty(i + ".file", files.get(i).toString());
      for (Map.Entry<String, String> mark : marks.get(i).entrySet()) {
        lines.setProperty(i + "." + mark.getKey(), mark.getValue());
      }
    }
    Path draft = record.resolveSibling(record.getFileName() + ".new");
    try (Writer out = Files.newBufferedWriter(draft)) {
      lines.store(out, "The files below, as qcowfs mount --verify-base found them");
    }
    Files.move(draft, record, java.nio.file.StandardCopyOption.ATOMIC_MOVE);
  }

  /**
   * Compares with a record.
   *
   * @return what has changed, in one line; empty if nothing has
   * @throws IOException if the record cannot be read
   */
  public String differencesFrom(Path record) throws IOException {
    Properties lines = new Properties();
    try (Reader in = Files.newBufferedReader(record)) {
      lines.load(in);
    } catch (IllegalArgumentException e) {
      throw new IOException("it is no record: " + e.getMessage(), e);
    }
    List<String> all = new ArrayList<>();
    for (int i = 0; i < files.size(); i++) {
      List<String> changed = new ArrayList<>();
      for (Map.Entry<String, String> mark : marks.get(i).entrySet()) {
        String expected = lines.getProperty(i + "." + mark.getKey());
        if (expected == null) {
          changed.add(mark.getKey() + " was not recorded");
        } else if (!expected.equals(mark.getValue())) {
          changed.add(
              mark.getKey().equals("samples")
                  ? "sampled contents differ"
                  : mark.getKey()
                      + " is "
                      + mark.getValue()
                      + ", expected "
                      + Escape.text(expected));
        }
      }
      if (!changed.isEmpty()) {
        all.add("'" + Escape.text("" + files.get(i)) + "': " + String.join(", ", changed));
      }
    }
    if (lines.containsKey(files.size() + ".file")) {
      all.add("fewer files than recorded");
    }
    return String.join("; ", all);
  }
}
