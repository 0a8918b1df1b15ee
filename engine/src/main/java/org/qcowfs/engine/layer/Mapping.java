package org.qcowfs.engine.layer;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;

/**
 * Where a guest range lives: the answer of {@link Layer#map}, reused from call to call so that a
 * request allocates nothing.
 *
 * <p><b>Thread safety:</b> one thread at a time.
 */
public final class Mapping {
  /** What stands behind a guest range. */
  public enum Kind {
    /** Bytes of a host file, one to one. */
    DATA,
    /** Reads as zeroes by this layer's word, whatever lies below. */
    ZERO,
    /** This layer says nothing: the layer below decides. */
    UNALLOCATED,
    /** Part of one compressed cluster; {@link Layer#readCompressed} has the bytes. */
    COMPRESSED,
    /** The metadata for the range is damaged; {@link #damage} says how. It cannot be read. */
    DAMAGED
  }

  /** {@link #hostOffset()} where there is none. */
  public static final long NO_OFFSET = -1;

  private Kind kind = Kind.UNALLOCATED;
  private long length;
  private @Nullable HostFile file;
  private long hostOffset = NO_OFFSET;
  private long descriptor;
  private int depth;
  private @Nullable ImageException damage;
  private long lookups;
  private long misses;

  /** Answers {@link Kind#DATA}: {@code length} bytes of {@code file} from {@code hostOffset}. */
  public void setData(HostFile file, long hostOffset, long length) {
    set(Kind.DATA, file, hostOffset, length, 0);
  }

  /** Answers {@link Kind#ZERO} without a host cluster. */
  public void setZero(long length) {
    set(Kind.ZERO, null, NO_OFFSET, length, 0);
  }

  /** Answers {@link Kind#ZERO} with a preallocated host range behind it. */
  public void setZero(HostFile file, long hostOffset, long length) {
    set(Kind.ZERO, file, hostOffset, length, 0);
  }

  /** Answers {@link Kind#UNALLOCATED}. */
  public void setUnallocated(long length) {
    set(Kind.UNALLOCATED, null, NO_OFFSET, length, 0);
  }

  /**
   * Answers {@link Kind#UNALLOCATED} inside a host cluster that other parts of the guest cluster
   * use: these bytes of it are not valid.
   */
  public void setUnallocated(HostFile file, long hostOffset, long length) {
    set(Kind.UNALLOCATED, file, hostOffset, length, 0);
  }

  /**
   * Answers {@link Kind#COMPRESSED}.
   *
   * @param descriptor the format's own word for the compressed cluster
   */
  public void setCompressed(HostFile file, long hostOffset, long length, long descriptor) {
    set(Kind.COMPRESSED, file, hostOffset, length, descriptor);
  }

  /** Answers {@link Kind#DAMAGED}: reading any of the {@code length} bytes fails as said. */
  public void setDamaged(ImageException damage, long length) {
    set(Kind.DAMAGED, null, NO_OFFSET, length, 0);
    this.damage = damage;
  }

  /** What is wrong with a {@link Kind#DAMAGED} range. */
  public ImageException damage() {
    ImageException present = damage;
    if (kind != Kind.DAMAGED || present == null) {
      throw new IllegalStateException(kind + " is not damaged");
    }
    return present;
  }

  private void set(
      Kind kind, @Nullable HostFile file, long hostOffset, long length, long descriptor) {
    this.kind = kind;
    this.file = file;
    this.hostOffset = hostOffset;
    this.length = length;
    this.descriptor = descriptor;
  }

  public Kind kind() {
    return kind;
  }

  /** Bytes of the guest range this answer covers, at least 1. */
  public long length() {
    return length;
  }

  /** The host file, or null where the range has no host bytes. */
  public @Nullable HostFile file() {
    return file;
  }

  /** The host file of a mapping that has one. */
  public HostFile dataFile() {
    HostFile present = file;
    if (present == null) {
      throw new IllegalStateException(kind + " has no host file");
    }
    return present;
  }

  /** Host offset of the range's first byte (for COMPRESSED: of the compressed bytes). */
  public long hostOffset() {
    return hostOffset;
  }

  public boolean hasHostOffset() {
    return hostOffset != NO_OFFSET;
  }

  /** The compressed cluster in the format's own words. */
  public long descriptor() {
    return descriptor;
  }

  /** Index of the answering layer in its chain: 0 is the top. */
  public int depth() {
    return depth;
  }

  public void setDepth(int depth) {
    this.depth = depth;
  }

  /** A table was asked for the answer. */
  public void countLookup() {
    lookups++;
  }

  /** A table that was asked had to be read from the file. */
  public void countMiss() {
    misses++;
  }

  /** Lookups since the last call, over all answers. */
  public long takeLookups() {
    long taken = lookups;
    lookups = 0;
    return taken;
  }

  /** Misses since the last call, over all answers. */
  public long takeMisses() {
    long taken = misses;
    misses = 0;
    return taken;
  }

  /** Cuts the answer to at most {@code length} bytes. */
  public void limit(long length) {
    this.length = Math.min(this.length, length);
  }

  /** Makes the answer {@code bytes} longer. */
  public void extend(long bytes) {
    this.length += bytes;
  }
}
