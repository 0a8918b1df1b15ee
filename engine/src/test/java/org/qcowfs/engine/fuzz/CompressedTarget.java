package org.qcowfs.engine.fuzz;

import java.util.Arrays;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.compress.CompressedReader;
import org.qcowfs.engine.qcow2.format.Geometry;
import org.qcowfs.engine.testing.ImageBuilder;
import org.qcowfs.engine.testing.MemoryContent;
import org.qcowfs.engine.testing.MemoryHostFile;

/** The first byte chooses the method, the others are the compressed stream of a cluster. */
public final class CompressedTarget {
  private static final Geometry GEOMETRY = geometry();
  private static final DataBuffer CLUSTER = DataBuffer.allocate((int) GEOMETRY.clusterSize());

  private CompressedTarget() {}

  private static Geometry geometry() {
    byte[] image = ImageBuilder.golden("zlib");
    try {
      return Geometry.of(
          Qcow2Opener.readHeader(new MemoryHostFile("zlib", MemoryContent.of(image), false)));
    } catch (ImageException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Decompresses {@code input}, as if two clusters were stored for one. */
  public static void fuzzerTestOneInput(byte[] input) {
    if (input.length < 2) {
      return;
    }
    byte[] stream = Arrays.copyOfRange(input, 1, input.length);
    MemoryHostFile file = new MemoryHostFile("input", MemoryContent.of(stream), false);
    CompressedReader reader = new CompressedReader(file, GEOMETRY, (input[0] & 1) != 0);
    // Offset 0, and as many sectors as the descriptor can say.
    int sectorBits = GEOMETRY.clusterBits() - 8;
    long descriptor = (1L << sectorBits) - 1 << 62 - sectorBits | 1L << 62;
    try {
      reader.read(descriptor, 0, CLUSTER, 0, CLUSTER.capacity());
    } catch (ImageException e) {
      Text.harmless(e.getMessage());
    }
  }
}
