package org.qcowfs.fuse.session;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** The right-hand sides were printed by a C program with sizeof and offsetof of linux/fuse.h. */
class WireFormatTest {
  private static final int IN = 40;
  private static final int OUT = 16;

  @Test
  void headersAreThoseOfTheKernel() {
    assertThat(WireFormat.IN_HEADER).isEqualTo(IN);
    assertThat(WireFormat.IN_OPCODE).isEqualTo(4);
    assertThat(WireFormat.IN_UNIQUE).isEqualTo(8);
    assertThat(WireFormat.OUT_HEADER).isEqualTo(OUT);
    assertThat(WireFormat.OUT_ERROR).isEqualTo(4);
    assertThat(WireFormat.OUT_UNIQUE).isEqualTo(8);
  }

  @Test
  void requestFieldsAreThoseOfTheKernel() {
    assertThat(WireFormat.FILE_HANDLE).isEqualTo(IN);
    assertThat(WireFormat.OFFSET).isEqualTo(IN + 8);
    assertThat(WireFormat.READ_SIZE).isEqualTo(IN + 16);
    assertThat(WireFormat.SEEK_WHENCE).isEqualTo(IN + 16);
    assertThat(WireFormat.INIT_IN_MINOR).isEqualTo(IN + 4);
    assertThat(WireFormat.INIT_IN_FLAGS).isEqualTo(IN + 12);
  }

  @Test
  void replyFieldsAreThoseOfTheKernel() {
    assertThat(WireFormat.SEEK_OUT).isEqualTo(8);
    assertThat(WireFormat.INIT_REPLY).isEqualTo(OUT + 64);
    assertThat(WireFormat.INIT_OUT_MINOR).isEqualTo(OUT + 4);
    assertThat(WireFormat.INIT_OUT_MAX_READAHEAD).isEqualTo(OUT + 8);
    assertThat(WireFormat.INIT_OUT_FLAGS).isEqualTo(OUT + 12);
    assertThat(WireFormat.INIT_OUT_MAX_WRITE).isEqualTo(OUT + 20);
    assertThat(WireFormat.INIT_OUT_TIME_GRANULARITY).isEqualTo(OUT + 24);
    assertThat(WireFormat.INIT_OUT_MAX_PAGES).isEqualTo(OUT + 28);
    assertThat(WireFormat.FUSE_DEV_IOC_CLONE).isEqualTo(0x8004e500L);
  }
}
