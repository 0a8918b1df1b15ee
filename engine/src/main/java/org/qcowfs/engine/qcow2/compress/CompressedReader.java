package org.qcowfs.engine.qcow2.compress;

import com.kenai.jffi.MemoryIO;
import java.lang.ref.Reference;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Geometry;

/**
 * Reads guest bytes out of compressed clusters of one image.
 *
 * <p><b>Thread safety:</b> safe; each thread decompresses in memory of its own (two clusters and a
 * sector), shared by all images it reads.
 */
public final class CompressedReader {
  private static final ThreadLocal<Scratch> SCRATCH = ThreadLocal.withInitial(Scratch::new);

  private final HostFile file;
  private final Geometry geometry;
  private final boolean zstd;

  /** Compressed clusters that were stored meanwhile: where one is now, another may have been. */
  private final AtomicLong stored = new AtomicLong();

  /**
   * @param zstd whether the compression type is zstd, else zlib
   */
  public CompressedReader(HostFile file, Geometry geometry, boolean zstd) {
    this.file = file;
    this.geometry = geometry;
    this.zstd = zstd;
  }

  /**
   * Nothing that was decompressed before is used again. Called before a compressed cluster is
   * stored, which may take the very place, and so the descriptor, of one that was given back.
   */
  public void storing() {
    stored.incrementAndGet();
  }

  /**
   * Copies guest bytes from the cluster of {@code descriptor}.
   *
   * @param guestOffset first byte; the range does not leave its cluster
   * @throws ImageException kind {@code CORRUPT} if the cluster does not decompress to its full size
   */
  public void read(long descriptor, long guestOffset, DataBuffer dst, int position, int length)
      throws ImageException {
    Objects.checkFromIndexSize(position, length, dst.capacity());
    Scratch scratch = SCRATCH.get();
    DataBuffer cluster = scratch.cluster(this, descriptor);
    if (cluster == null) {
      cluster = decompress(scratch, descriptor, guestOffset);
    }
    MemoryIO.getInstance()
        .copyMemory(
            cluster.address() + geometry.inCluster(guestOffset), dst.address() + position, length);
    Reference.reachabilityFence(cluster);
    Reference.reachabilityFence(dst);
  }

  private DataBuffer decompress(Scratch scratch, long descriptor, long guestOffset)
      throws ImageException {
    int clusterSize = (int) geometry.clusterSize();
    int wanted = geometry.compressedBytes(descriptor);
    long hostOffset = geometry.compressedOffset(descriptor);
    scratch.makeRoom(clusterSize);
    long storedBefore = stored.get();
    int got = file.read(hostOffset, scratch.compressed(), 0, wanted);
    String fault =
        got == 0
            ? "is past the end of the file"
            : scratch
                .decompressor(zstd)
                .decompress(scratch.compressed(), got, scratch.plain(), clusterSize);
    if (fault != null) {
      throw new ImageException(
          ErrorKind.CORRUPT,
          file.path(),
          String.format(
              "compressed cluster at host offset 0x%x (guest offset 0x%x): %s",
              hostOffset, guestOffset & -geometry.clusterSize(), fault));
    }
    scratch.remember(this, descriptor, storedBefore);
    return scratch.plain();
  }

  /** What one thread needs to decompress, grown to the largest cluster it has met. */
  private static final class Scratch {
    private DataBuffer compressed = DataBuffer.allocate(0);
    private DataBuffer plain = compressed;
    private @Nullable CompressedReader reader;
    private long descriptor;
    private long storedBefore;
    private @Nullable Decompressor deflate;
    private @Nullable Decompressor zstd;

    @Nullable DataBuffer cluster(CompressedReader wanted, long descriptor) {
      boolean same = reader == wanted && this.descriptor == descriptor;
      return same && storedBefore == wanted.stored.get() ? plain : null;
    }

    void makeRoom(int clusterSize) {
      reader = null;
      if (plain.capacity() < clusterSize) {
        plain = DataBuffer.allocate(clusterSize);
        compressed = DataBuffer.allocate(clusterSize * 2 + 512);
      }
    }

    void remember(CompressedReader owner, long descriptor, long storedBefore) {
      this.reader = owner;
      this.descriptor = descriptor;
      this.storedBefore = storedBefore;
    }

    DataBuffer compressed() {
      return compressed;
    }

    DataBuffer plain() {
      return plain;
    }

    Decompressor decompressor(boolean wantZstd) {
      Decompressor found = wantZstd ? zstd : deflate;
      if (found != null) {
        return found;
      }
      Decompressor made = wantZstd ? new ZstdDecompressor() : new DeflateDecompressor();
      if (wantZstd) {
        zstd = made;
      } else {
        deflate = made;
      }
      return made;
    }
  }
}
