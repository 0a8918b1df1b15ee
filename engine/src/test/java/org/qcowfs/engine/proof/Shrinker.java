package org.qcowfs.engine.proof;

import java.util.ArrayList;
import java.util.List;

/** Leaves requests out of a failing list for as long as it still fails. */
final class Shrinker {
  private static final int MAX_RUNS = 400;

  private Shrinker() {}

  /** Does the requests; fails by throwing. */
  @FunctionalInterface
  interface Run {
    void run(List<GuestOperation> operations) throws Exception;
  }

  /**
   * Does the requests and, if they fail, looks for fewer that fail too.
   *
   * @throws AssertionError with the fewest that fail, and how they do
   */
  static void run(List<GuestOperation> operations, Run run) {
    Throwable failure = attempt(operations, run);
    if (failure == null) {
      return;
    }
    List<GuestOperation> fewest = operations;
    int runs = 0;
    for (int chunk = Math.max(1, fewest.size() / 2); chunk > 0; chunk /= 2) {
      for (int at = 0; at < fewest.size() && runs < MAX_RUNS; ) {
        List<GuestOperation> fewer = new ArrayList<>(fewest);
        fewer.subList(at, Math.min(at + chunk, fewer.size())).clear();
        Throwable still = attempt(fewer, run);
        runs++;
        if (still == null) {
          at += chunk;
        } else {
          fewest = fewer;
          failure = still;
        }
      }
    }
    StringBuilder message = new StringBuilder(String.valueOf(failure.getMessage()));
    message.append("\nthe fewest requests that fail (of ").append(operations.size()).append("):");
    for (GuestOperation operation : fewest) {
      message.append("\n  ").append(operation);
    }
    throw new AssertionError(message.toString(), failure);
  }

  private static @org.jspecify.annotations.Nullable Throwable attempt(
      List<GuestOperation> operations, Run run) {
    try {
      run.run(operations);
      return null;
    } catch (Exception | AssertionError | StackOverflowError e) {
      return e;
    }
  }
}
