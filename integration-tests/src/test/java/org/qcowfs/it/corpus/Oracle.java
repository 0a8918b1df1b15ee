package org.qcowfs.it.corpus;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.Json;
import org.qcowfs.it.support.Json.JsonObject;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Sha256;
import org.qcowfs.it.support.TempImages;

/**
 * Asks QEMU what an image shows: the disk, each internal snapshot, each layer.
 *
 * <p>Extents are {@code qemu-img map}'s: what is not {@code zero} is data, neighbours merged. There
 * is one lawful difference, and it is taken out here: QEMU asks the host for holes under allocated
 * clusters only where it takes the image for preallocated, and for raw files; to us what the host
 * has no block for is a hole, always. So each stretch of data that has a host offset is cut down to
 * what the host file has there.
 *
 * <p>{@code map} knows no snapshots: for a snapshot's extents a copy of the image is reverted to
 * it.
 */
public final class Oracle {
  /** Larger disks are compared only around their data: hashing zeroes proves little. */
  private static final long WHOLE_LIMIT = 256 << 20;

  private static final Map<Path, List<View>> KNOWN = new ConcurrentHashMap<>();

  private Oracle() {}

  /** All views of {@code image}; remembered, so the image must not change. */
  public static List<View> views(Path image) {
    return KNOWN.computeIfAbsent(image, Oracle::ask);
  }

  private record ChainFile(Path file, String format, Path data) {}

  private static List<View> ask(Path image) {
    List<ChainFile> chain = chain(image);
    List<View> views = new ArrayList<>();
    views.add(qcow2View(View.Kind.DISK, 0, "disk", image, chain));
    int index = 0;
    for (JsonObject snapshot : snapshots(image)) {
      views.add(snapshotView(index++, snapshot, image, chain));
    }
    for (int depth = 0; depth < chain.size(); depth++) {
      views.add(layerView(depth, chain));
    }
    return views;
  }

  private static List<ChainFile> chain(Path image) {
    String json = QemuImg.run("info", "--backing-chain", "--output=json", image.toString()).out();
    try {
      List<ChainFile> chain = new ArrayList<>();
      for (JsonObject info : Json.objects(json)) {
        Path file = Path.of(info.text("filename"));
        Path data = file;
        if (info.fields().get("format-specific") instanceof JsonObject specific
            && specific.fields().get("data") instanceof JsonObject details
            && details.has("data-file")) {
          data = file.resolveSibling(details.text("data-file"));
        }
        chain.add(new ChainFile(file, info.text("format"), data));
      }
      return chain;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static List<JsonObject> snapshots(Path image) {
    try {
      Object info = Json.parse(QemuImg.info(image));
      Object list = info instanceof JsonObject object ? object.fields().get("snapshots") : null;
      List<JsonObject> snapshots = new ArrayList<>();
      if (list instanceof List<?> elements) {
        elements.forEach(element -> snapshots.add((JsonObject) element));
      }
      return snapshots;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static View snapshotView(
      int index, JsonObject snapshot, Path image, List<ChainFile> chain) {
    Path reverted = image.resolveSibling(".reverted-" + index + "-" + image.getFileName());
    try {
      HoleMap.copyExactly(image, reverted);
      QemuImg.run("snapshot", "-a", snapshot.text("id"), reverted.toString());
      List<ChainFile> revertedChain = new ArrayList<>(chain);
      revertedChain.set(0, new ChainFile(reverted, "qcow2", reverted));
      return qcow2View(View.Kind.SNAPSHOT, index, snapshot.text("name"), reverted, revertedChain);
    } finally {
      try {
        Files.deleteIfExists(reverted);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }

  private static View layerView(int depth, List<ChainFile> chain) {
    ChainFile layer = chain.get(depth);
    String name = String.valueOf(layer.file().getFileName());
    if (layer.format().equals("qcow2")) {
      return qcow2View(
          View.Kind.LAYER, depth, name, layer.file(), chain.subList(depth, chain.size()));
    }
    // A raw layer is its file, to the byte: QEMU would round its size up to a sector.
    HoleMap extents = HoleMap.ofFile(layer.file());
    List<HoleMap.Stretch> windows = windows(extents);
    return new View(
        View.Kind.LAYER,
        depth,
        name,
        extents.size(),
        extents,
        windows,
        Sha256.ofFile(layer.file(), windows));
  }

  private static View qcow2View(
      View.Kind kind, int index, String name, Path image, List<ChainFile> chain) {
    HoleMap extents = extents(QemuImg.map(image, "qcow2"), chain);
    List<HoleMap.Stretch> windows = windows(extents);
    return new View(
        kind, index, name, extents.size(), extents, windows, hash(image, extents.size(), windows));
  }

  private static HoleMap extents(List<QemuImg.MapEntry> map, List<ChainFile> chain) {
    HoleMap.Builder builder = new HoleMap.Builder();
    Map<Path, HoleMap> host = new ConcurrentHashMap<>();
    long size = 0;
    for (QemuImg.MapEntry entry : map) {
      size = entry.start() + entry.length();
      if (entry.zero()) {
        continue;
      }
      if (entry.offset() < 0) {
        builder.add(entry.start(), size);
        continue;
      }
      Path file = chain.get(entry.depth()).data();
      long shift = entry.start() - entry.offset();
      host.computeIfAbsent(file, HoleMap::ofFile)
          .within(entry.offset(), entry.offset() + entry.length())
          .forEach(stretch -> builder.add(stretch.start() + shift, stretch.end() + shift));
    }
    return builder.build(size);
  }

  private static List<HoleMap.Stretch> windows(HoleMap extents) {
    long size = extents.size();
    if (size == 0) {
      return List.of();
    }
    if (size <= WHOLE_LIMIT) {
      return List.of(new HoleMap.Stretch(0, size));
    }
    HoleMap.Builder builder = new HoleMap.Builder();
    long margin = 64 << 10;
    for (HoleMap.Stretch data : extents.data()) {
      builder.add(Math.max(0, data.start() - margin), Math.min(size, data.end() + margin));
    }
    return builder.build(size).data();
  }

  private static String hash(Path image, long size, List<HoleMap.Stretch> windows) {
    try (TempImages scratch = TempImages.create("oracle")) {
      Path raw = scratch.path("raw");
      if (size <= WHOLE_LIMIT) {
        QemuImg.toRaw(image, "qcow2", raw);
        return Sha256.ofFile(raw, windows);
      }
      List<Path> parts = new ArrayList<>();
      for (HoleMap.Stretch window : windows) {
        Path part = scratch.path("part-" + parts.size());
        QemuImg.windowToRaw(image, window.start(), window.end() - window.start(), part);
        parts.add(part);
      }
      return Sha256.ofFiles(parts);
    }
  }
}
