package org.qcowfs.it.mount;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.storage.BadStorage;
import org.qcowfs.it.support.CliRun;
import org.qcowfs.it.support.Json;
import org.qcowfs.it.support.Json.JsonObject;
import org.qcowfs.it.support.Mounted;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.QemuIo;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/** What a mount says of its own work: stats.json, the command, Prometheus, the flight recorder. */
class MountStatisticsIT {
  private static final int MIB = 1 << 20;

  private TempImages temp;
  private Path base;
  private Path image;

  @BeforeEach
  void makeImages() {
    Requires.fuse();
    Requires.tools("qemu-img", "qemu-io", "dd");
    temp = TempImages.create("statistics");
    base = temp.path("base.qcow2");
    QemuImg.create(base, 64 * MIB);
    QemuIo.on(base).write(17, 0, 8 * MIB).run();
    image = temp.path("disk.qcow2");
    QemuImg.createOverlay(image, "base.qcow2", "qcow2");
    QemuIo.on(image).write(34, 4 * MIB, MIB).run();
  }

  @AfterEach
  void cleanUp() {
    temp.close();
  }

  private static void read(Path disk, int mib, int count) {
    Run.ok(
        "dd",
        "if=" + disk,
        "of=/dev/null",
        "bs=1M",
        "iflag=direct",
        "skip=" + mib,
        "count=" + count,
        "status=none");
  }

  private static JsonObject stats(Mounted mount) {
    try {
      return parse(Files.readString(mount.point().resolve("stats.json")));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The statistics when they have it: a request is counted when its answer is on its way. */
  private static JsonObject statsWhen(Mounted mount, Predicate<JsonObject> haveIt) {
    Deque<JsonObject> seen = new ArrayDeque<>();
    Await.until(
        "it is counted",
        () -> {
          seen.add(stats(mount));
          return haveIt.test(seen.getLast());
        });
    return seen.getLast();
  }

  private static JsonObject parse(String json) throws IOException {
    return (JsonObject) Objects.requireNonNull(Json.parse(json));
  }

  private static JsonObject operation(JsonObject stats, String name) {
    return list(stats, "requests").stream()
        .filter(operation -> operation.text("operation").equals(name))
        .findFirst()
        .orElseThrow();
  }

  private static List<JsonObject> list(JsonObject object, String name) {
    return ((List<?>) Objects.requireNonNull(object.fields().get(name)))
        .stream().map(o -> (JsonObject) o).toList();
  }

  private static JsonObject part(JsonObject object, String name) {
    return (JsonObject) Objects.requireNonNull(object.fields().get(name));
  }

  @Test
  void readsAreCountedOnceAndForTheLayerThatHadTheBytes() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      long before = operation(stats(mount), "read").number("bytes");
      read(mount.disk(), 0, 8);
      AtomicInteger documents = new AtomicInteger(1);
      JsonObject after =
          statsWhen(
              mount,
              stats -> {
                documents.incrementAndGet();
                return operation(stats, "read").number("bytes") - before >= 8L * MIB;
              });
      JsonObject reads = operation(after, "read");
      // The documents are read through the mount, too.
      assertThat(reads.number("bytes") - before)
          .isLessThanOrEqualTo(8L * MIB + 8192L * documents.get());
      assertThat(reads.number("count")).isGreaterThanOrEqualTo(8);
      assertThat(reads.number("failures")).isZero();
      assertThat(reads.number("p50-ns")).isPositive();
      assertThat(reads.number("p99.9-ns")).isGreaterThanOrEqualTo(reads.number("p50-ns"));
      assertThat(reads.number("max-ns")).isGreaterThanOrEqualTo(reads.number("p99.9-ns"));
      assertThat(reads.number("total-ns")).isGreaterThanOrEqualTo(reads.number("max-ns") * 9 / 10);
      List<JsonObject> layers = list(after, "layers");
      assertThat(layers).hasSize(2);
      assertThat(layers.get(0).text("filename")).isEqualTo(image.toString());
      assertThat(layers.get(0).number("bytes")).isEqualTo(MIB);
      assertThat(layers.get(1).number("bytes")).isEqualTo(7 * MIB);
      assertThat(part(after, "table-cache").number("misses")).isPositive();
      long hits = part(after, "table-cache").number("hits");
      read(mount.disk(), 0, 8);
      JsonObject again = stats(mount);
      assertThat(part(again, "table-cache").number("hits")).isGreaterThan(hits);
      assertThat(part(again, "table-cache").number("misses"))
          .isEqualTo(part(after, "table-cache").number("misses"));
    }
  }

  @Test
  void writesTellWhatTheyCost() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"), "--rw", "--cache=none")) {
      try (RandomAccessFile file = new RandomAccessFile(mount.disk().toFile(), "rw")) {
        file.seek(6 * MIB + 4096);
        file.write(new byte[512]);
        file.getFD().sync();
      }
      JsonObject stats =
          statsWhen(
              mount,
              now ->
                  operation(now, "write").number("count") > 0
                      && operation(now, "fsync").number("count") > 0);
      assertThat(operation(stats, "write").number("count")).isEqualTo(1);
      assertThat(operation(stats, "write").number("bytes")).isEqualTo(512);
      assertThat(operation(stats, "fsync").number("count")).isEqualTo(1);
      JsonObject writing = part(stats, "writing");
      assertThat(writing.number("allocated-clusters")).isEqualTo(1);
      assertThat(writing.number("copied-bytes")).isEqualTo(65536 - 512);
      assertThat(writing.number("flushes")).isPositive();
      try (RandomAccessFile file = new RandomAccessFile(mount.disk().toFile(), "rw")) {
        file.seek(64 * MIB);
        assertThat(Run.run(Run.PATIENCE, pastTheEnd(mount)).exitCode()).isEqualTo(1);
      }
      stats = statsWhen(mount, now -> operation(now, "write").number("count") > 1);
      assertThat(operation(stats, "write").number("failures")).isEqualTo(1);
    }
  }

  private static List<String> pastTheEnd(Mounted mount) {
    return List.of(
        "dd",
        "if=/dev/zero",
        "of=" + mount.disk(),
        "bs=4096",
        "count=1",
        "seek=" + 64 * MIB / 4096,
        "conv=notrunc",
        "oflag=direct");
  }

  @Test
  void theCommandShowsTheSame() throws IOException {
    try (Mounted mount = Mounted.mount(image, temp.makeFolder("mnt"))) {
      read(mount.disk(), 0, 8);
      String point = mount.point().toString();
      String human = CliRun.ok("stats", point).out();
      assertThat(human).startsWith("mounted for ").contains("p99.9", "table-cache: hits ");
      assertThat(human).containsPattern("\nread +\\d+ +8(\\.\\d+)? MiB +0 +\\d+ (ns|us|ms) ");
      assertThat(human).containsPattern("\n +\\d+ +7 MiB  " + base + "\n");
      JsonObject json = parse(CliRun.ok("stats", "--output=json", point).out());
      assertThat(operation(json, "read").number("bytes")).isGreaterThanOrEqualTo(8L * MIB);
    }
  }

  @Test
  void whatHasNoStatisticsIsSaidInOneLine() throws IOException {
    Path point = Files.createFile(temp.path("flat"));
    try (Mounted mount = Mounted.mount(image, point)) {
      Run.Result flat = CliRun.run("stats", mount.point().toString());
      assertThat(flat.exitCode()).isEqualTo(1);
      assertThat(flat.err()).hasLineCount(1).contains("flat").contains("--metrics");
    }
    Run.Result none = CliRun.run("stats", temp.folder().toString());
    assertThat(none.exitCode()).isEqualTo(1);
    assertThat(none.err()).hasLineCount(1).contains("is no mount of ours");
  }

  @Test
  void prometheusGetsThemOnTheLoopbackInterface() throws Exception {
    int port = freePort();
    try (Mounted mount =
        Mounted.mount(image, temp.makeFolder("mnt"), "--metrics", Integer.toString(port))) {
      read(mount.disk(), 0, 8);
      String bytes = "qcowfs_request_bytes_total{operation=\"read\"}";
      Await.until(
          "the last read is counted", () -> scrape(port).getOrDefault(bytes, 0.0) >= 8.0 * MIB);
      Map<String, Double> metrics = scrape(port);
      assertThat(metrics.get(bytes)).isEqualTo(8.0 * MIB);
      assertThat(metrics.get("qcowfs_request_duration_seconds_count{operation=\"read\"}"))
          .isGreaterThanOrEqualTo(8);
      assertThat(
              metrics.get("qcowfs_request_duration_seconds{operation=\"read\",quantile=\"0.999\"}"))
          .isBetween(0.000_001, 60.0);
      assertThat(metrics.get("qcowfs_request_duration_seconds_sum{operation=\"read\"}"))
          .isPositive();
      assertThat(metrics.get("qcowfs_request_failures_total{operation=\"read\"}")).isZero();
      assertThat(
              metrics.get("qcowfs_layer_read_bytes_total{filename=\"" + base + "\",layer=\"1\"}"))
          .isEqualTo(7.0 * MIB);
      assertThat(metrics.get("qcowfs_table_cache_misses_total")).isPositive();
      assertThat(metrics.get("qcowfs_uptime_seconds")).isPositive();
      Run.Result taken =
          CliRun.run(
              "mount",
              "-f",
              "--metrics=" + port,
              image.toString(),
              temp.makeFolder("second").toString());
      assertThat(taken.exitCode()).isEqualTo(1);
      assertThat(taken.err())
          .hasLineCount(1)
          .contains("Could not listen", "Address already in use");
      assertThat(Mounted.isMountPoint(temp.path("second"))).isFalse();
      assertThat(Run.ok("ss", "-Hltn", "sport", "=", ":" + port).out())
          .contains("127.0.0.1")
          .hasLineCount(1);
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    }
  }

  /** The samples of Prometheus' text format by name and labels; fails on what is no such line. */
  private static Map<String, Double> scrape(int port) {
    HttpResponse<String> response =
        HttpClient.newHttpClient()
            .sendAsync(
                HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + "/metrics")).build(),
                HttpResponse.BodyHandlers.ofString())
            .join();
    assertThat(response.statusCode()).isEqualTo(200);
    assertThat(response.headers().firstValue("Content-Type").orElse(""))
        .startsWith("text/plain; version=0.0.4");
    Map<String, Double> samples = new TreeMap<>();
    for (String line : response.body().lines().toList()) {
      if (line.startsWith("#")) {
        assertThat(line).matches("# (HELP|TYPE) qcowfs_[a-z_]+ .+");
      } else {
        assertThat(line).matches("qcowfs_[a-z_]+(\\{([a-z]+=\"[^\"]*\",?)*\\})? [-+.0-9eE]+");
        int space = line.lastIndexOf(' ');
        samples.put(line.substring(0, space), Double.valueOf(line.substring(space + 1)));
      }
    }
    return samples;
  }

  @Test
  void badAddressesAreRefusedBeforeAnythingIsMounted() {
    for (String address : List.of("0", "65536", "host:", ":1", "nonsense", "1:2:3")) {
      Run.Result refused =
          CliRun.run(
              "mount", "-f", "--metrics=" + address, image.toString(), temp.folder().toString());
      assertThat(refused.exitCode()).as(address).isEqualTo(1);
      assertThat(refused.err()).hasLineCount(1).contains("--metrics takes [HOST:]PORT");
    }
  }

  @Test
  void slowRequestsAreEventsOfTheFlightRecorder() throws Exception {
    Path recording = temp.path("recording.jfr");
    try (TempImages elsewhere = TempImages.create("slow");
        BadStorage storage = BadStorage.mount(temp.folder(), elsewhere.makeFolder("mnt"))) {
      Path slow = storage.path("base.qcow2");
      Path point = temp.makeFolder("mnt");
      Path pidFile = temp.path("pid");
      Run.run(
              Run.PATIENCE,
              List.of(
                  CliRun.project().resolve("qcowfs").toString(),
                  "mount",
                  "--pid-file=" + pidFile,
                  slow.toString(),
                  point.toString()),
              temp.folder(),
              Map.of("QCOWFS_JAVA_OPTS", "-XX:StartFlightRecording:filename=" + recording),
              "")
          .orFail();
      Path disk = point.resolve("disk.raw");
      for (int i = 0; i < 8; i++) {
        read(disk, i, 1);
      }
      storage.faults().setLatencyMillis(60);
      Run.ok("dd", "if=" + disk, "of=/dev/null", "bs=4k", "skip=1024", "count=1", "iflag=direct");
      storage.faults().heal();
      ProcessHandle server =
          ProcessHandle.of(Long.parseLong(Files.readString(pidFile).strip())).orElseThrow();
      Run.ok("umount", point.toString());
      server.onExit().get();

      String jfr = Path.of(System.getProperty("java.home"), "bin", "jfr").toString();
      String events =
          Run.ok(jfr, "print", "--events", "org.qcowfs.SlowRequest", recording.toString()).out();
      assertThat(events).contains("operation = \"read\"", "offset = 4194304", "failed = false");
      assertThat(events)
          .containsPattern("duration = ((6\\d|[789]\\d|\\d{3,})[.,]?\\d* ms|\\d+[.,]?\\d* (s|m))");
    }
  }
}
