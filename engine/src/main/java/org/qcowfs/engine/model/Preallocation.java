package org.qcowfs.engine.model;

/** How much of a disk gets host space before it is written to. */
public enum Preallocation {
  /** Nothing. */
  OFF,
  /** Clusters in the metadata, no blocks of the host. */
  METADATA,
  /** Clusters, and blocks that the host reserves without writing. */
  FALLOC,
  /** Clusters, and blocks with zeroes written to them. */
  FULL
}
