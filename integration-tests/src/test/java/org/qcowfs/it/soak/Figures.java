package org.qcowfs.it.soak;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.qcowfs.it.mount.Await;
import org.qcowfs.it.support.Run;

/**
 * What a serving process holds while nobody uses it, after its garbage was collected.
 *
 * @param threads of the Java machine's own and ours
 * @param descriptors open files
 * @param heapKib reachable objects
 * @param nativeKib all that the Java machine has asked the system for, heap included
 * @param residentKib memory the process occupies
 */
record Figures(long threads, long descriptors, long heapKib, long nativeKib, long residentKib) {
  private static final String JCMD =
      Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();

  static Figures of(long pid) throws IOException {
    String process = Long.toString(pid);
    Await.until("threads without work end", () -> waitingThreads(pid) <= 1);
    for (int i = 0; i < 2; i++) { // what has a cleaner is gone after the second
      Run.ok(JCMD, process, "GC.run");
    }
    Path folder = Path.of("/proc", process);
    long descriptors;
    try (Stream<Path> open = Files.list(folder.resolve("fd"))) {
      descriptors = open.count();
    }
    String status = Files.readString(folder.resolve("status"));
    String heap = Run.ok(JCMD, process, "GC.heap_info").out();
    String memory = Run.ok(JCMD, process, "VM.native_memory", "summary").out();
    return new Figures(
        number(status, "Threads:\\s+(\\d+)"),
        descriptors,
        sum(heap, "(?:new generation|tenured generation) .*used (\\d+)K"),
        number(memory, "Total: .*committed=(\\d+)KB"),
        number(status, "VmRSS:\\s+(\\d+) kB"));
  }

  /** Threads that answer what may have to wait: all but one end when they have been idle. */
  private static long waitingThreads(long pid) {
    try (Stream<Path> tasks = Files.list(Path.of("/proc", Long.toString(pid), "task"))) {
      return tasks.filter(task -> name(task).startsWith("fuse-waiting")).count();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String name(Path task) {
    try {
      return Files.readString(task.resolve("comm"));
    } catch (IOException e) {
      return ""; // it has just ended
    }
  }

  /** Why {@code later} shows a leak compared with this; empty if it does not. */
  List<String> leaks(Figures later) {
    return Stream.of(
            // The compiler's threads come and go: at most two for each of its two kinds.
            grown("threads", threads, later.threads, 4),
            grown("descriptors", descriptors, later.descriptors, 0),
            grown("heap, KiB", heapKib, later.heapKib, 4 << 10),
            grown(
                "native memory but the heap's reserve, KiB", nativeKib, later.nativeKib, 64 << 10))
        .filter(said -> !said.isEmpty())
        .toList();
  }

  private static String grown(String what, long first, long later, long allowed) {
    return later - first <= allowed
        ? ""
        : what + ": " + first + " at the start, " + later + " at the end";
  }

  @Override
  public String toString() {
    return String.format(
        "threads %d, descriptors %d, heap %.1f MiB, native %.1f MiB, resident %.1f MiB",
        threads, descriptors, heapKib / 1024.0, nativeKib / 1024.0, residentKib / 1024.0);
  }

  private static long number(String text, String pattern) {
    Matcher found = Pattern.compile(pattern).matcher(text);
    if (!found.find()) {
      throw new AssertionError("no " + pattern + " in " + text);
    }
    return Long.parseLong(found.group(1));
  }

  private static long sum(String text, String pattern) {
    long sum = 0;
    int count = 0;
    for (Matcher found = Pattern.compile(pattern).matcher(text); found.find(); count++) {
      sum += Long.parseLong(found.group(1));
    }
    if (count != 2) {
      throw new AssertionError("no heap of two generations in " + text);
    }
    return sum;
  }
}
