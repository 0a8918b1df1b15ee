package org.qcowfs.fuse.tree;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.qcowfs.engine.host.DataBuffer;

class OpenFilesTest {
  private record Stub(long size) implements FileContent {
    @Override
    public void read(long offset, DataBuffer dst, int position, int length) {}

    @Override
    public long nextData(long offset) {
      return offset;
    }

    @Override
    public long nextHole(long offset) {
      return size;
    }
  }

  private final OpenFiles files = new OpenFiles();

  @Test
  void findsWhatWasAdded() {
    FileContent first = new Stub(1);
    FileContent second = new Stub(2);
    long handleOfFirst = files.add(first);
    long handleOfSecond = files.add(second);
    assertThat(files.get(handleOfFirst)).isSameAs(first);
    assertThat(files.get(handleOfSecond)).isSameAs(second);
    assertThat(files.count()).isEqualTo(2);
  }

  @Test
  void knowsNothingOfAnyOtherHandle() {
    long handle = files.add(new Stub(1));
    for (long other : new long[] {0, -1, handle + 1, Long.MIN_VALUE, 1L << 32 | handle}) {
      assertThat(files.get(other)).isNull();
    }
  }

  @Test
  void reusesTheHandleOfAClosedFile() {
    long handle = files.add(new Stub(1));
    files.remove(handle);
    assertThat(files.get(handle)).isNull();
    files.remove(handle);
    assertThat(files.add(new Stub(2))).isEqualTo(handle);
    assertThat(files.count()).isEqualTo(1);
  }
}
