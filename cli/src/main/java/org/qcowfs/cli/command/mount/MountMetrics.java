package org.qcowfs.cli.command.mount;

import io.prometheus.metrics.model.registry.MultiCollector;
import io.prometheus.metrics.model.snapshots.CounterSnapshot;
import io.prometheus.metrics.model.snapshots.CounterSnapshot.CounterDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot;
import io.prometheus.metrics.model.snapshots.GaugeSnapshot.GaugeDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Labels;
import io.prometheus.metrics.model.snapshots.MetricSnapshots;
import io.prometheus.metrics.model.snapshots.Quantile;
import io.prometheus.metrics.model.snapshots.Quantiles;
import io.prometheus.metrics.model.snapshots.SummarySnapshot;
import io.prometheus.metrics.model.snapshots.SummarySnapshot.SummaryDataPointSnapshot;
import io.prometheus.metrics.model.snapshots.Unit;
import java.util.List;
import org.qcowfs.engine.model.ImageStatistics;
import org.qcowfs.engine.model.ImageStatistics.LayerStatistics;
import org.qcowfs.fuse.ImageMount;
import org.qcowfs.fuse.stats.OperationStatistics;

/** What {@code stats.json} has, in the terms of Prometheus: seconds and bytes. */
final class MountMetrics implements MultiCollector {
  private static final double NANOS = 1e9;
  private static final double[] QUANTILES = {0.5, 0.9, 0.99, 0.999};

  private final ImageMount mount;

  MountMetrics(ImageMount mount) {
    this.mount = mount;
  }

  @Override
  public MetricSnapshots collect() {
    List<OperationStatistics> requests = mount.requestStatistics();
    ImageStatistics image = mount.imageStatistics();
    return MetricSnapshots.builder()
        .metricSnapshot(durations(requests))
        .metricSnapshot(bytes(requests))
        .metricSnapshot(failures(requests))
        .metricSnapshot(
            counter(
                "qcowfs_table_cache_hits",
                "Table lookups answered from memory.",
                image.tableHits()))
        .metricSnapshot(
            counter(
                "qcowfs_table_cache_misses",
                "Table lookups that read the image file.",
                image.tableMisses()))
        .metricSnapshot(
            counter(
                "qcowfs_allocated_clusters",
                "Host clusters taken, for data and metadata.",
                image.writing().allocatedClusters()))
        .metricSnapshot(
            counter(
                "qcowfs_copied_bytes",
                "Guest bytes copied because a cluster was written in part.",
                image.writing().copiedBytes()))
        .metricSnapshot(
            counter(
                "qcowfs_flushes", "Times the image was made durable.", image.writing().flushes()))
        .metricSnapshot(layers(image, "qcowfs_layer_reads", "Runs of guest bytes a layer had."))
        .metricSnapshot(layers(image, "qcowfs_layer_read_bytes", "Guest bytes a layer had."))
        .metricSnapshot(uptime())
        .build();
  }

  private static SummarySnapshot durations(List<OperationStatistics> requests) {
    SummarySnapshot.Builder summary =
        SummarySnapshot.builder()
            .name("qcowfs_request_duration_seconds")
            .unit(Unit.SECONDS)
            .help("From when a request was received until it was answered, since the mount began.");
    for (OperationStatistics request : requests) {
      Quantiles.Builder quantiles = Quantiles.builder();
      if (request.count() > 0) {
        for (double quantile : QUANTILES) {
          long nanos = request.latencies().getValueAtPercentile(quantile * 100);
          quantiles.quantile(new Quantile(quantile, nanos / NANOS));
        }
      }
      summary.dataPoint(
          SummaryDataPointSnapshot.builder()
              .labels(operation(request))
              .quantiles(quantiles.build())
              .count(request.count())
              .sum(request.totalNanos() / NANOS)
              .build());
    }
    return summary.build();
  }

  private static CounterSnapshot bytes(List<OperationStatistics> requests) {
    CounterSnapshot.Builder counter =
        CounterSnapshot.builder()
            .name("qcowfs_request_bytes")
            .help("Bytes read, written, or zeroed and discarded.");
    for (OperationStatistics request : requests) {
      counter.dataPoint(point(operation(request), request.bytes()));
    }
    return counter.build();
  }

  private static CounterSnapshot failures(List<OperationStatistics> requests) {
    CounterSnapshot.Builder counter =
        CounterSnapshot.builder()
            .name("qcowfs_request_failures")
            .help("Requests that were answered with an error.");
    for (OperationStatistics request : requests) {
      counter.dataPoint(point(operation(request), request.failures()));
    }
    return counter.build();
  }

  private static CounterSnapshot layers(ImageStatistics image, String name, String help) {
    CounterSnapshot.Builder counter = CounterSnapshot.builder().name(name).help(help);
    for (int depth = 0; depth < image.layers().size(); depth++) {
      LayerStatistics layer = image.layers().get(depth);
      counter.dataPoint(
          point(
              Labels.of("layer", Integer.toString(depth), "filename", layer.path()),
              name.endsWith("bytes") ? layer.bytes() : layer.reads()));
    }
    return counter.build();
  }

  private GaugeSnapshot uptime() {
    return GaugeSnapshot.builder()
        .name("qcowfs_uptime_seconds")
        .unit(Unit.SECONDS)
        .help("Since the mount began.")
        .dataPoint(GaugeDataPointSnapshot.builder().value(mount.uptimeNanos() / NANOS).build())
        .build();
  }

  private static CounterSnapshot counter(String name, String help, long value) {
    return CounterSnapshot.builder()
        .name(name)
        .help(help)
        .dataPoint(point(Labels.EMPTY, value))
        .build();
  }

  private static CounterDataPointSnapshot point(Labels labels, long value) {
    return CounterDataPointSnapshot.builder().labels(labels).value(value).build();
  }

  private static Labels operation(OperationStatistics request) {
    return Labels.of("operation", request.operation().label());
  }
}
