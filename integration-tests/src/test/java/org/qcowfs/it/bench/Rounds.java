package org.qcowfs.it.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Paired measurements: in each round every contender is measured once, in an order that rotates, so
 * that what disturbs the machine for a while disturbs all of them.
 */
final class Rounds {
  /** Only loads whose name has this in it are measured. */
  private static final String ONLY = System.getProperty("bench.only", "");

  private final String name;
  private final String unit;
  private final boolean smallerIsBetter;
  private final List<DoubleSupplier> contenders = new ArrayList<>();

  Rounds(String name, String unit, boolean smallerIsBetter) {
    this.name = name;
    this.unit = unit;
    this.smallerIsBetter = smallerIsBetter;
  }

  /** Adds a contender: this program first, then whom its ratio is to, then a ceiling if any. */
  Rounds with(DoubleSupplier contender) {
    contenders.add(contender);
    return this;
  }

  /**
   * Measures {@code rounds} times, after one round that only warms up.
   *
   * @return null if this load was not asked for
   */
  Table.@Nullable Row measure(int rounds) {
    if (!name.contains(ONLY)) {
      return null;
    }
    double[][] values = new double[contenders.size()][rounds];
    for (int round = -1; round < rounds; round++) {
      for (int i = 0; i < contenders.size(); i++) {
        int contender = (i + round + 1) % contenders.size();
        double value = contenders.get(contender).getAsDouble();
        if (round >= 0) {
          values[contender][round] = value;
        }
      }
    }
    double[] ratios = new double[rounds];
    for (int round = 0; round < rounds; round++) {
      double ours = values[0][round];
      double theirs = values[1][round];
      ratios[round] = smallerIsBetter ? theirs / ours : ours / theirs;
    }
    Arrays.sort(ratios);
    double[] medians = Arrays.stream(values).mapToDouble(Rounds::median).toArray();
    Table.Row row =
        new Table.Row(name, unit, medians, median(ratios), ratios[0], ratios[rounds - 1]);
    System.err.println("measured: " + row.name() + ", ratio " + row.ratioText());
    return row;
  }

  private static double median(double[] values) {
    double[] sorted = values.clone();
    Arrays.sort(sorted);
    int middle = sorted.length / 2;
    return sorted.length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
