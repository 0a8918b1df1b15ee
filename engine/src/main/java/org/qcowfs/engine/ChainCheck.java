package org.qcowfs.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BiConsumer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.qcow2.check.CheckExtras;
import org.qcowfs.engine.qcow2.check.CheckResult;
import org.qcowfs.engine.qcow2.check.Finding;

/**
 * One layer of a backing chain that was checked.
 *
 * @param path its file
 * @param check what was found; its result is null for a raw layer
 */
public record ChainCheck(String path, ImageCheck check) {
  /**
   * Checks every layer, the top first; changes nothing.
   *
   * @param findings told of each finding and of the file it is in
   * @throws ImageException if the chain cannot be followed to its end, or a layer cannot be checked
   */
  public static List<ChainCheck> run(
      String path, CheckExtras extras, OpenOptions options, BiConsumer<String, Finding> findings)
      throws ImageException {
    List<String> paths = new ArrayList<>();
    List<String> formats = new ArrayList<>();
    try (Image image = Images.open(path, options.forDescription().withBackingChain(true))) {
      for (int depth = 0; depth < image.depth(); depth++) {
        paths.add(image.path(depth));
        formats.add(image.info(depth).format());
      }
    }
    List<ChainCheck> layers = new ArrayList<>();
    for (int depth = 0; depth < paths.size(); depth++) {
      String layer = paths.get(depth);
      ImageCheck check =
          ImageCheck.run(
              layer,
              null,
              extras,
              options.withFormat(formats.get(depth)),
              finding -> findings.accept(layer, finding));
      layers.add(new ChainCheck(layer, check));
    }
    return layers;
  }

  /** The exit code of the worst layer: 1 not examined, 2 corruption, 3 leaks only, 0 clean. */
  public static int exitCode(List<ChainCheck> layers) {
    int worst = 0;
    for (ChainCheck layer : layers) {
      CheckResult result = layer.check.result();
      int code = result == null ? 0 : result.exitCode();
      if (code != 0 && (worst == 0 || code < worst)) {
        worst = code;
      }
    }
    return worst;
  }
}
