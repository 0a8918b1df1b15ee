package org.qcowfs.fuse.stats;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class RequestStatisticsTest {
  private final RequestStatistics statistics = new RequestStatistics();

  private OperationStatistics of(Operation operation) {
    return statistics.now().get(operation.ordinal());
  }

  @Test
  void countsEachKindApart() {
    RequestRecorder recorder = statistics.newRecorder();
    recorder.answered(Operation.READ, 1_000, 0, 4096, false);
    recorder.answered(Operation.READ, 3_000, 0, 512, true);
    recorder.answered(Operation.LSEEK, 200, 0, 0, false);
    assertThat(of(Operation.READ).count()).isEqualTo(2);
    assertThat(of(Operation.READ).bytes()).isEqualTo(4608);
    assertThat(of(Operation.READ).failures()).isEqualTo(1);
    assertThat(of(Operation.READ).totalNanos()).isEqualTo(4_000);
    assertThat(of(Operation.LSEEK).count()).isEqualTo(1);
    assertThat(of(Operation.WRITE).count()).isZero();
  }

  @Test
  void percentilesAreExactToOnePartInAHundred() {
    RequestRecorder recorder = statistics.newRecorder();
    for (int micros = 1; micros <= 10_000; micros++) {
      recorder.answered(Operation.READ, micros * 1_000L, 0, 0, false);
    }
    for (double percentile : new double[] {50, 90, 99, 99.9, 100}) {
      double exact = percentile * 100_000;
      assertThat((double) of(Operation.READ).latencies().getValueAtPercentile(percentile))
          .isBetween(exact * 0.99, exact * 1.01);
    }
  }

  @Test
  void anAnswerAfterMoreThanAnHourCountsAsAnHour() {
    statistics.newRecorder().answered(Operation.READ, Long.MAX_VALUE, 0, 0, false);
    assertThat(of(Operation.READ).latencies().getMaxValue())
        .isGreaterThanOrEqualTo(RequestStatistics.MAX_NANOS);
  }

  @Test
  void whatAThreadRecordedStaysWhenItIsGone() {
    RequestRecorder gone = statistics.newRecorder();
    gone.answered(Operation.WRITE, 5_000, 0, 100, true);
    of(Operation.WRITE);
    gone.answered(Operation.WRITE, 5_000, 0, 100, true);
    statistics.retire(gone);
    statistics.retire(gone);
    statistics.newRecorder().answered(Operation.WRITE, 5_000, 0, 10, false);
    assertThat(of(Operation.WRITE).count()).isEqualTo(3);
    assertThat(of(Operation.WRITE).bytes()).isEqualTo(210);
    assertThat(of(Operation.WRITE).failures()).isEqualTo(2);
    assertThat(of(Operation.WRITE).totalNanos()).isEqualTo(15_000);
  }

  @Test
  void nothingIsLostWhileSomebodyLooks() throws InterruptedException {
    int each = 200_000;
    List<Thread> threads = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      RequestRecorder recorder = statistics.newRecorder();
      Thread thread =
          new Thread(
              () -> {
                for (int n = 0; n < each; n++) {
                  recorder.answered(Operation.READ, n, 0, 2, false);
                }
                statistics.retire(recorder);
              });
      threads.add(thread);
      thread.start();
    }
    long seen = 0;
    while (threads.stream().anyMatch(Thread::isAlive)) {
      long count = of(Operation.READ).count();
      assertThat(count).isGreaterThanOrEqualTo(seen);
      seen = count;
    }
    for (Thread thread : threads) {
      thread.join();
    }
    assertThat(of(Operation.READ).count()).isEqualTo(3L * each);
    assertThat(of(Operation.READ).bytes()).isEqualTo(6L * each);
  }

  @Test
  void tellsSinceWhenARequestIsInWork() {
    RequestRecorder recorder = statistics.newRecorder();
    assertThat(recorder.inWorkSince()).isZero();
    long now = System.nanoTime();
    recorder.received(now);
    assertThat(recorder.inWorkSince() - now).isBetween(0L, 1L);
    recorder.answered(Operation.READ, 1, 0, 0, false);
    assertThat(recorder.inWorkSince()).isZero();
  }
}
