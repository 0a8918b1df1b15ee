package org.qcowfs.fuse.tree;

import java.io.Closeable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.base.Prefetch;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.json.InfoJson;
import org.qcowfs.engine.json.MapJson;
import org.qcowfs.engine.model.SnapshotInfo;
import org.qcowfs.fuse.stats.RequestStatistics;

/**
 * What a mount of one image shows: a view of the image at the root, one view per snapshot in {@code
 * snapshots/}, one per layer of the chain in {@code layers/}, which for a layer below has its own
 * {@code snapshots/}; and {@code stats.json}. A view is a folder with {@code disk.raw}, {@code
 * info.json}, {@code map.json} and {@code check.json}.
 *
 * <p><b>Thread safety:</b> any thread.
 */
public final class MountTree implements Closeable {
  private final Image image;
  private final FaultLog log;
  private final RequestStatistics statistics;
  private final Node root;

  /** What may have been rendered. */
  private final Set<JsonFile> documents = ConcurrentHashMap.newKeySet();

  /** Those of snapshots that can be deleted. */
  private final Map<SnapshotUse, List<JsonFile>> documentsOf = new ConcurrentHashMap<>();

  /** What a check says of each layer, by depth: one document for all views of a file. */
  private final Map<Integer, CheckDocument> checks = new ConcurrentHashMap<>();

  /** The disk of a mount that writes, else null. */
  private final @Nullable LiveDisk live;

  private final Folder snapshots;

  /** Who uses which snapshot, by the name of its folder; empty in a mount that does not write. */
  private final Map<String, SnapshotUse> uses = new ConcurrentHashMap<>();

  private MountTree(
      Image image, FaultLog log, boolean isFlat, WritePolicy policy, RequestStatistics statistics) {
    this.image = image;
    this.statistics = statistics;
    this.log = log;
    this.live = image.writable() ? new LiveDisk(image, policy) : null;
    Timestamp modified = Timestamp.ofFile(image.path(0));
    this.snapshots = new Folder(modified, this::snapshots, live != null && hasSnapshots(image));
    this.root = isFlat ? topDisk(modified, true) : new Folder(modified, () -> rootFolder(modified));
  }

  /**
   * The views of {@code image}, which stays the caller's to close, and counts ({@link
   * Image#count}).
   *
   * @param log receives what cannot be read
   * @param policy how to write, if the image is open for writing
   * @param statistics shown as {@code stats.json}
   */
  public static MountTree views(
      Image image, FaultLog log, WritePolicy policy, RequestStatistics statistics) {
    return new MountTree(image, log, false, policy, statistics);
  }

  /** Nothing but the disk of {@code image}, as the root itself. */
  public static MountTree flat(
      Image image, FaultLog log, WritePolicy policy, RequestStatistics statistics) {
    return new MountTree(image, log, true, policy, statistics);
  }

  /** Whether something in it can be written to. */
  public boolean isWritable() {
    return live != null;
  }

  /** Says what keeps bytes back from a disk that can be written to. */
  public void attach(KernelCache kernel) {
    if (live != null) {
      live.attach(kernel);
    }
  }

  /** Makes what was written durable, if anything could be. */
  public void flush() throws ImageException {
    if (live != null) {
      live.flush();
    }
  }

  /** The root: a folder, or a file in a flat mount. */
  public Node root() {
    return root;
  }

  /** The node at an absolute path of the mount, or null. */
  public @Nullable Node find(String path) {
    Node node = root;
    int at = 1;
    while (at < path.length()) {
      int slash = path.indexOf('/', at);
      int end = slash < 0 ? path.length() : slash;
      if (!(node instanceof Folder folder)) {
        return null;
      }
      Node child = folder.children().get(path.substring(at, end));
      if (child == null) {
        return null;
      }
      node = child;
      at = end + 1;
    }
    return node;
  }

  private Map<String, Node> rootFolder(Timestamp modified) {
    Map<String, Node> children = topView(modified, image, true);
    Prefetch prefetch = image.prefetch();
    if (live != null && prefetch != null) {
      children.put(
          "prefetch.json",
          new LiveJsonFile(modified, live, image, (view, out) -> prefetch.writeJson(out)));
    }
    children.put("snapshots", snapshots);
    children.put("layers", new Folder(modified, this::layers));
    children.put("stats.json", new StatsFile(modified, image, statistics));
    return children;
  }

  /** The image itself, as the root or as the first layer, where it may change all the time. */
  private Map<String, Node> topView(Timestamp modified, Image view, boolean writable) {
    if (live == null) {
      return view(modified, new LazyImage(() -> view), 0);
    }
    Map<String, Node> children = new LinkedHashMap<>();
    children.put("disk.raw", topDisk(modified, writable));
    children.put(
        "info.json",
        new LiveJsonFile(modified, live, view, (shown, out) -> InfoJson.write(shown.info(), out)));
    children.put("map.json", new LiveJsonFile(modified, live, view, MapJson::write));
    children.put("check.json", check(modified, 0));
    return children;
  }

  private DiskFile topDisk(Timestamp modified, boolean writable) {
    return live == null
        ? new DiskFile(modified, new LazyImage(() -> image), log)
        : new LiveDiskFile(modified, live, log, writable);
  }

  private CheckFile check(Timestamp modified, int depth) {
    return new CheckFile(
        modified, checks.computeIfAbsent(depth, layer -> new CheckDocument(image.layer(layer))));
  }

  private Map<String, Node> view(Timestamp modified, LazyImage disk, int depth) {
    JsonFile infoFile =
        new JsonFile(modified, disk, (view, out) -> InfoJson.write(view.info(), out));
    JsonFile mapFile = new JsonFile(modified, disk, MapJson::write);
    documents.add(infoFile);
    documents.add(mapFile);
    Map<String, Node> children = new LinkedHashMap<>();
    children.put("disk.raw", new DiskFile(modified, disk, log));
    children.put("info.json", infoFile);
    children.put("map.json", mapFile);
    children.put("check.json", check(modified, depth));
    return children;
  }

  private static boolean hasSnapshots(Image image) {
    try {
      return image.info().qcow2() != null;
    } catch (ImageException e) {
      return false;
    }
  }

  private Map<String, Node> snapshots() {
    Map<String, Node> children = new LinkedHashMap<>();
    for (SnapshotInfo snapshot : image.snapshots()) {
      String name = SafeName.unique(snapshot.name(), snapshot.id(), children.keySet());
      children.put(name, snapshotFolder(name, snapshot));
    }
    return children;
  }

  private Folder snapshotFolder(String name, SnapshotInfo snapshot) {
    Timestamp taken = new Timestamp(snapshot.dateSeconds(), snapshot.dateNanos());
    if (!snapshots.isWritable()) {
      return new Folder(taken, () -> snapshotView(snapshot, taken, 0));
    }
    SnapshotUse use = new SnapshotUse(image.path(0), snapshot);
    uses.put(name, use);
    return new Folder(
        taken,
        () -> {
          Map<String, Node> view = snapshotView(snapshot, taken, 0);
          documentsOf.put(use, documents(view));
          view.replaceAll((file, node) -> new SnapshotFile((FileNode) node, use));
          return view;
        });
  }

  /**
   * Makes a snapshot of all that has been written, and its folder. One thread at a time, and none
   * that the kernel needs, see {@link KernelCache}; no lock is held meanwhile, because such a
   * thread may want it.
   *
   * @param name its tag, which must be a {@link SafeName} that is not taken
   */
  public void createSnapshot(String name) throws ImageException {
    snapshots.children();
    if (live != null) {
      live.writeBack();
    }
    snapshots.add(name, snapshotFolder(name, image.createSnapshot(name)));
  }

  /**
   * Deletes the snapshot whose folder is called {@code name}. One thread at a time.
   *
   * @throws ImageException kind {@code IN_USE} if a file of it is open
   */
  public void deleteSnapshot(String name) throws ImageException {
    snapshots.children();
    SnapshotUse use = uses.get(name);
    if (use == null) {
      throw new ImageException(ErrorKind.OUT_OF_BOUNDS, image.path(0), "no such snapshot");
    }
    use.delete(() -> image.deleteSnapshot(current(use.snapshot())));
    uses.remove(name);
    snapshots.remove(name);
    List<JsonFile> rendered = documentsOf.remove(use);
    if (rendered != null) {
      close(rendered);
    }
  }

  /** The same snapshot as the table has it now: its place changes when others are deleted. */
  private SnapshotInfo current(SnapshotInfo known) throws ImageException {
    for (SnapshotInfo snapshot : image.snapshots()) {
      if (snapshot.id().equals(known.id()) && snapshot.l1Offset() == known.l1Offset()) {
        return snapshot;
      }
    }
    throw new ImageException(ErrorKind.OUT_OF_BOUNDS, image.path(0), "no such snapshot");
  }

  /**
   * @param depth of the layer whose snapshot it is
   */
  private Map<String, Node> snapshotView(SnapshotInfo snapshot, Timestamp taken, int depth) {
    Image owner = depth == 0 ? image : image.layer(depth);
    Map<String, Node> children = view(taken, new LazyImage(() -> owner.snapshot(snapshot)), depth);
    if (snapshot.vmStateSize() > 0) {
      LazyImage state = new LazyImage(() -> owner.vmState(snapshot));
      children.put("vmstate.bin", new DiskFile(taken, state, log));
    }
    return children;
  }

  private Map<String, Node> layers() {
    Map<String, Node> children = new LinkedHashMap<>();
    for (int depth = 0; depth < image.depth(); depth++) {
      Image layer = image.layer(depth);
      String path = layer.path(0);
      Timestamp modified = Timestamp.ofFile(path);
      String name = SafeName.of(depth + "-" + Path.of(path).getFileName());
      int below = depth;
      boolean isTop = depth == 0;
      children.put(
          name,
          new Folder(
              modified,
              () -> isTop ? topView(modified, layer, false) : lowerView(modified, layer, below)));
    }
    return children;
  }

  /** A layer below the image: with its own snapshots, if it has any. */
  private Map<String, Node> lowerView(Timestamp modified, Image layer, int depth) {
    Map<String, Node> children = view(modified, new LazyImage(() -> layer), depth);
    if (!layer.snapshots().isEmpty()) {
      children.put("snapshots", new Folder(modified, () -> snapshotsOf(layer, depth)));
    }
    return children;
  }

  private Map<String, Node> snapshotsOf(Image layer, int depth) {
    Map<String, Node> children = new LinkedHashMap<>();
    for (SnapshotInfo snapshot : layer.snapshots()) {
      String name = SafeName.unique(snapshot.name(), snapshot.id(), children.keySet());
      Timestamp taken = new Timestamp(snapshot.dateSeconds(), snapshot.dateNanos());
      children.put(name, new Folder(taken, () -> snapshotView(snapshot, taken, depth)));
    }
    return children;
  }

  /** Why the latest flush failed; null if it did not. */
  public @Nullable ImageException failure() {
    return live == null ? null : live.failure();
  }

  private static List<JsonFile> documents(Map<String, Node> view) {
    List<JsonFile> documents = new ArrayList<>();
    for (Node node : view.values()) {
      if (node instanceof JsonFile document) {
        documents.add(document);
      }
    }
    return documents;
  }

  private void close(List<JsonFile> rendered) throws ImageException {
    for (JsonFile document : rendered) {
      documents.remove(document);
      document.close();
    }
  }

  /** Makes what was written durable and releases what was rendered; the image stays open. */
  @Override
  public void close() throws ImageException {
    close(List.copyOf(documents));
    for (CheckDocument check : checks.values()) {
      check.close();
    }
    if (live != null) {
      live.flushNow();
    }
  }
}
