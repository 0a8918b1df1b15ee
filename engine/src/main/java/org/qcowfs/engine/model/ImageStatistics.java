package org.qcowfs.engine.model;

import java.util.List;

/**
 * What an open disk has done since it began to count.
 *
 * @param tableHits table lookups answered from memory
 * @param tableMisses table lookups that read the image file
 * @param writing of the top layer; all zero if it takes no writes
 * @param layers from the top down
 */
public record ImageStatistics(
    long tableHits, long tableMisses, WriteStatistics writing, List<LayerStatistics> layers) {
  public ImageStatistics {
    layers = List.copyOf(layers);
  }

  /**
   * What was read from one file of the chain.
   *
   * @param path of its image file
   * @param reads runs of guest bytes it had
   * @param bytes guest bytes it had
   */
  public record LayerStatistics(String path, long reads, long bytes) {}
}
