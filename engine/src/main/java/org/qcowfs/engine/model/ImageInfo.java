package org.qcowfs.engine.model;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What an image file says of itself, without its backing files.
 *
 * @param path the file as it was opened
 * @param format {@code qcow2} or {@code raw}
 * @param virtualSize guest disk size in bytes
 * @param actualSize bytes the file occupies on the host
 * @param clusterSize bytes per cluster, 0 where the format has none
 * @param encrypted whether the guest data is encrypted
 * @param dirty whether the refcounts are marked as possibly out of date
 * @param backingName the recorded backing file name, or null
 * @param backingFormat the recorded backing format, or null
 * @param snapshots internal snapshots in table order
 * @param qcow2 the qcow2 particulars, or null for another format
 */
public record ImageInfo(
    String path,
    String format,
    long virtualSize,
    long actualSize,
    long clusterSize,
    boolean encrypted,
    boolean dirty,
    @Nullable String backingName,
    @Nullable String backingFormat,
    List<SnapshotInfo> snapshots,
    @Nullable Qcow2Info qcow2) {}
