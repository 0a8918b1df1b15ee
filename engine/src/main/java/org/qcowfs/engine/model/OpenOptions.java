package org.qcowfs.engine.model;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * How to open an image. Immutable; each {@code with} method gives a changed copy.
 *
 * @param format {@code qcow2}, {@code raw}, or null to probe
 * @param writable whether the top layer is opened for writing
 * @param forceShare whether to read even where another process writes ({@code -U})
 * @param backingPolicy which implicit opens are allowed
 * @param backingChain whether the layers below are opened; without them the image can only be
 *     described, not read through
 * @param describeOnly whether only {@link org.qcowfs.engine.Image#info()} is wanted: encrypted
 *     images can then be opened, and neither data file nor backing file is
 * @param cacheBytes bound of the metadata cache shared by all layers
 * @param warnings receives one line for each thing a user should know but that stops nothing
 */
public record OpenOptions(
    @Nullable String format,
    boolean writable,
    boolean forceShare,
    BackingPolicy backingPolicy,
    boolean backingChain,
    boolean describeOnly,
    long cacheBytes,
    Consumer<String> warnings) {

  /** Covers 256 GiB of 64 KiB clusters: 8 bytes of L2 entry each. */
  public static final long DEFAULT_CACHE_BYTES = 32L << 20;

  /** Read-only, probing, the whole chain, warnings dropped. */
  public static OpenOptions readOnly() {
    return new OpenOptions(
        null, false, false, BackingPolicy.ANY, true, false, DEFAULT_CACHE_BYTES, line -> {});
  }

  public OpenOptions withFormat(@Nullable String value) {
    return new OpenOptions(
        value,
        writable,
        forceShare,
        backingPolicy,
        backingChain,
        describeOnly,
        cacheBytes,
        warnings);
  }

  public OpenOptions withWritable(boolean value) {
    return new OpenOptions(
        format, value, forceShare, backingPolicy, backingChain, describeOnly, cacheBytes, warnings);
  }

  public OpenOptions withForceShare(boolean value) {
    return new OpenOptions(
        format, writable, value, backingPolicy, backingChain, describeOnly, cacheBytes, warnings);
  }

  public OpenOptions withBackingPolicy(BackingPolicy value) {
    return new OpenOptions(
        format, writable, forceShare, value, backingChain, describeOnly, cacheBytes, warnings);
  }

  public OpenOptions withBackingChain(boolean value) {
    return new OpenOptions(
        format, writable, forceShare, backingPolicy, value, describeOnly, cacheBytes, warnings);
  }

  /** For {@code info}: nothing but the image file itself is opened. */
  public OpenOptions forDescription() {
    return new OpenOptions(
        format, false, forceShare, backingPolicy, false, true, cacheBytes, warnings);
  }

  public OpenOptions withCacheBytes(long value) {
    return new OpenOptions(
        format, writable, forceShare, backingPolicy, backingChain, describeOnly, value, warnings);
  }

  public OpenOptions withWarnings(Consumer<String> value) {
    return new OpenOptions(
        format, writable, forceShare, backingPolicy, backingChain, describeOnly, cacheBytes, value);
  }
}
