package org.qcowfs.fuse.tree;

import java.util.LinkedHashMap;
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
  private final boolean writable;
  private @Nullable Map<String, Node> children;

  Folder(Timestamp modified, Supplier<Map<String, Node>> maker) {
    this(modified, maker, false);
  }

  /**
   * @param writable whether folders can be made and removed in it
   */
  Folder(Timestamp modified, Supplier<Map<String, Node>> maker, boolean writable) {
    super(modified);
    this.maker = maker;
    this.writable = writable;
  }

  /** Whether folders can be made and removed in it. */
  public boolean isWritable() {
    return writable;
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

  /** Adds a child. The map that {@link #children} gave before stays as it was. */
  synchronized void add(String name, Node child) {
    Map<String, Node> changed = new LinkedHashMap<>(children());
    changed.put(name, child);
    children = changed;
  }

  /** Takes a child out, as {@link #add} puts one in. */
  synchronized void remove(String name) {
    Map<String, Node> changed = new LinkedHashMap<>(children());
    changed.remove(name);
    children = changed;
  }
}
