package org.qcowfs.engine.convert;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.Zeroes;
import org.qcowfs.engine.layer.Compressing;
import org.qcowfs.engine.layer.Compressor;
import org.qcowfs.engine.layer.Mapping;
import org.qcowfs.engine.layer.RangeCopy;

/**
 * One thread's place in a conversion: the bytes of a piece, on their way from source to target.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
final class Piece implements AutoCloseable {
  /** What is lost where one sector cannot be read, or a whole compressed cluster. */
  private static final int SALVAGE_BYTES = 512;

  private final Source source;
  private final Image target;
  private final PieceSettings settings;
  private final DataBuffer data;
  private final @Nullable Compressing compressing;
  private final @Nullable Compressor compressor;
  private final @Nullable DataBuffer packed;

  /** Compressed bytes of each unit in {@link #packed}; 0 for zeroes, -1 for incompressible. */
  private final int[] packedBytes;

  private final int unit;
  private long number;
  private long start;
  private int length;

  /** What the host is asked to copy the piece into; null to read and write it. */
  private @Nullable RangeCopy offload;

  private @Nullable HostFile file;
  private long hostOffset;

  /** The host has refused to copy from this file. */
  private @Nullable HostFile refused;

  Piece(Source source, Image target, PieceSettings settings, int bytes) {
    this.source = source;
    this.target = target;
    this.settings = settings;
    this.data = DataBuffer.allocate(bytes);
    this.compressing = settings.compress() ? target.compressing() : null;
    this.unit = compressing == null ? bytes : compressing.compressedUnit();
    this.compressor = compressing == null ? null : compressing.newCompressor();
    this.packed = compressing == null ? null : DataBuffer.allocate(bytes);
    this.packedBytes = new int[bytes / unit];
  }

  /** Bytes that are compressed together. */
  int compressedUnit() {
    return unit;
  }

  void set(long number, long start, int length) {
    this.number = number;
    this.start = start;
    this.length = length;
    this.offload = null;
  }

  /**
   * As {@link #set(long, long, int)}, of data that the host may copy; it may be longer than the
   * buffer.
   */
  void set(long number, long start, int length, RangeCopy offload, Mapping data) {
    set(number, start, length);
    this.offload = offload;
    this.file = data.dataFile();
    this.hostOffset = data.hostOffset();
  }

  /** Whether the host has refused to copy from where this data is. */
  boolean refuses(Mapping data) {
    return data.dataFile() == refused;
  }

  /** Its place in the order of pieces. */
  long number() {
    return number;
  }

  /** Bytes of the disk. */
  int length() {
    return length;
  }

  /** Guest offset behind its last byte. */
  long end() {
    return start + length;
  }

  /** Reads, and compresses if that is wanted. */
  void read() throws ImageException {
    if (offload != null) {
      return;
    }
    try {
      source.read(start, data, 0, length);
    } catch (ImageException e) {
      Consumer<String> report = settings.salvage();
      if (report == null) {
        throw e;
      }
      salvage(report);
    }
    if (compressor != null && packed != null) {
      compress(compressor, packed);
    }
  }

  private void salvage(Consumer<String> report) {
    long reported = -1;
    for (int at = 0; at < length; at += SALVAGE_BYTES) {
      int n = Math.min(SALVAGE_BYTES, length - at);
      try {
        source.read(start + at, data, at, n);
      } catch (ImageException e) {
        data.zero(at, n);
        if (reported != start + at) {
          report.accept("error while reading offset " + (start + at) + ": " + e.getMessage());
        }
        reported = start + at + n;
      }
    }
  }

  private void compress(Compressor compressor, DataBuffer packed) {
    int whole = (length + unit - 1) / unit * unit;
    data.zero(length, whole - length); // past the end of the disk
    for (int i = 0; i < whole / unit; i++) {
      boolean zero =
          !settings.overBacking()
              && settings.sparseBytes() != 0
              && Zeroes.isZero(data, i * unit, unit);
      packedBytes[i] =
          zero ? 0 : compressor.compress(data, i * unit, unit, packed, i * unit, unit - 1);
    }
  }

  /** Writes what must be written. */
  void write() throws ImageException {
    RangeCopy host = offload;
    HostFile from = file;
    if (host != null && from != null) {
      offload(host, from);
    } else if (compressing != null && packed != null) {
      writePacked(compressing, packed);
    } else if (settings.sparseBytes() == 0) {
      target.write(start, data, 0, length);
    } else {
      writeSparse();
    }
  }

  private void offload(RangeCopy host, HostFile from) throws ImageException {
    long end = end();
    long done = host.copyRange(start, from, hostOffset, length);
    if (done < length) {
      refused = from;
    }
    for (long at = start + done; at < end; at += data.capacity()) {
      set(number, at, (int) Math.min(data.capacity(), end - at));
      read();
      write();
    }
  }

  private void writePacked(Compressing compressing, DataBuffer packed) throws ImageException {
    long lastSectorEnd = end() + Source.SECTOR - 1 & -Source.SECTOR;
    for (int at = 0; at < length; at += unit) {
      int bytes = packedBytes[at / unit];
      if (length - at < unit && lastSectorEnd < target.size()) {
        // What a larger target has behind the copy, in the same unit, stays.
        target.write(start + at, data, at, length - at);
      } else if (bytes > 0) {
        compressing.writeCompressed(start + at, packed, at, bytes);
      } else if (bytes < 0) {
        target.write(start + at, data, at, Math.min(unit, length - at));
      }
    }
  }

  private void writeSparse() throws ImageException {
    int pending = 0; // where the data begins that is not written yet
    for (int at = 0; at < length; ) {
      int run = Zeroes.run(data, at, length - at, settings.grain());
      int end = at + Math.abs(run);
      // At an edge it may be a part of a longer run.
      boolean leftOut = run < 0 && (end - at >= settings.sparseBytes() || at == 0 || end == length);
      if (leftOut) {
        writeData(pending, at);
        if (settings.overBacking()) {
          target.zero(start + at, end - at, true);
        }
        pending = end;
      }
      at = end;
    }
    writeData(pending, length);
  }

  private void writeData(int from, int to) throws ImageException {
    if (to > from) {
      target.write(start + from, data, from, to - from);
    }
  }

  @Override
  public void close() {
    if (compressor != null) {
      compressor.close();
    }
  }
}
