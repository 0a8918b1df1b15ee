package org.qcowfs.cli.command;

import java.util.ArrayList;
import java.util.List;
import org.qcowfs.cli.option.ImageSource;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.cli.program.Console;
import org.qcowfs.engine.change.Bitmaps;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFiles;
import org.qcowfs.engine.model.ImageInfo;
import org.qcowfs.engine.model.OpenOptions;
import org.qcowfs.engine.model.Qcow2Info;
import org.qcowfs.engine.model.Qcow2Info.BitmapInfo;

/** The persistent bitmaps that {@code convert --bitmaps} copies. */
final class ConvertBitmaps {
  private final ImageSource source;
  private final List<BitmapInfo> bitmaps;

  private ConvertBitmaps(ImageSource source, List<BitmapInfo> bitmaps) {
    this.source = source;
    this.bitmaps = bitmaps;
  }

  /**
   * Finds what is to be copied, before anything is written.
   *
   * @param skipBroken whether bitmaps that cannot be trusted are left out
   */
  static ConvertBitmaps find(List<ImageSource> sources, boolean skipBroken, Console console)
      throws CommandException, ImageException {
    if (sources.size() > 1) {
      throw new CommandException("Copying bitmaps only possible with single source");
    }
    ImageSource source = sources.get(0);
    Qcow2Info info = source.describe().qcow2();
    if (info == null || info.version() < 3) {
      throw new CommandException("Source lacks bitmap support");
    }
    List<BitmapInfo> usable = new ArrayList<>(info.bitmaps());
    for (int i = usable.size() - 1; i >= 0; i--) { // in QEMU's order
      if (usable.get(i).inUse()) {
        String name = Escape.text(usable.get(i).name());
        if (!skipBroken) {
          throw new CommandException(
              "Cannot copy inconsistent bitmap '"
                  + name
                  + "'\nTry --skip-broken-bitmaps, or use 'qemu-img bitmap --remove' to delete it");
        }
        console.warn("Skipping inconsistent bitmap '" + name + "'");
        usable.remove(i);
      }
    }
    return new ConvertBitmaps(source, usable);
  }

  /** Refuses a target that cannot have bitmaps. */
  static void requireSupport(ImageInfo target) throws CommandException {
    Qcow2Info qcow2 = target.qcow2();
    if (qcow2 == null || qcow2.version() < 3) {
      throw new CommandException(
          "Format driver '" + target.format() + "' does not support bitmaps");
    }
  }

  /** Copies them into the finished target. */
  void copyTo(String path, OpenOptions options, HostFiles files) throws CommandException {
    if (bitmaps.isEmpty()) {
      return;
    }
    OpenOptions reading =
        OpenOptions.readOnly().withFormat(source.format()).withForceShare(source.forceShare());
    try {
      Bitmaps.copy(path, options, source.path(), reading, bitmaps, files);
    } catch (ImageException e) {
      throw new CommandException(e.detail(), e);
    }
  }
}
