package org.qcowfs.engine.json;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.model.OpenOptions;

class MapWalkTest {
  @TempDir Path folder;

  private Image raw(long size, long dataAt, int dataLength) throws IOException {
    Path path = folder.resolve("disk.raw");
    try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
      file.setLength(size);
      file.seek(dataAt);
      byte[] data = new byte[dataLength];
      java.util.Arrays.fill(data, (byte) 1);
      file.write(data);
      file.getFD().sync();
    }
    return Images.open(path.toString(), OpenOptions.readOnly().withFormat("raw"));
  }

  private static String map(Image image, long start, long length) throws IOException {
    StringBuilder out = new StringBuilder();
    MapJson.write(new MapWalk(image, start, length), start, out, damage -> {});
    return out.toString();
  }

  @Test
  void rawImageIsWhatTheHostHas() throws IOException {
    try (Image image = raw(1 << 20, 1 << 19, 1 << 16)) {
      assertThat(map(image, 0, Long.MAX_VALUE))
          .isEqualTo(
              """
              [{ "start": 0, "length": 524288, "depth": 0, "present": true, "zero": true, "data": false, "offset": 0},
              { "start": 524288, "length": 65536, "depth": 0, "present": true, "zero": false, "data": true, "offset": 524288},
              { "start": 589824, "length": 458752, "depth": 0, "present": true, "zero": true, "data": false, "offset": 589824}]
              """);
    }
  }

  @Test
  void rangeCutsItsFirstAndLastEntry() throws IOException {
    try (Image image = raw(1 << 20, 1 << 19, 1 << 16)) {
      assertThat(map(image, 524289, 10))
          .isEqualTo(
              """
              [{ "start": 524289, "length": 10, "depth": 0, "present": true, "zero": false, "data": true, "offset": 524289}]
              """);
    }
  }

  @Test
  void emptyRangeIsOneEmptyEntry() throws IOException {
    try (Image image = raw(1 << 20, 0, 1)) {
      String empty =
          "\"length\": 0, \"depth\": 0, \"present\": false, \"zero\": false, \"data\": false}]\n";
      assertThat(map(image, 1 << 20, Long.MAX_VALUE)).isEqualTo("[{ \"start\": 1048576, " + empty);
      assertThat(map(image, Long.MAX_VALUE, Long.MAX_VALUE))
          .isEqualTo("[{ \"start\": 9223372036854775807, " + empty);
      assertThat(map(image, 5, 0)).isEqualTo("[{ \"start\": 5, " + empty);
    }
  }
}
