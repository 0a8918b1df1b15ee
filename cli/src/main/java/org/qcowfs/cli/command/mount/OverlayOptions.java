package org.qcowfs.cli.command.mount;

/**
 * What a new overlay is to be.
 *
 * @param clusterSize bytes per cluster
 * @param extendedL2 whether clusters have subclusters
 * @param size guest disk size in bytes; -1 for that of the image below
 */
record OverlayOptions(long clusterSize, boolean extendedL2, long size) {
  static final OverlayOptions DEFAULT = new OverlayOptions(1 << 16, false, -1);
}
