package org.qcowfs.fuse.stats;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Registered;
import jdk.jfr.StackTrace;
import jdk.jfr.Threshold;

/**
 * A request as Java's flight recorder knows it. Each recording thread has one, used again and
 * again: {@code begin} and {@code end} set its times anew.
 */
@Name(SlowRequest.NAME)
@Label("Slow Request")
@Description("A request of the kernel that took longer than the threshold")
@Category("qcowfs")
@Threshold("20 ms")
@StackTrace(false)
@Registered(false)
final class SlowRequest extends Event {
  static final String NAME = "org.qcowfs.SlowRequest";

  @Label("Operation")
  String operation = "";

  @Label("Offset")
  long offset;

  @Label("Bytes")
  @DataAmount
  long bytes;

  @Label("Failed")
  boolean failed;
}
