package org.qcowfs.engine.chain;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.layer.BackingReference;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.Qcow2Opener;
import org.qcowfs.engine.qcow2.cache.MetadataCache;
import org.qcowfs.engine.qcow2.check.DirtyImage;
import org.qcowfs.engine.raw.RawLayer;

/** Opens the layers of a chain, the top first; one use. */
public final class ChainOpener {
  /** Deeper chains are refused. */
  static final int MAX_DEPTH = 256;

  /** How QEMU's message ends that names a file of the chain for the second time. */
  private static final String LOOP = "' creates an infinite loop.";

  private final OpenOptions options;
  private final HostFiles files;
  private final MetadataCache cache;
  private final Set<Object> opened = new HashSet<>();

  private ChainOpener(OpenOptions options, HostFiles files) {
    this.options = options;
    this.files = files;
    this.cache = new MetadataCache(options.cacheBytes());
  }

  /**
   * Opens {@code path} and, if the options say so, what it stands on.
   *
   * @throws ImageException what is wrong with the first file that could not be opened; nothing
   *     stays open then
   */
  public static List<Layer> open(String path, OpenOptions options, HostFiles files)
      throws ImageException {
    return open(path, options, MAX_DEPTH + 1, files);
  }

  /** As {@link #open(String, OpenOptions, HostFiles)}, and at most {@code layers} layers. */
  public static List<Layer> open(String path, OpenOptions options, int layers, HostFiles files)
      throws ImageException {
    List<Layer> chain = new ArrayList<>();
    try {
      new ChainOpener(options, files).open(path, layers, chain);
      return chain;
    } catch (ImageException | RuntimeException e) {
      for (Layer layer : chain) {
        try {
          layer.close();
        } catch (ImageException closing) {
          e.addSuppressed(closing);
        }
      }
      throw e;
    }
  }

  private void open(String path, int layers, List<Layer> chain) throws ImageException {
    Layer layer = openLayer(path, options.format(), options);
    chain.add(layer);
    OpenOptions below = readOnly();
    for (BackingReference next = layer.backing();
        next != null && options.backingChain() && chain.size() < layers;
        next = layer.backing()) {
      String from = layer.file().path();
      if (chain.size() == MAX_DEPTH) {
        throw new ImageException(
            ErrorKind.REFUSED, path, "backing chain has more than " + MAX_DEPTH + " layers");
      }
      String backing =
          BackingPath.resolve(from, next.name(), "backing file", options.backingPolicy());
      try {
        layer = openLayer(backing, backingFormat(next, backing), below);
      } catch (ImageException e) {
        if (e.detail().endsWith(LOOP)) {
          throw e;
        }
        throw new ImageException(
            e.kind(), e.file(), "Could not open backing file: " + e.detail(), e.errno(), e);
      }
      chain.add(layer);
    }
  }

  /** The layers below the top are only ever read. */
  private OpenOptions readOnly() {
    return new OpenOptions(
        null,
        false,
        options.forceShare(),
        options.backingPolicy(),
        true,
        options.describeOnly(),
        options.cacheBytes(),
        options.warnings());
  }

  private @Nullable String backingFormat(BackingReference reference, String path) {
    String format = reference.format();
    if (format == null || format.isEmpty()) {
      options
          .warnings()
          .accept(
              Escape.text(path)
                  + ": no backing format is recorded for this backing file; probing it, which a"
                  + " guest that writes a raw disk can mislead");
      return null;
    }
    return format;
  }

  private Layer openLayer(String path, @Nullable String format, OpenOptions how)
      throws ImageException {
    HostFile file = openFile(path, "Backing file", how.writable());
    try {
      String chosen = format == null ? FormatProbe.probe(file) : format;
      switch (chosen) {
        case "qcow2":
          if (how.writable()) {
            DirtyImage.repair(file, how.warnings());
          }
          return Qcow2Opener.open(
              file, how, cache, name -> openDataFile(path, name, how.writable()));
        // QEMU names the drivers below raw where it means the file as it is.
        case "raw", "file", "host_device":
          return new RawLayer(file);
        default:
          throw new ImageException(
              ErrorKind.UNSUPPORTED,
              path,
              format == null
                  ? "Image is in "
                      + chosen
                      + " format, which is not supported (name the format raw to read the file as"
                      + " it is)"
                  : "Unknown driver '" + Escape.text(chosen) + "'; expected qcow2 or raw");
      }
    } catch (ImageException | RuntimeException e) {
      try {
        file.close();
      } catch (ImageException closing) {
        e.addSuppressed(closing);
      }
      throw e;
    }
  }

  private HostFile openDataFile(String image, String name, boolean writable) throws ImageException {
    String path = BackingPath.dataFile(image, name, options.backingPolicy(), options.warnings());
    return openFile(path, "Data file", writable);
  }

  private HostFile openFile(String path, String role, boolean writable) throws ImageException {
    HostFile file = files.open(path, writable);
    try {
      if (!opened.add(files.identity(file))) {
        throw new ImageException(ErrorKind.REFUSED, path, role + " '" + Escape.text(path) + LOOP);
      }
      files.lock(file, options.forceShare(), options.warnings());
      return file;
    } catch (ImageException e) {
      file.close();
      throw e;
    }
  }
}
