package org.qcowfs.engine.json;

import java.io.IOException;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.ChainCheck;
import org.qcowfs.engine.ImageCheck;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Explanation;

/** The {@code check} document. Members come in the order in which QEMU prints them. */
public final class CheckJson {
  private CheckJson() {}

  /** What a check counted, as {@code qemu-img check --output=json}. */
  public static void write(
      String path,
      String format,
      CheckResult result,
      long corruptionsFixed,
      long leaksFixed,
      Appendable out)
      throws IOException {
    write(path, format, result, corruptionsFixed, leaksFixed, List.of(), out);
  }

  /** As the other, with an explanation for each cause if there are any. */
  public static void write(
      String path,
      String format,
      CheckResult result,
      long corruptionsFixed,
      long leaksFixed,
      List<Explanation> explanations,
      Appendable out)
      throws IOException {
    write(path, format, result, corruptionsFixed, leaksFixed, explanations, new JsonWriter(out));
  }

  /** The layers of a chain, the top first: an array of what is written for one image. */
  public static void writeChain(List<ChainCheck> layers, Appendable out) throws IOException {
    JsonWriter json = new JsonWriter(out);
    json.beginArray(null);
    for (ChainCheck layer : layers) {
      ImageCheck check = layer.check();
      CheckResult result = check.result();
      if (result != null && result.failure() == null) {
        write(layer.path(), check.format(), result, 0, 0, check.explanations(), json);
      } else {
        unchecked(layer.path(), check.format(), result, json);
      }
    }
    json.endArray();
  }

  private static void write(
      String path,
      String format,
      CheckResult result,
      long corruptionsFixed,
      long leaksFixed,
      List<Explanation> explanations,
      JsonWriter json)
      throws IOException {
    json.beginObject(null);
    unlessZero(json, "image-end-offset", result.imageEndOffset());
    unlessZero(json, "compressed-clusters", result.compressedClusters());
    unlessZero(json, "total-clusters", result.totalClusters());
    unlessZero(json, "corruptions", result.corruptions());
    json.number("check-errors", result.checkErrors());
    unlessZero(json, "corruptions-fixed", corruptionsFixed);
    unlessZero(json, "leaks", result.leaks());
    unlessZero(json, "leaks-fixed", leaksFixed);
    unlessZero(json, "allocated-clusters", result.allocatedClusters());
    json.string("filename", path);
    json.string("format", format);
    unlessZero(json, "fragmented-clusters", result.fragmentedClusters());
    if (!explanations.isEmpty()) {
      json.beginArray("explanations");
      for (Explanation explanation : explanations) {
        explanation(json, explanation);
      }
      json.endArray();
    }
    json.endObject();
  }

  private static void explanation(JsonWriter json, Explanation explanation) throws IOException {
    json.beginObject(null);
    json.string("cause", explanation.cause());
    json.number("count", explanation.count());
    json.beginArray("affected");
    for (Explanation.Affected affected : explanation.affected()) {
      json.beginObject(null);
      if (!affected.snapshot().isEmpty()) {
        json.string("snapshot", affected.snapshot());
      }
      json.beginArray("ranges");
      for (Explanation.Range range : affected.ranges()) {
        json.beginObject(null);
        json.number("start", range.start());
        json.number("length", range.length());
        json.endObject();
      }
      json.endArray();
      unlessZero(json, "more-ranges", affected.moreRanges());
      json.endObject();
    }
    json.endArray();
    json.endObject();
  }

  /** What a check of a file counted; null for one that was not checked. */
  public static void write(String path, String format, @Nullable CheckResult result, Appendable out)
      throws IOException {
    if (result != null && result.failure() == null) {
      write(path, format, result, 0, 0, out);
      return;
    }
    unchecked(path, format, result, new JsonWriter(out));
  }

  private static void unchecked(
      String path, String format, @Nullable CheckResult result, JsonWriter json)
      throws IOException {
    json.beginObject(null);
    json.string("filename", path);
    json.string("format", format);
    json.bool("checked", false);
    if (result != null && result.failure() != null) {
      json.string("error", result.failure());
    }
    json.endObject();
  }

  private static void unlessZero(JsonWriter json, String name, long value) throws IOException {
    if (value != 0) {
      json.number(name, value);
    }
  }
}
