package org.qcowfs.engine.layer;

/** A layer whose metadata can claim more host clusters than the host has blocks for. */
public interface Preallocated {
  /**
   * Whether it does, by enough to matter: then much of what its map calls data is a hole of the
   * host, never written. Walked once, then remembered.
   */
  boolean isPreallocated();
}
