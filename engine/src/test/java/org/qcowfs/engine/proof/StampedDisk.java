package org.qcowfs.engine.proof;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.IntSupplier;
import org.qcowfs.engine.Image;

/**
 * Whose bytes each 512-byte sector may hold, when several threads write at once: those of a request
 * after whose end no other request to the sector began.
 *
 * <p><b>Thread safety:</b> safe.
 */
final class StampedDisk {
  private static final int SECTOR = 512;
  private static final long RUNNING = Long.MAX_VALUE;

  /** One request; stamp 0 zeroes. */
  private static final class Request {
    final long stamp;
    final long begin;

    /** Where the host's journal was before it began. */
    final int position;

    volatile long end = RUNNING;

    Request(long stamp, long begin, int position) {
      this.stamp = stamp;
      this.begin = begin;
      this.position = position;
    }
  }

  /** A flush that succeeded: it began at a time, and ended at a place in the host's journal. */
  private record Flushed(long began, int position) {}

  private final byte[] initial;
  private final List<List<Request>> sectors = new ArrayList<>();
  private final AtomicLong clock = new AtomicLong(1);
  private final List<Flushed> flushes = new ArrayList<>();
  private final IntSupplier position;

  /** Of a host without a journal. */
  StampedDisk(byte[] initial) {
    this(initial, () -> 0);
  }

  /**
   * @param position how much the host has done, for {@link #verifyAfterCrash}
   */
  StampedDisk(byte[] initial, IntSupplier position) {
    this.initial = initial;
    this.position = position;
    for (int at = 0; at < initial.length; at += SECTOR) {
      sectors.add(new ArrayList<>());
    }
  }

  /** Random requests, most of them in the first few clusters, and reads between them. */
  Void work(Image image, int cluster, Random random, int requests) throws IOException {
    int all = initial.length / SECTOR;
    for (int i = 0; i < requests; i++) {
      int near = Math.min(all, 4 * Math.max(cluster, 4096) / SECTOR);
      int first = random.nextInt(random.nextInt(3) > 0 ? near : all);
      int count = 1 + random.nextInt(Math.min(all - first, random.nextInt(4) == 0 ? 200 : 8));
      int what = random.nextInt(10);
      if (what == 0) {
        long began = clock.incrementAndGet();
        image.flush();
        flushed(began);
      } else if (what < 3) {
        Request request = begin(first, count, 0);
        image.zero((long) first * SECTOR, (long) count * SECTOR, random.nextBoolean());
        request.end = clock.incrementAndGet();
      } else if (what < 8) {
        Request request = begin(first, count, clock.incrementAndGet());
        GuestDisk.write(image, (long) first * SECTOR, bytes(first, count, request.stamp));
        request.end = clock.incrementAndGet();
      } else {
        long began = clock.incrementAndGet();
        byte[] found = GuestDisk.read(image, (long) first * SECTOR, count * SECTOR);
        verify(found, first, count, began, clock.incrementAndGet());
      }
    }
    return null;
  }

  private Request begin(int first, int count, long stamp) {
    Request request = new Request(stamp, clock.incrementAndGet(), position.getAsInt());
    for (int s = first; s < first + count; s++) {
      List<Request> requests = sectors.get(s);
      synchronized (requests) {
        requests.add(request);
      }
    }
    return request;
  }

  private static byte[] bytes(int first, int count, long stamp) {
    ByteBuffer bytes = ByteBuffer.allocate(count * SECTOR);
    for (int s = first; s < first + count; s++) {
      for (int i = 0; i < SECTOR / 16; i++) {
        bytes.putLong(stamp).putLong(s);
      }
    }
    return bytes.array();
  }

  /** Checks the whole disk when no request is running. */
  void verify(byte[] found) {
    long now = clock.incrementAndGet();
    verify(found, 0, initial.length / SECTOR, now, now);
  }

  private void flushed(long began) {
    synchronized (flushes) {
      flushes.add(new Flushed(began, position.getAsInt()));
    }
  }

  /** The image was closed, which makes everything durable. */
  void closed() {
    flushed(clock.incrementAndGet());
  }

  /**
   * Checks what a crash left when the host had done {@code crash} of its journal: what ended before
   * a flush began that ended by then is there, or a later request's bytes.
   */
  void verifyAfterCrash(int crash, byte[] found) {
    long durable = 0;
    for (Flushed flush : flushes) {
      if (flush.position <= crash) {
        durable = Math.max(durable, flush.began);
      }
    }
    for (int s = 0; s < sectors.size(); s++) {
      byte[] sector = Arrays.copyOfRange(found, s * SECTOR, (s + 1) * SECTOR);
      List<Request> begun = new ArrayList<>();
      for (Request request : sectors.get(s)) {
        if (request.position <= crash) {
          begun.add(request);
        }
      }
      // No mixture: sectors reach the disk whole.
      if (!lawful(s, sector, begun, durable, RUNNING, false)) {
        throw new AssertionError("sector " + s + " holds " + holds(s, sector, begun));
      }
    }
  }

  private void verify(byte[] found, int first, int count, long began, long ended) {
    for (int s = first; s < first + count; s++) {
      byte[] sector = Arrays.copyOfRange(found, (s - first) * SECTOR, (s - first + 1) * SECTOR);
      List<Request> requests = sectors.get(s);
      synchronized (requests) {
        if (!lawful(s, sector, requests, began, ended, true)) {
          throw new AssertionError("sector " + s + " holds " + holds(s, sector, requests));
        }
      }
    }
  }

  private boolean lawful(
      int s, byte[] sector, List<Request> requests, long began, long ended, boolean mayBeMixed) {
    List<byte[]> values = new ArrayList<>();
    long lastEndedBegin = 0; // of the requests that ended before the read began, the latest begin
    for (Request request : requests) {
      if (request.end < began) {
        lastEndedBegin = Math.max(lastEndedBegin, request.begin);
      }
    }
    if (lastEndedBegin == 0) {
      values.add(initialSector(s));
    }
    boolean beingWritten = false;
    for (Request request : requests) {
      if (request.begin < ended && request.end >= lastEndedBegin) {
        values.add(value(s, request));
        beingWritten |= mayBeMixed && request.end >= began;
      }
    }
    for (byte[] first : values) {
      int same = Arrays.mismatch(sector, first);
      if (same < 0) {
        return true;
      }
      // The host copies a sector that is being written byte by byte: a read meanwhile may find the
      // beginning of one value and the end of another.
      for (byte[] last : beingWritten ? values : List.<byte[]>of()) {
        if (Arrays.equals(sector, same, SECTOR, last, same, SECTOR)) {
          return true;
        }
      }
    }
    return false;
  }

  private byte[] initialSector(int s) {
    return Arrays.copyOfRange(initial, s * SECTOR, (s + 1) * SECTOR);
  }

  private static byte[] value(int s, Request request) {
    return request.stamp == 0 ? new byte[SECTOR] : bytes(s, 1, request.stamp);
  }

  private String holds(int s, byte[] sector, List<Request> requests) {
    if (Arrays.equals(sector, initialSector(s))) {
      return "the initial bytes, although a request has ended";
    }
    StringBuilder all = new StringBuilder();
    String what = "bytes of no request: ";
    for (Request request : requests) {
      all.append(
          String.format(
              " [%s %d..%d]", request.stamp == 0 ? "zero" : "write", request.begin, request.end));
      if (Arrays.equals(sector, value(s, request))) {
        what = "the overwritten bytes of the request begun at " + request.begin + ": ";
      }
    }
    return what + all + " first bytes " + ByteBuffer.wrap(sector).getLong();
  }
}
