package org.qcowfs.engine;

import java.util.concurrent.atomic.LongAdder;
import org.qcowfs.engine.layer.Mapping;

/**
 * Counts what the views of one disk read, for {@link Image#statistics}.
 *
 * <p><b>Thread safety:</b> any thread; takes no lock.
 */
final class Traffic {
  private final LongAdder lookups;
  private final LongAdder misses;
  private final LongAdder[] reads;
  private final LongAdder[] bytes;
  private final int first;

  /** For a chain of {@code depth} layers. */
  Traffic(int depth) {
    reads = new LongAdder[depth];
    bytes = new LongAdder[depth];
    first = 0;
    lookups = new LongAdder();
    misses = new LongAdder();
    for (int i = 0; i < depth; i++) {
      reads[i] = new LongAdder();
      bytes[i] = new LongAdder();
    }
  }

  private Traffic(Traffic disk, int first) {
    lookups = disk.lookups;
    misses = disk.misses;
    reads = disk.reads;
    bytes = disk.bytes;
    this.first = first;
  }

  /** The same counts, for a view whose top is this one's layer {@code depth}. */
  Traffic below(int depth) {
    return new Traffic(this, first + depth);
  }

  /** Layer {@code depth} had {@code length} bytes. */
  void read(int depth, int length) {
    reads[first + depth].increment();
    bytes[first + depth].add(length);
  }

  /** Takes over what {@code mapping} counted. */
  void lookedUp(Mapping mapping) {
    lookups.add(mapping.takeLookups());
    long missed = mapping.takeMisses();
    if (missed != 0) {
      misses.add(missed);
    }
  }

  long lookups() {
    return lookups.sum();
  }

  long misses() {
    return misses.sum();
  }

  long reads(int depth) {
    return reads[first + depth].sum();
  }

  long bytes(int depth) {
    return bytes[first + depth].sum();
  }
}
