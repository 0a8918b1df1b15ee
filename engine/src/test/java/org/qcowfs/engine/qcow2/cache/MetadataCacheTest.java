package org.qcowfs.engine.qcow2.cache;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

final class MetadataCacheTest {
  private static Slice slice(int owner, long index) {
    return new Slice(owner, index, index * 4096, new long[] {owner * 1_000_000L + index});
  }

  private static void check(@Nullable Slice slice, int owner, long index) {
    if (slice != null) {
      assertThat(slice.word(0)).isEqualTo(owner * 1_000_000L + index);
    }
  }

  @Test
  void givesBackWhatWasPut() {
    MetadataCache cache = new MetadataCache(1 << 20);
    int owner = cache.newOwner();
    assertThat(cache.get(owner, 7)).isNull();
    Slice put = slice(owner, 7);
    assertThat(cache.put(put)).isSameAs(put);
    assertThat(cache.get(owner, 7)).isSameAs(put);
    assertThat(cache.put(slice(owner, 7))).as("the first one stays").isSameAs(put);
    cache.remove(owner, 7);
    assertThat(cache.get(owner, 7)).isNull();
    cache.remove(owner, 7);
  }

  @Test
  void keepsOwnersApart() {
    for (long bytes : new long[] {1, 1 << 20}) { // in one set, and in different ones
      MetadataCache cache = new MetadataCache(bytes);
      int one = cache.newOwner();
      int two = cache.newOwner();
      cache.put(slice(one, 5));
      assertThat(cache.get(two, 5)).isNull();
      Slice ofTwo = slice(two, 5);
      assertThat(cache.put(ofTwo)).isSameAs(ofTwo);
      check(cache.get(one, 5), one, 5);
      check(cache.get(two, 5), two, 5);
      cache.remove(one, 5);
      assertThat(cache.get(one, 5)).isNull();
      assertThat(cache.get(two, 5)).isSameAs(ofTwo);
    }
  }

  @Test
  void holdsATableAsLargeAsItself() {
    int slices = 256;
    MetadataCache cache = new MetadataCache(slices * 4096L);
    for (int owner = 0; owner < 5; owner++) {
      int mine = cache.newOwner();
      for (long i = 0; i < slices; i++) {
        cache.put(slice(mine, 1000 + i));
      }
      for (long i = 0; i < slices; i++) {
        assertThat(cache.get(mine, 1000 + i)).as("slice %d", i).isNotNull();
      }
    }
  }

  @Test
  void neverHoldsMoreThanItsBound() {
    int slices = 64;
    MetadataCache cache = new MetadataCache(slices * 4096L);
    int owner = cache.newOwner();
    for (long i = 0; i < 10_000; i++) {
      cache.put(slice(owner, i * 31));
    }
    long held = 0;
    for (long i = 0; i < 10_000; i++) {
      held += cache.get(owner, i * 31) == null ? 0 : 1;
    }
    assertThat(held).isPositive().isLessThanOrEqualTo(slices);
  }

  @Test
  void replacesWhatWasUsedLongestAgo() {
    MetadataCache cache = new MetadataCache(1); // one set of eight
    int owner = cache.newOwner();
    for (long i = 0; i < 8; i++) {
      cache.put(slice(owner, i));
    }
    cache.get(owner, 0);
    cache.put(slice(owner, 8));
    assertThat(cache.get(owner, 0)).isNotNull();
    assertThat(cache.get(owner, 1)).as("the oldest not used since").isNull();
    assertThat(cache.get(owner, 8)).isNotNull();
  }

  @Test
  void takesAnySizeAndAnyIndex() {
    for (long bytes : new long[] {Long.MIN_VALUE, -1, 0, 1, 4095, 100_000}) {
      MetadataCache cache = new MetadataCache(bytes);
      int owner = cache.newOwner();
      for (long index : new long[] {0, -1, Long.MAX_VALUE, Long.MIN_VALUE, 1L << 32}) {
        cache.put(slice(owner, index));
        assertThat(cache.get(owner, index)).isNotNull();
      }
    }
  }

  @Test
  void threadsNeverSeeAnothersSlice() throws Exception {
    MetadataCache cache = new MetadataCache(64 * 4096L);
    int owners = 3;
    for (int i = 0; i < owners; i++) {
      cache.newOwner();
    }
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Callable<Integer>> tasks = new ArrayList<>();
      for (int t = 0; t < 4; t++) {
        Random random = new Random(t);
        tasks.add(
            () -> {
              int hits = 0;
              for (int i = 0; i < 100_000; i++) {
                int owner = random.nextInt(owners);
                long index = random.nextInt(60);
                Slice found = cache.get(owner, index);
                if (found == null) {
                  found = cache.put(slice(owner, index));
                } else {
                  hits++;
                }
                if (found.word(0) != owner * 1_000_000L + index || found.owner != owner) {
                  throw new AssertionError("slice of another: " + found.word(0));
                }
                if (random.nextInt(100) == 0) {
                  cache.remove(owner, index);
                }
              }
              return hits;
            });
      }
      for (Future<Integer> done : threads.invokeAll(tasks)) {
        assertThat(done.get()).isPositive();
      }
    } finally {
      threads.shutdownNow();
    }
  }
}
