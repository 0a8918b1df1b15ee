package org.qcowfs.cli.command;

import java.util.concurrent.atomic.AtomicBoolean;
import sun.misc.Signal;
import sun.misc.SignalHandler;

/** Ctrl-C and SIGTERM while an image is written: the work stops and the user is told of it. */
final class Interrupt {
  private static final String[] SIGNALS = {"INT", "TERM"};

  private final AtomicBoolean happened = new AtomicBoolean();
  private final SignalHandler[] before = new SignalHandler[SIGNALS.length];

  private Interrupt() {}

  static Interrupt install() {
    Interrupt interrupt = new Interrupt();
    for (int i = 0; i < SIGNALS.length; i++) {
      interrupt.before[i] =
          Signal.handle(new Signal(SIGNALS[i]), signal -> interrupt.happened.set(true));
    }
    return interrupt;
  }

  boolean happened() {
    return happened.get();
  }

  void remove() {
    for (int i = 0; i < SIGNALS.length; i++) {
      Signal.handle(new Signal(SIGNALS[i]), before[i]);
    }
  }
}
