package org.qcowfs.fuse.stats;

import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorderListener;

/** Learns when Java's flight recorder comes to life, and makes {@link SlowRequest} known to it. */
final class FlightRecording implements FlightRecorderListener {
  private final Runnable begun;

  private FlightRecording(Runnable begun) {
    this.begun = begun;
  }

  /** Runs {@code begun} when events can be recorded, now or later; never where they cannot. */
  static void await(Runnable begun) {
    if (FlightRecorder.isAvailable()) {
      FlightRecorder.addListener(new FlightRecording(begun));
    }
  }

  @Override
  public void recorderInitialized(FlightRecorder recorder) {
    FlightRecorder.register(SlowRequest.class);
    begun.run();
  }
}
