package org.qcowfs.fuse.tree;

import java.io.Closeable;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;

/** A document about an image, rendered when it is first looked at. */
final class JsonFile extends Document implements Closeable {
  private final LazyImage image;
  private final JsonRenderer renderer;
  private @Nullable RenderedContent rendered;

  JsonFile(Timestamp modified, LazyImage image, JsonRenderer renderer) {
    super(modified);
    this.image = image;
    this.renderer = renderer;
  }

  @Override
  public long size() throws ImageException {
    return open().size();
  }

  @Override
  public synchronized RenderedContent open() throws ImageException {
    RenderedContent known = rendered;
    if (known != null) {
      return known;
    }
    known = render(image.get(), renderer);
    rendered = known;
    return known;
  }

  static RenderedContent render(Image image, JsonRenderer renderer) throws ImageException {
    try (RenderedContent.Builder out = new RenderedContent.Builder()) {
      Writer writer = new OutputStreamWriter(out, StandardCharsets.US_ASCII);
      renderer.render(image, writer);
      writer.flush();
      return out.build();
    } catch (ImageException e) {
      throw e;
    } catch (IOException e) {
      throw new ImageException(
          ErrorKind.IO, image.path(0), "could not describe the image: " + e.getMessage(), e);
    }
  }

  @Override
  public synchronized void close() throws ImageException {
    RenderedContent known = rendered;
    if (known != null) {
      known.close();
      rendered = null;
    }
  }
}
