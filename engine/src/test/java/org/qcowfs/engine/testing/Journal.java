package org.qcowfs.engine.testing;

import java.util.ArrayList;
import java.util.List;

/**
 * Every change of every recorded file, in the order it was made.
 *
 * <p><b>Thread safety:</b> safe. With several threads an operation's place is somewhere between its
 * begin and its end.
 */
public final class Journal {
  private final List<HostOperation> operations = new ArrayList<>();

  synchronized void add(HostOperation operation) {
    operations.add(operation);
  }

  /** Operations so far. */
  public synchronized int size() {
    return operations.size();
  }

  /** A copy of all operations so far. */
  public synchronized List<HostOperation> operations() {
    return List.copyOf(operations);
  }
}
