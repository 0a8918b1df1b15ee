package org.qcowfs.engine;

import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.layer.Mapping;

/**
 * Layers as one map: which of them has a guest range, and what its host file says about it.
 *
 * <p><b>Thread safety:</b> any thread; each brings a {@link Mapping} of its own.
 */
final class Chain {
  private final Layer[] layers;

  /** The lowest layer that is asked: what no layer down to it has reads as zeroes. */
  private volatile int lowest;

  /** Takes over the layers, the top first; at least one. */
  Chain(Layer[] layers) {
    this.layers = layers;
    this.lowest = layers.length - 1;
  }

  /** The guest disk's size in bytes. */
  long size() {
    return layers[0].size();
  }

  int depth() {
    return layers.length;
  }

  Layer top() {
    return layers[0];
  }

  Layer layer(int depth) {
    return layers[depth];
  }

  /** A copy: the top first. */
  Layer[] layers() {
    return layers.clone();
  }

  /** From now on what the top layer does not have reads as zeroes. */
  void askTopOnly() {
    lowest = 0;
  }

  /**
   * Says where the guest range at {@code guestOffset} lives, through the whole chain.
   *
   * @param out the answer with the answering layer's depth; {@code UNALLOCATED} means that no layer
   *     has it (it reads as zeroes) and then names the last layer asked: the lowest that is as long
   */
  void resolve(long guestOffset, long length, Mapping out) {
    layers[0].map(guestOffset, Math.min(length, size() - guestOffset), out);
    out.setDepth(0);
    if (out.kind() == Mapping.Kind.UNALLOCATED) {
      resolveBelow(guestOffset, out.length(), out);
    }
  }

  /** As {@link #resolve}, of a range that the top layer has nothing of, as {@code out} says. */
  void resolveBelow(long guestOffset, long length, Mapping out) {
    long limit = length;
    for (int depth = 1; depth <= lowest; depth++) {
      Layer layer = layers[depth];
      if (guestOffset >= layer.size()) {
        // Past the end of a shorter backing file: zeroes (QEMU: bdrv_co_block_status). The answer
        // stays that of the layer above, which has nothing there.
        return;
      }
      layer.map(guestOffset, limit, out);
      out.setDepth(depth);
      limit = out.length();
      if (out.kind() != Mapping.Kind.UNALLOCATED) {
        return;
      }
    }
  }

  /**
   * As {@link #resolve}, and what the host file has no blocks for comes as zero: {@code ZERO} with
   * the host offset kept. Exact to the host's own block size.
   */
  void extent(long guestOffset, long length, Mapping out) throws ImageException {
    resolve(guestOffset, length, out);
    if (out.kind() != Mapping.Kind.DATA) {
      return;
    }
    HostFile file = out.dataFile();
    long host = out.hostOffset();
    long data = file.nextData(host);
    if (data == host) {
      out.limit(Math.max(1, file.nextHole(host) - host));
    } else if (data != Long.MAX_VALUE || host + out.length() <= file.length()) {
      int depth = out.depth();
      out.setZero(file, host, Math.min(out.length(), data - host));
      out.setDepth(depth);
    }
    // Otherwise the range reaches past the end of the file: not a hole, but data that is missing.
  }

  /** Whether a range reads as zeroes by metadata alone. */
  boolean readsAsZero(long guestOffset, long length, Mapping mapping) {
    for (long done = 0; done < length; done += mapping.length()) {
      resolve(guestOffset + done, length - done, mapping);
      if (mapping.kind() != Mapping.Kind.ZERO && mapping.kind() != Mapping.Kind.UNALLOCATED) {
        return false;
      }
    }
    return true;
  }

  /**
   * The first data, or the first that is not data, at or after {@code guestOffset}: see {@link
   * Image#nextData}.
   *
   * @return its guest offset, or -1 if there is none before the end of the disk
   */
  long next(long guestOffset, boolean data, Mapping mapping) throws ImageException {
    long size = size();
    for (long at = guestOffset; at < size; at += mapping.length()) {
      resolve(at, size - at, mapping);
      if (mapping.kind() != Mapping.Kind.DATA) {
        if (isData(mapping.kind()) == data) {
          return at;
        }
        continue;
      }
      // One question to the host: does what is sought begin here, or how far does the other go?
      long host = mapping.hostOffset();
      HostFile file = mapping.dataFile();
      long found = data ? file.nextData(host) : file.nextHole(host);
      boolean pastEnd = data ? found == Long.MAX_VALUE : found <= host;
      if (pastEnd && host + mapping.length() > file.length()) {
        // What the file should have and does not is data that is missing, not a hole.
        long present = file.length() - host;
        if (present <= 0 && data) {
          return at;
        }
        if (present > 0) {
          mapping.limit(present);
        } else {
          continue;
        }
      }
      if (found <= host) {
        return at;
      }
      mapping.limit(found - host);
    }
    return -1;
  }

  private static boolean isData(Mapping.Kind kind) {
    return switch (kind) {
      case DATA, COMPRESSED, DAMAGED -> true;
      case ZERO, UNALLOCATED -> false;
    };
  }
}
