package org.qcowfs.fuse.tree;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.host.DataBuffer;

class RenderedContentTest {
  private static byte pattern(long offset) {
    return (byte) (offset * 31 + (offset >> 13));
  }

  /** Below, at and far above what is kept in memory. */
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 1 << 20, (1 << 20) + 1, 5_000_000})
  void readsBackWhatWasWritten(int size) throws IOException {
    try (RenderedContent.Builder out = new RenderedContent.Builder()) {
      for (int at = 0; at < size; ) {
        byte[] piece = new byte[Math.min(10_007, size - at)];
        for (int i = 0; i < piece.length; i++) {
          piece[i] = pattern(at + i);
        }
        out.write(piece);
        at += piece.length;
      }
      try (RenderedContent content = out.build()) {
        assertThat(content.size()).isEqualTo(size);
        DataBuffer buffer = DataBuffer.allocate(size + 8, 8);
        content.read(0, buffer, 8, size);
        for (int i = 0; i < size; i++) {
          if (buffer.bytes().get(8 + i) != pattern(i)) {
            assertThat(i).as("first wrong byte").isEqualTo(-1);
          }
        }
      }
    }
  }

  @Test
  void hasNoHoles() throws IOException {
    try (RenderedContent.Builder out = new RenderedContent.Builder()) {
      out.write(new byte[100]);
      RenderedContent content = out.build();
      assertThat(content.nextData(40)).isEqualTo(40);
      assertThat(content.nextHole(40)).isEqualTo(100);
    }
  }
}
