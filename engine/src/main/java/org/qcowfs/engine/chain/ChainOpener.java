package org.qcowfs.engine.chain;

import java.util.ArrayList;
import java.util.List;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.PosixHostFile;
import org.qcowfs.engine.layer.Layer;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.raw.RawLayer;

/** Opens the layers of a chain, the top first. */
public final class ChainOpener {
  private ChainOpener() {}

  /** Opens {@code path} and what it stands on. */
  public static List<Layer> open(String path, OpenOptions options) throws ImageException {
    List<Layer> chain = new ArrayList<>();
    chain.add(new RawLayer(PosixHostFile.open(path, options.writable())));
    return chain;
  }
}
