package org.qcowfs.engine.testing;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.host.posix.Errno;

/** A host whose files are in memory, found by the very path they were put under; no locks. */
public final class MemoryHostFiles implements HostFiles {
  private final Map<String, MemoryContent> files = new TreeMap<>();

  public MemoryHostFiles() {}

  /** A host of these files; they are used, not copied. */
  public MemoryHostFiles(Map<String, MemoryContent> files) {
    this.files.putAll(files);
  }

  /** Puts a file of the real host under its own path. */
  public void load(Path path) throws IOException {
    put(path.toString(), MemoryContent.of(path));
  }

  public synchronized void put(String path, MemoryContent content) {
    files.put(path, content);
  }

  /** The file at {@code path}. */
  public synchronized MemoryContent content(String path) {
    MemoryContent content = files.get(path);
    if (content == null) {
      throw new IllegalArgumentException("no file " + path + " among " + files.keySet());
    }
    return content;
  }

  /** Copies of all files as they are now, by path. */
  public synchronized Map<String, MemoryContent> copy() {
    Map<String, MemoryContent> copies = new TreeMap<>();
    files.forEach((path, content) -> copies.put(path, content.copy()));
    return copies;
  }

  @Override
  public synchronized HostFile open(String path, boolean writable) throws ImageException {
    MemoryContent content = files.get(path);
    if (content == null) {
      throw failure(path, Errno.ENOENT);
    }
    return new MemoryHostFile(path, content, writable);
  }

  @Override
  public synchronized HostFile createNew(String path) throws ImageException {
    MemoryContent content = new MemoryContent();
    if (files.putIfAbsent(path, content) != null) {
      throw failure(path, Errno.EEXIST);
    }
    return new MemoryHostFile(path, content, true);
  }

  private static ImageException failure(String path, int errno) {
    return new ImageException(
        ErrorKind.IO, path, "Could not open '" + path + "': " + Errno.text(errno), errno, null);
  }

  @Override
  public Object identity(HostFile file) {
    return ((MemoryHostFile) file).content();
  }

  @Override
  public void lock(HostFile file, boolean forceShare, Consumer<String> warnings) {}
}
