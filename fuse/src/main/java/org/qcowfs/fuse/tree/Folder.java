package org.qcowfs.fuse.tree;

import java.util.Map;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A folder, which makes its children when it is first looked into.
 *
 * <p><b>Thread safety:</b> any thread.
 */
public final class Folder extends Node {
  private final Supplier<Map<String, Node>> maker;
  private @Nullable Map<String, Node> children;

  Folder(Timestamp modified, Supplier<Map<String, Node>> maker) {
    super(modified);
    this.maker = maker;
  }

  /** The children by name, in the order they are listed. */
  public synchronized Map<String, Node> children() {
    Map<String, Node> made = children;
    if (made == null) {
      made = maker.get();
      children = made;
    }
    return made;
  }
}
