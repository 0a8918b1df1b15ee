package org.qcowfs.engine.qcow2.mapping;

import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.cache.Slice;

/**
 * Reads slices of one kind of table through the cache.
 *
 * <p><b>Thread safety:</b> safe; two threads that miss the same slice may both read it.
 */
public final class TableReader implements SliceLoader {
  private static final ThreadLocal<DataBuffer> BUFFER =
      ThreadLocal.withInitial(() -> DataBuffer.allocate(MetadataCache.SLICE_BYTES));

  private final HostFile file;
  private final MetadataCache cache;
  private final int owner;

  public TableReader(HostFile file, MetadataCache cache) {
    this.file = file;
    this.cache = cache;
    this.owner = cache.newOwner();
  }

  @Override
  public @Nullable Slice cached(long index) {
    return cache.get(owner, index);
  }

  @Override
  public Slice load(long index, long hostOffset, int bytes) throws ImageException {
    return cache.put(read(file, owner, index, hostOffset, bytes));
  }

  /** Reads a slice without the cache. */
  public static Slice read(HostFile file, int owner, long index, long hostOffset, int bytes)
      throws ImageException {
    DataBuffer buffer = BUFFER.get();
    int got = file.read(hostOffset, buffer, 0, bytes);
    long[] words = new long[got / 8];
    buffer.bytes().asLongBuffer().get(0, words);
    return new Slice(owner, index, hostOffset, words);
  }
}
