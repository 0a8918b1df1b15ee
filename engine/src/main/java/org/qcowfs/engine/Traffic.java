package org.qcowfs.engine;

import java.util.concurrent.atomic.LongAdder;
import org.qcowfs.engine.layer.Mapping;

/**
 * Counts what the views of one disk read, for {@link Image#statistics}.
 *
 * <p><b>Thread safety:</b> any thread; takes no lock.
 */
final class Traffic {
  private final LongAdder lookups = new LongAdder();
  private final LongAdder misses = new LongAdder();
  private final LongAdder[] reads;
  private final LongAdder[] bytes;

  /** For a chain of {@code depth} layers. */
  Traffic(int depth) {
    reads = new LongAdder[depth];
    bytes = new LongAdder[depth];
    for (int i = 0; i < depth; i++) {
      reads[i] = new LongAdder();
      bytes[i] = new LongAdder();
    }
  }

  /** Layer {@code depth} had {@code length} bytes. */
  void read(int depth, int length) {
    reads[depth].increment();
    bytes[depth].add(length);
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
    return reads[depth].sum();
  }

  long bytes(int depth) {
    return bytes[depth].sum();
  }
}
