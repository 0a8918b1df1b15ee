package org.qcowfs.engine.convert;

import static java.nio.charset.StandardCharsets.US_ASCII;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CancellationException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.model.OpenOptions;

/** What a conversion leaves to who called it. */
class ConvertTest {
  private static final int SIZE = 16 << 20;

  @TempDir Path folder;

  /** The caller closes the images next: a thread that goes on would write into another file. */
  @Test
  @Timeout(60)
  void whenItIsInterruptedNoThreadGoesOn() throws Exception {
    byte[] bytes = new byte[SIZE];
    new Random(3).nextBytes(bytes);
    Path from = Files.write(folder.resolve("from"), bytes);
    Path to = Files.write(folder.resolve("to"), new byte[SIZE]);
    OpenOptions raw = OpenOptions.readOnly().withFormat("raw");
    Thread caller = Thread.currentThread();
    AtomicBoolean interrupted = new AtomicBoolean();
    try (Image source = Images.open(from.toString(), raw);
        Image target = Images.open(to.toString(), raw.withWritable(true))) {
      Convert slow =
          Convert.from(List.of(source))
              .rate(1 << 20)
              .progress(
                  (done, total) -> {
                    if (done > 0 && !interrupted.getAndSet(true)) {
                      caller.interrupt();
                    }
                  });
      assertThatThrownBy(() -> slow.to(target)).isInstanceOf(InterruptedException.class);
      assertThat(Thread.getAllStackTraces().keySet())
          .noneMatch(thread -> thread.getName().startsWith("convert-"));
    }
    assertThat(Thread.interrupted()).isFalse();
  }

  /** At a byte a second the first piece is due in days. */
  @Test
  @Timeout(60)
  void whoCancelsDoesNotWaitForTheRate() throws Exception {
    Path from = Files.write(folder.resolve("from"), "x".repeat(SIZE).getBytes(US_ASCII));
    Path to = Files.write(folder.resolve("to"), new byte[SIZE]);
    OpenOptions raw = OpenOptions.readOnly().withFormat("raw");
    AtomicInteger asked = new AtomicInteger();
    try (Image source = Images.open(from.toString(), raw);
        Image target = Images.open(to.toString(), raw.withWritable(true))) {
      Convert slow =
          Convert.from(List.of(source)).rate(1).cancel(() -> asked.incrementAndGet() > 20);
      assertThatThrownBy(() -> slow.to(target)).isInstanceOf(CancellationException.class);
    }
  }
}
