package org.qcowfs.fuse.session;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * Requests whose programs have received a signal and want to be let go (INTERRUPT).
 *
 * <p>A reader that waits for storage is answered EINTR, through the descriptor its request came
 * from; the answer that its worker has for it later finds nobody, which does no harm. Writes are
 * never answered before they are done, nor what libfuse serves.
 *
 * <p>The kernel asks for an interruption at every signal, also one that the program only wants to
 * take note of (a child has ended, a timer has run out) and whose reads of a disk must not fail for
 * it. So a request is answered early only if it is still there a tick later, and only for a signal
 * that asks the program to end.
 *
 * <p><b>Thread safety:</b> {@link #add} any thread; the rest one thread.
 */
final class Interrupts {
  /** An interruption can overtake the worker that has just received the request it is about. */
  private static final int TICKS_TO_FIND = 8;

  /** By the number of the request: how often it has been looked for. */
  private final Map<Long, Integer> pending = new LinkedHashMap<>();

  /** Request {@code unique} is to be interrupted. */
  synchronized void add(long unique) {
    pending.put(unique, 0);
  }

  synchronized boolean isAnyPending() {
    return !pending.isEmpty();
  }

  /**
   * Answers the request in work in {@code channel} if that is to be.
   *
   * @return whether it did, and nobody needs the work any more
   */
  synchronized boolean answer(DeviceChannel channel) {
    long unique = channel.interruptible();
    Integer ticks = unique == 0 ? null : pending.get(unique);
    if (ticks == null || ticks == 0) {
      return false;
    }
    if (ProcFile.isAskedToEnd(channel.requester())) {
      channel.replyInterrupted(unique);
      pending.remove(unique);
      return true;
    }
    // As long as it waits, such a signal may still come: the kernel reports only the first.
    pending.put(unique, 1);
    return false;
  }

  /** A tick has passed; what nobody has in work any more is forgotten. */
  synchronized void age() {
    pending.replaceAll((unique, ticks) -> ticks + 1);
    pending.values().removeIf(ticks -> ticks > TICKS_TO_FIND);
  }
}
