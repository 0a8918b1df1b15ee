package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.qcowfs.engine.change.Bitmaps;
import org.qcowfs.engine.change.Bitmaps.Action;
import org.qcowfs.engine.change.Bitmaps.Kind;
import org.qcowfs.engine.change.Bitmaps.Request;
import org.qcowfs.engine.proof.Shape.Backing;
import org.qcowfs.engine.proof.Shape.DataFile;

/** Adding, changing, merging and removing persistent bitmaps, safe at every instant. */
class BitmapChangeIT {
  private static final int SIZE = (1 << 20) - 3 * 512;

  /** What is done one after the other; each changes the header once. */
  private static final List<Request> REQUESTS =
      List.of(
          request("one", 512, Kind.ADD),
          request("other", 65536, Kind.ADD),
          new Request("other", List.of(new Action(Kind.MERGE, "one")), 0, null, null),
          request("one", 0, Kind.DISABLE),
          request("one", 0, Kind.ENABLE, Kind.CLEAR),
          request("one", 0, Kind.REMOVE),
          request("other", 0, Kind.REMOVE));

  private static Request request(String bitmap, long granularity, Kind... kinds) {
    List<Action> actions = List.of(kinds).stream().map(kind -> new Action(kind, null)).toList();
    return new Request(bitmap, actions, granularity, null, null);
  }

  static List<Shape> shapes() {
    return List.of(
        plain(16),
        plain(9).withRefcountBits(64),
        plain(12).withSnapshots(2),
        plain(14).withExtendedL2().withBacking(Backing.QCOW2),
        plain(12).withDataFile(DataFile.RAW).withContent(false),
        plain(12).withRefcountBits(1));
  }

  private static Shape plain(int clusterBits) {
    return Shape.plain(clusterBits, SIZE).withContent(true);
  }

  @ParameterizedTest
  @MethodSource("shapes")
  void bitmaps(Shape shape) throws IOException {
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, shape.clusterBits());
      int states =
          ChangeProof.judge(
              template,
              (path, files) -> {
                for (Request request : REQUESTS) {
                  Bitmaps.run(path, CrashSequence.READABLE, request, files);
                }
              },
              template.content());
      assertThat(states).isGreaterThan(100);
    }
  }
}
