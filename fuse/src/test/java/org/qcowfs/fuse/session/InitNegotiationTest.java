package org.qcowfs.fuse.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.junit.jupiter.api.Test;

class InitNegotiationTest {
  private static final int LIBFUSE_REPLY = WireFormat.OUT_HEADER + 24;
  private static final int LIBFUSE_FLAGS = 0x11;

  private final ByteBuffer request = ByteBuffer.allocate(104).order(ByteOrder.nativeOrder());
  private final ByteBuffer reply =
      ByteBuffer.allocate(WireFormat.INIT_REPLY).order(ByteOrder.nativeOrder());

  private boolean writeback;

  private int improve(int kernelMinor, int offered, int error) {
    request.putInt(WireFormat.INIT_IN_MINOR, kernelMinor);
    request.putInt(WireFormat.INIT_IN_FLAGS, offered);
    reply.putInt(WireFormat.OUT_LENGTH, LIBFUSE_REPLY);
    reply.putInt(WireFormat.OUT_ERROR, error);
    reply.putInt(WireFormat.INIT_OUT_MINOR, 19);
    reply.putInt(WireFormat.INIT_OUT_FLAGS, LIBFUSE_FLAGS);
    return InitNegotiation.improve(request, reply, LIBFUSE_REPLY, writeback);
  }

  @Test
  void asksForRequestsOfOneMebibyte() {
    int length = improve(45, 0x73fffffb, 0);

    assertThat(length).isEqualTo(80);
    assertThat(reply.getInt(WireFormat.OUT_LENGTH)).isEqualTo(80);
    assertThat(reply.getInt(WireFormat.INIT_OUT_MINOR)).isEqualTo(31);
    assertThat(reply.getInt(WireFormat.INIT_OUT_MAX_WRITE)).isEqualTo(1 << 20);
    assertThat(reply.getShort(WireFormat.INIT_OUT_MAX_PAGES)).isEqualTo((short) 256);
  }

  @Test
  void asksOnlyForWhatTheKernelOffers() {
    improve(45, WireFormat.FUSE_MAX_PAGES | WireFormat.FUSE_ASYNC_DIO, 0);

    assertThat(reply.getInt(WireFormat.INIT_OUT_FLAGS))
        .isEqualTo(WireFormat.FUSE_MAX_PAGES | WireFormat.FUSE_ASYNC_DIO);
  }

  @Test
  void neverAsksForReaddirplusWhichLibfuseCannotAnswer() {
    improve(45, -1, 0);

    assertThat(reply.getInt(WireFormat.INIT_OUT_FLAGS) & (1 << 13 | 1 << 14)).isZero();
  }

  @Test
  void leavesTheAnswerToAnOldKernelAlone() {
    assertThat(improve(27, -1, 0)).isEqualTo(LIBFUSE_REPLY);
    assertThat(reply.getInt(WireFormat.INIT_OUT_FLAGS)).isEqualTo(LIBFUSE_FLAGS);
  }

  @Test
  void leavesARefusalAlone() {
    assertThat(improve(45, -1, -71)).isEqualTo(LIBFUSE_REPLY);
  }

  @Test
  void keepsTheWritebackCacheForThoseWhoWantIt() {
    improve(45, -1, 0);
    assertThat(reply.getInt(WireFormat.INIT_OUT_FLAGS) & WireFormat.FUSE_WRITEBACK_CACHE).isZero();

    writeback = true;
    improve(45, -1, 0);
    assertThat(reply.getInt(WireFormat.INIT_OUT_FLAGS) & WireFormat.FUSE_WRITEBACK_CACHE)
        .isNotZero();
  }

  @Test
  void neverLetsTheKernelCutTheDiskByItself() {
    improve(45, -1, 0);

    assertThat(reply.getInt(WireFormat.INIT_OUT_FLAGS) & WireFormat.FUSE_ATOMIC_O_TRUNC).isZero();
  }
}
