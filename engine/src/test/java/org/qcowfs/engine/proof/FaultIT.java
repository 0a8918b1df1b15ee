package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.qcowfs.engine.host.posix.Errno;
import org.qcowfs.engine.proof.GuestOperation.ApplySnapshot;
import org.qcowfs.engine.proof.GuestOperation.Reopen;
import org.qcowfs.engine.testing.FaultyHostFiles;
import org.qcowfs.engine.testing.FaultyHostFiles.Call;
import org.qcowfs.engine.testing.FaultyHostFiles.Fault;

/**
 * Each call of the host fails once, with each reason: the request fails, nothing else is lost, and
 * the next request works, unless it was a sync that failed.
 */
class FaultIT {
  private static final long MOST = 30;

  @ParameterizedTest
  @EnumSource
  void eachFailingCallFailsItsRequestOnly(Scenario scenario) throws IOException {
    List<GuestOperation> operations =
        scenario.operations().stream()
            .filter(o -> !(o instanceof Reopen || o instanceof ApplySnapshot))
            .toList();
    try (Templates templates = new Templates()) {
      Template template = templates.make(scenario.shape(), scenario.ordinal());
      long hits = 0;
      for (int errno : List.of(Errno.EIO, Errno.ENOSPC, Errno.EDQUOT, Errno.EFBIG)) {
        Set<Call> calls = errno == Errno.EIO ? FaultyHostFiles.CHANGES : FaultyHostFiles.GROWING;
        hits += each(template, operations, calls, errno, false);
      }
      hits += each(template, operations, FaultyHostFiles.GROWING, Errno.ENOSPC, true);
      hits += each(template, operations, Set.of(Call.READ), Errno.EIO, false);
      assertThat(hits).isGreaterThan(20);
    }
  }

  private static long each(
      Template template,
      List<GuestOperation> operations,
      Set<Call> calls,
      int errno,
      boolean partly)
      throws IOException {
    long count = FaultSequence.count(template, operations, calls);
    long stride = Math.max(1, count / MOST);
    long hits = 0;
    for (long n = 1; n <= count; n += stride) {
      String hit = FaultSequence.run(template, operations, new Fault(calls, n, 1, errno, partly));
      hits += hit == null ? 0 : 1;
    }
    return hits;
  }
}
