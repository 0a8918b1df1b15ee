package org.qcowfs.engine.qcow2.check;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;

/**
 * What a repair changes in place, as it was before, and how to know the image after the repair.
 *
 * <pre>
 *   file     --> magic, ranges u32, append u64, appended to u64, length before u64, range*, [end]
 *   range    --> host offset u64, length u32, the bytes before
 *   end      --> length after u64, SHA-256 of the image after: the ranges in order, and all from
 *                "append" to "appended to"
 * </pre>
 *
 * All of it is big-endian. The end is written when the repair is done; without it the image may be
 * in any state a crash leaves, each of which is good, and nothing is put back.
 */
final class UndoFile {
  private static final byte[] MAGIC = "QCFSUND2".getBytes(StandardCharsets.US_ASCII);
  private static final int HEAD_BYTES = 36;
  private static final int RANGE_BYTES = 12;
  private static final int END_BYTES = 40;
  private static final int PIECE = 1 << 20;

  /** More bytes are not put back: no refcount block is longer than a cluster. */
  private static final int MOST_RANGE_BYTES = 2 << 20;

  private final HostFile image;
  private final List<Range> ranges;
  private final Append append;
  private final long lengthBefore;
  private final DataBuffer piece = DataBuffer.allocate(PIECE);

  /** A range of the image that is changed in place. */
  record Range(long hostOffset, int length) {}

  /** The host offsets between which the repair writes where nothing was. */
  record Append(long from, long to) {}

  private UndoFile(HostFile image, List<Range> ranges, Append append, long lengthBefore) {
    this.image = image;
    this.ranges = ranges;
    this.append = append;
    this.lengthBefore = lengthBefore;
  }

  /**
   * Saves ranges before they are changed, durably.
   *
   * @param append where the repair writes beside them
   */
  static UndoFile save(HostFile image, HostFile undo, List<Range> ranges, Append append)
      throws ImageException {
    UndoFile saved = new UndoFile(image, ranges, append, image.length());
    DataBuffer head = DataBuffer.allocate(HEAD_BYTES, 8);
    head.bytes().put(0, MAGIC).putInt(8, ranges.size());
    head.bytes().putLong(12, append.from).putLong(20, append.to).putLong(28, saved.lengthBefore);
    undo.write(0, head, 0, HEAD_BYTES);
    long at = HEAD_BYTES;
    DataBuffer buffer = DataBuffer.allocate(MOST_RANGE_BYTES);
    for (Range range : ranges) {
      head.bytes().putLong(0, range.hostOffset).putInt(8, range.length);
      undo.write(at, head, 0, RANGE_BYTES);
      readFully(image, range.hostOffset, buffer, range.length);
      undo.write(at + RANGE_BYTES, buffer, 0, range.length);
      at += RANGE_BYTES + range.length;
    }
    undo.sync();
    return saved;
  }

  /** Notes what the image is like after the repair. */
  void finish(HostFile undo) throws ImageException {
    DataBuffer end = DataBuffer.allocate(END_BYTES, 8);
    end.bytes().putLong(0, image.length()).put(8, digest());
    undo.write(undo.length(), end, 0, END_BYTES);
    undo.sync();
  }

  /**
   * Puts back what {@link #save} saved.
   *
   * @return what was done, in one line
   * @throws ImageException kind {@code REFUSED} if the file does not belong to the image as it is
   */
  static String undo(HostFile image, HostFile undo) throws ImageException {
    DataBuffer head = DataBuffer.allocate(HEAD_BYTES, 8);
    byte[] magic = new byte[MAGIC.length];
    int got = undo.read(0, head, 0, HEAD_BYTES);
    head.bytes().get(0, magic);
    if (got < HEAD_BYTES || !Arrays.equals(magic, MAGIC)) {
      throw refused(undo, "it is not what 'check --backup' writes");
    }
    int count = head.bytes().getInt(8);
    List<Range> ranges = new ArrayList<>();
    List<Long> places = new ArrayList<>();
    DataBuffer range = DataBuffer.allocate(RANGE_BYTES, 8);
    long at = HEAD_BYTES;
    for (int i = 0; i < count; i++) {
      got = undo.read(at, range, 0, RANGE_BYTES);
      int length = range.bytes().getInt(8);
      if (got < RANGE_BYTES || length < 0 || length > MOST_RANGE_BYTES) {
        throw refused(undo, "it is damaged or incomplete");
      }
      ranges.add(new Range(range.bytes().getLong(0), length));
      places.add(at + RANGE_BYTES);
      at += RANGE_BYTES + length;
    }
    UndoFile saved =
        new UndoFile(
            image,
            ranges,
            new Append(head.bytes().getLong(12), head.bytes().getLong(20)),
            head.bytes().getLong(28));
    saved.verify(undo, at);
    DataBuffer buffer = DataBuffer.allocate(MOST_RANGE_BYTES);
    for (int i = 0; i < count; i++) {
      readFully(undo, places.get(i), buffer, ranges.get(i).length);
      image.write(ranges.get(i).hostOffset, buffer, 0, ranges.get(i).length);
    }
    image.sync();
    if (image.resizable() && image.length() > saved.lengthBefore) {
      image.truncate(saved.lengthBefore);
      image.sync();
    }
    return String.format(
        "%d ranges were put back; the file has %d bytes again", count, saved.lengthBefore);
  }

  private void verify(HostFile undo, long at) throws ImageException {
    DataBuffer end = DataBuffer.allocate(END_BYTES, 8);
    if (undo.read(at, end, 0, END_BYTES) < END_BYTES) {
      throw refused(undo, "the repair did not come to its end; nothing was changed");
    }
    byte[] expected = new byte[32];
    end.bytes().get(8, expected);
    if (image.length() != end.bytes().getLong(0) || !Arrays.equals(expected, digest())) {
      throw refused(
          undo,
          "'"
              + Escape.text(image.path())
              + "' is not the image that was repaired, or was written to since; nothing was"
              + " changed");
    }
  }

  private byte[] digest() throws ImageException {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
    for (Range range : ranges) {
      update(digest, range.hostOffset, range.hostOffset + range.length);
    }
    update(digest, append.from, Math.min(append.to, image.length()));
    return digest.digest();
  }

  private void update(MessageDigest digest, long from, long to) throws ImageException {
    for (long at = from; at < to; at += PIECE) {
      int n = (int) Math.min(PIECE, to - at);
      readFully(image, at, piece, n);
      ByteBuffer bytes = piece.bytes().duplicate();
      digest.update(bytes.limit(n));
    }
  }

  private static void readFully(HostFile file, long at, DataBuffer buffer, int length)
      throws ImageException {
    int got = file.read(at, buffer, 0, length);
    if (got < length) {
      throw new ImageException(
          ErrorKind.IO, file.path(), String.format("the file ends before offset %d", at + length));
    }
  }

  private static ImageException refused(HostFile undo, String why) {
    return new ImageException(
        ErrorKind.REFUSED, undo.path(), "'" + Escape.text(undo.path()) + "': " + why);
  }
}
