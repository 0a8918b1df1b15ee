package org.qcowfs.engine.proof;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.change.Amend;
import org.qcowfs.engine.change.Commit;
import org.qcowfs.engine.change.Progress;
import org.qcowfs.engine.change.Rebase;
import org.qcowfs.engine.change.Resize;
import org.qcowfs.engine.model.Preallocation;
import org.qcowfs.engine.proof.Shape.Backing;
import org.qcowfs.engine.proof.Shape.DataFile;

/** Resizing, committing, rebasing and amending: right, and safe at every instant. */
class ChangeIT {
  private static final int SIZE = (1 << 20) - 3 * 512;

  private static Shape plain(int clusterBits) {
    return Shape.plain(clusterBits, SIZE).withContent(false);
  }

  private static Shape version2() {
    return plain(16).withContent(true).withVersion2();
  }

  static List<Shape> shapes() {
    return List.of(
        plain(16),
        plain(9).withContent(true).withRefcountBits(64),
        plain(12).withSnapshots(2),
        plain(16).withContent(true).withSnapshots(1),
        plain(16).withExtendedL2(),
        plain(14).withExtendedL2().withBacking(Backing.LONGER),
        plain(16).withBacking(Backing.LONGER),
        plain(9).withBacking(Backing.LONGER),
        plain(12).withBacking(Backing.SHORTER),
        plain(16).withDataFile(DataFile.OTHER),
        plain(12).withDataFile(DataFile.RAW),
        plain(12).withRefcountBits(1),
        version2());
  }

  static Stream<Arguments> resizes() {
    return shapes().stream()
        .flatMap(
            shape ->
                Stream.of(SIZE + 512, SIZE + (3 << 19), SIZE - (300 << 9), 512)
                    .map(size -> Arguments.of(shape, size)));
  }

  @ParameterizedTest
  @MethodSource("resizes")
  void resizing(Shape shape, int size) throws IOException {
    resize(shape, size, Preallocation.OFF);
  }

  static Stream<Arguments> preallocations() {
    return shapes().stream()
        .filter(shape -> shape.backing() == Backing.NONE)
        .flatMap(
            shape ->
                Stream.of(Preallocation.METADATA, Preallocation.FALLOC, Preallocation.FULL)
                    .map(how -> Arguments.of(shape, how)));
  }

  @ParameterizedTest
  @MethodSource("preallocations")
  void growingWithPreallocation(Shape shape, Preallocation how) throws IOException {
    resize(shape, SIZE + (200 << 10), how);
  }

  private static void resize(Shape shape, int size, Preallocation how) throws IOException {
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, size);
      int states =
          ChangeProof.judge(
              template,
              (path, files) -> {
                try (Resize resize = Resize.open(path, CrashSequence.READABLE, files)) {
                  resize.to(size, how);
                }
              },
              Arrays.copyOf(template.content(), size));
      assertThat(states).isGreaterThan(5);
    }
  }

  static Stream<Shape> overlays() {
    return Stream.of(Backing.QCOW2, Backing.RAW, Backing.SHORTER, Backing.LONGER, Backing.FOUR_DEEP)
        .flatMap(
            backing ->
                Stream.of(
                    plain(16).withBacking(backing),
                    plain(12).withSnapshots(1).withBacking(backing),
                    plain(14).withExtendedL2().withBacking(backing)));
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void committing(Shape shape) throws IOException {
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, shape.clusterBits());
      ChangeProof.judge(
          template,
          (path, files) ->
              Commit.run(
                  path,
                  CrashSequence.READABLE,
                  new Commit.Request(null, false, 0),
                  Progress.NONE,
                  files),
          template.content());
    }
  }

  @ParameterizedTest
  @MethodSource("overlays")
  void rebasingOntoNothing(Shape shape) throws IOException {
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, shape.clusterBits());
      ChangeProof.judge(
          template,
          (path, files) ->
              Rebase.run(
                  path,
                  CrashSequence.READABLE,
                  new Rebase.Request("", null, false),
                  Progress.NONE,
                  files),
          template.content());
    }
  }

  static Stream<Arguments> amendments() {
    return Stream.of(
        Arguments.of(plain(16), new Amend.Request(2, null, null, null, null, null)),
        Arguments.of(
            plain(12).withBacking(Backing.QCOW2),
            new Amend.Request(2, null, null, null, null, null)),
        Arguments.of(
            plain(9).withBacking(Backing.LONGER),
            new Amend.Request(2, null, null, null, null, null)),
        Arguments.of(
            plain(12).withSnapshots(2), new Amend.Request(2, null, null, null, null, null)),
        Arguments.of(version2(), new Amend.Request(3, null, null, null, null, null)),
        Arguments.of(version2(), new Amend.Request(3, 64, true, null, null, null)),
        Arguments.of(
            plain(16).withSnapshots(1), new Amend.Request(null, 2, true, null, null, null)),
        Arguments.of(plain(9), new Amend.Request(null, 64, null, null, null, null)),
        Arguments.of(
            plain(9).withRefcountBits(64), new Amend.Request(null, 1, null, null, null, null)),
        Arguments.of(
            plain(16).withDataFile(DataFile.RAW),
            new Amend.Request(null, 8, null, null, false, null)));
  }

  @ParameterizedTest
  @MethodSource("amendments")
  void amending(Shape shape, Amend.Request request) throws IOException {
    try (Templates templates = new Templates()) {
      Template template = templates.make(shape, shape.clusterBits());
      ChangeProof.judge(
          template,
          (path, files) -> Amend.run(path, CrashSequence.READABLE, request, Progress.NONE, files),
          template.content());
    }
  }

  /** A long name does not fit the header's first sector, and the one it replaces is in its way. */
  @ParameterizedTest
  @ValueSource(ints = {9, 10, 11, 12, 16})
  void renamingTheBackingFile(int clusterBits) throws IOException {
    for (boolean old : new boolean[] {false, true}) {
      Shape shape = Shape.plain(clusterBits, SIZE).withContent(false).withBacking(Backing.QCOW2);
      shape = old ? shape.withVersion2() : shape;
      try (Templates templates = new Templates()) {
        Template template = templates.make(shape, 1);
        Path base = Path.of(template.path()).resolveSibling("base.qcow2");
        Path other = base.resolveSibling("x".repeat(clusterBits == 9 ? 100 : 240) + ".qcow2");
        Files.copy(base, other);
        for (List<Path> names : List.of(List.of(other), List.of(other, base, other))) {
          ChangeProof.judge(
              template,
              (path, files) -> {
                for (Path name : names) {
                  Rebase.run(
                      path,
                      CrashSequence.READABLE,
                      new Rebase.Request(name.toString(), "qcow2", true),
                      Progress.NONE,
                      files);
                }
              },
              template.content());
        }
      }
    }
  }
}
