package org.qcowfs.engine.qcow2.write;

import java.util.Arrays;

/** A list of host ranges; one that continues the last is joined to it. */
final class HostRanges {
  private long[] words = new long[64];
  private int size;

  int size() {
    return size;
  }

  boolean isEmpty() {
    return size == 0;
  }

  long offset(int i) {
    return words[i * 2];
  }

  long length(int i) {
    return words[i * 2 + 1];
  }

  void add(long hostOffset, long length) {
    int last = size * 2 - 2;
    if (size > 0 && words[last] + words[last + 1] == hostOffset) {
      words[last + 1] += length;
      return;
    }
    if (size * 2 == words.length) {
      words = Arrays.copyOf(words, words.length * 2);
    }
    words[size * 2] = hostOffset;
    words[size * 2 + 1] = length;
    size++;
  }

  /** Adds all of {@code other}'s ranges and empties it. */
  void takeAll(HostRanges other) {
    for (int i = 0; i < other.size; i++) {
      add(other.offset(i), other.length(i));
    }
    other.clear();
  }

  void clear() {
    size = 0;
  }
}
