package org.qcowfs.fuse.stats;

import java.io.IOException;
import org.qcowfs.engine.json.JsonWriter;
import org.qcowfs.engine.model.ImageStatistics;
import org.qcowfs.engine.model.ImageStatistics.LayerStatistics;
import org.qcowfs.engine.model.WriteStatistics;

/** {@code stats.json}. Times are in nanoseconds. */
public final class StatsJson {
  private StatsJson() {}

  /** Writes the document to {@code out}, in ASCII. */
  public static void write(RequestStatistics requests, ImageStatistics image, Appendable out)
      throws IOException {
    JsonWriter json = new JsonWriter(out);
    json.beginObject(null).number("uptime-ns", requests.elapsedNanos()).beginArray("requests");
    for (OperationStatistics operation : requests.now()) {
      json.beginObject(null)
          .string("operation", operation.operation().label())
          .number("count", operation.count())
          .number("bytes", operation.bytes())
          .number("failures", operation.failures())
          .number("total-ns", operation.totalNanos());
      if (operation.count() > 0) {
        json.number("p50-ns", operation.latencies().getValueAtPercentile(50))
            .number("p90-ns", operation.latencies().getValueAtPercentile(90))
            .number("p99-ns", operation.latencies().getValueAtPercentile(99))
            .number("p99.9-ns", operation.latencies().getValueAtPercentile(99.9))
            .number("max-ns", operation.latencies().getMaxValue());
      }
      json.endObject();
    }
    json.endArray()
        .beginObject("table-cache")
        .number("hits", image.tableHits())
        .number("misses", image.tableMisses())
        .endObject();
    WriteStatistics writing = image.writing();
    json.beginObject("writing")
        .number("allocated-clusters", writing.allocatedClusters())
        .number("copied-bytes", writing.copiedBytes())
        .number("flushes", writing.flushes())
        .endObject()
        .beginArray("layers");
    for (LayerStatistics layer : image.layers()) {
      json.beginObject(null)
          .string("filename", layer.path())
          .number("reads", layer.reads())
          .number("bytes", layer.bytes())
          .endObject();
    }
    json.endArray().endObject();
  }
}
