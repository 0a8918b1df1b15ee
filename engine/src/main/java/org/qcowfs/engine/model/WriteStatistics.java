package org.qcowfs.engine.model;

/**
 * What writing to a layer has cost since it was opened.
 *
 * @param allocatedClusters host clusters taken, for data and metadata
 * @param copiedBytes guest bytes copied because a cluster was written in part
 * @param flushes times the image was made durable
 */
public record WriteStatistics(long allocatedClusters, long copiedBytes, long flushes) {}
