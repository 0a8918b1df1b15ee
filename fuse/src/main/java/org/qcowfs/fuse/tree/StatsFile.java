package org.qcowfs.fuse.tree;

import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.fuse.stats.RequestStatistics;
import org.qcowfs.fuse.stats.StatsJson;

/** {@code stats.json}: what the mount has done by the time somebody opens it. */
final class StatsFile extends Document {
  private final Image image;
  private final RequestStatistics statistics;

  StatsFile(Timestamp modified, Image image, RequestStatistics statistics) {
    super(modified);
    this.image = image;
    this.statistics = statistics;
  }

  /** As long as it would be now; it is read to its end, whatever that is by then. */
  @Override
  public long size() throws ImageException {
    try (RenderedContent now = render()) {
      return now.size();
    }
  }

  @Override
  public boolean isUncached() {
    return true;
  }

  @Override
  public FileContent open() throws ImageException {
    return new OwnedContent(render());
  }

  private RenderedContent render() throws ImageException {
    return JsonFile.render(
        image, (view, out) -> StatsJson.write(statistics, view.statistics(), out));
  }
}
