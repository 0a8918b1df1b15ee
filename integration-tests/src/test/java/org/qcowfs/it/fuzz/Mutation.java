package org.qcowfs.it.fuzz;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.qcowfs.it.corpus.Patcher;

/** Damages one qcow2 file: a few fields, one name, one stream, or its end. */
final class Mutation {
  /** Names that an image might like to have opened, shown or made into a file. */
  private static final List<String> NAMES =
      List.of(
          "..",
          "../outside/secret.raw",
          "link.raw",
          "./link.raw",
          "/proc/self/environ",
          "/proc/self/maps",
          "/dev/zero",
          "/dev/fuse",
          "/etc/shadow",
          "json:{\"driver\":\"raw\",\"file.filename\":\"link.raw\"}",
          "nbd://127.0.0.1:1/",
          "fd:0",
          "disk.qcow2",
          "base.raw",
          "\033[2J\033]0;pwned\007",
          "a\nb\rc",
          "\u202etxt.exe",
          "\u009b31m\u0085",
          "%s%n%x{}${jndi:ldap://x}",
          "a/b/../../../c",
          ".",
          "",
          "snapshot 0");

  /** Of a version 3 header. */
  private static final int HEADER_BYTES = 104;

  private final Patcher file;
  private final Random random;
  private final long clusterSize;
  private final StringBuilder story = new StringBuilder();

  private Mutation(Patcher file, Random random) {
    this.file = file;
    this.random = random;
    this.clusterSize = file.clusterSize();
  }

  /**
   * Damages a healthy {@code image}.
   *
   * @param fields where what is in it
   * @param secret a path that it may name
   * @return what was done
   */
  static String apply(Path image, Fields fields, Path secret, Random random) {
    try (Patcher file = Patcher.open(image)) {
      Mutation mutation = new Mutation(file, random);
      int times = 1 + random.nextInt(8) / 5 + random.nextInt(8) / 6;
      for (int i = 0; i < times; i++) {
        mutation.once(fields, secret);
      }
      return mutation.story.toString();
    }
  }

  private void once(Fields fields, Path secret) {
    switch (random.nextInt(20)) {
      case 0 -> cut();
      case 1 -> backingName(secret);
      case 2 -> noise();
      case 3 -> extension(secret);
      case 4 -> snapshotName();
      case 5, 6 -> {
        if (!fields.streams().isEmpty()) {
          stream(fields.streams().get(random.nextInt(fields.streams().size())));
        } else {
          field(fields);
        }
      }
      default -> field(fields);
    }
  }

  private void field(Fields fields) {
    List<Fields.Field> structure =
        fields.structures().get(random.nextInt(fields.structures().size()));
    Fields.Field field = structure.get(random.nextInt(structure.size()));
    if (field.at() + field.width() > file.length()) {
      return;
    }
    long old = get(field);
    Fields.Field other = structure.get(random.nextInt(structure.size()));
    long now =
        switch (random.nextInt(7)) {
          case 0 -> old ^ 1L << random.nextInt(field.width() * 8);
          case 1 -> boundary(field.width() * 8);
          case 2 -> other.at() + other.width() > file.length() ? 0 : get(other);
          case 3 -> old + (random.nextBoolean() ? 1 : -1) * (1L << random.nextInt(22));
          case 4 -> pointer(old);
          case 5 -> old ^ 1L << 63 - random.nextInt(3) | (random.nextInt(4) == 0 ? 1 : 0);
          default -> random.nextLong();
        };
    byte[] bytes = new byte[field.width()];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) (now >>> 8 * (bytes.length - 1 - i));
    }
    file.bytes(field.at(), bytes);
    say("%s at 0x%x: %x -> %x", field.structure(), field.at(), old, get(field));
  }

  private long get(Fields.Field field) {
    return switch (field.width()) {
      case 1 -> file.readBytes(field.at(), 1)[0] & 0xff;
      case 2 -> file.u16(field.at());
      case 4 -> file.u32(field.at());
      default -> file.u64(field.at());
    };
  }

  private long boundary(int bits) {
    long max = bits == 64 ? -1 : (1L << bits) - 1;
    return switch (random.nextInt(11)) {
      case 0 -> 0;
      case 1 -> 1;
      case 2 -> max;
      case 3 -> max - 1;
      case 4 -> max >>> 1;
      case 5 -> (max >>> 1) + 1;
      case 6 -> max >>> 2;
      case 7 -> file.length();
      case 8 -> file.length() / clusterSize * clusterSize;
      case 9 -> 1L << random.nextInt(bits);
      default -> (1L << random.nextInt(bits)) - 1;
    };
  }

  /** Some cluster of the file, or one just behind it, with the old flags. */
  private long pointer(long old) {
    long cluster = random.nextLong(file.length() / clusterSize + 3);
    long offset = cluster * clusterSize + (random.nextInt(8) == 0 ? 512 : 0);
    return old & ~Patcher.OFFSET_MASK | offset & Patcher.OFFSET_MASK;
  }

  private void cut() {
    long length = random.nextLong(file.length() + 1);
    if (random.nextBoolean()) {
      length &= -clusterSize;
    }
    file.truncate(length);
    say("cut to %d bytes", length);
  }

  private void noise() {
    byte[] bytes = new byte[1 + random.nextInt(64)];
    random.nextBytes(bytes);
    long at = random.nextLong(Math.max(1, Math.min(file.length(), 8 * clusterSize)));
    file.bytes(at, bytes);
    say("%d random bytes at 0x%x", bytes.length, at);
  }

  private String name(Path secret) {
    int which = random.nextInt(NAMES.size() + 2);
    if (which == NAMES.size()) {
      return secret.toString();
    }
    return which > NAMES.size() ? "x".repeat(1 + random.nextInt(1100)) : NAMES.get(which);
  }

  private byte[] bytesOf(String name) {
    byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
    if (bytes.length > 0 && random.nextInt(8) == 0) {
      bytes[random.nextInt(bytes.length)] = (byte) (0x80 + random.nextInt(0x80));
    }
    return bytes;
  }

  private void backingName(Path secret) {
    byte[] name = bytesOf(name(secret));
    long at = Math.max(0, Math.min(clusterSize - name.length, 1024));
    file.header("backing_file_offset", at).header("backing_file_size", name.length);
    file.bytes(at, name);
    say("backing name '%s'", new String(name, StandardCharsets.UTF_8));
  }

  /** Puts an extension in front of the others, or over them. */
  private void extension(Path secret) {
    if (file.length() < HEADER_BYTES) {
      return; // cut off before
    }
    long[] types = {0xe2792acaL, 0x44415441L, 0x6803f857L, 0x23852875L, 0x0537be77L, 0x12345678L};
    long type = types[random.nextInt(types.length)];
    byte[] payload = bytesOf(name(secret));
    if (random.nextInt(3) == 0) {
      payload = new byte[random.nextInt(200)];
      random.nextBytes(payload);
    }
    long at = file.header("version") >= 3 ? file.header("header_length") : 72;
    if (at < 0 || at + 8 + payload.length > clusterSize) {
      return;
    }
    file.u32(at, type).u32(at + 4, payload.length).bytes(at + 8, payload);
    if (random.nextBoolean()) {
      file.header("incompatible_features", file.header("incompatible_features") | 4);
    }
    say("extension %x of %d bytes", type, payload.length);
  }

  private void snapshotName() {
    if (file.length() < HEADER_BYTES) {
      return;
    }
    long at = file.header("snapshots_offset");
    if (file.header("nb_snapshots") == 0 || at < 0 || at + 64 > file.length()) {
      return;
    }
    byte[] name = bytesOf(NAMES.get(random.nextInt(NAMES.size())));
    int length = random.nextInt(4) == 0 ? random.nextInt(65536) : name.length;
    file.u16(at + 12, 0).u16(at + 14, length);
    file.bytes(at + 40 + Math.min(1024, file.u32(at + 36)), name);
    say("snapshot name '%s' of %d bytes", new String(name, StandardCharsets.UTF_8), length);
  }

  private void stream(Fields.Stream stream) {
    int length = (int) Math.min(stream.length(), file.length() - stream.at());
    if (length <= 0) {
      return;
    }
    if (random.nextInt(4) > 0) {
      for (int i = 0; i <= random.nextInt(4); i++) {
        file.bytes(stream.at() + random.nextInt(Math.min(length, 64)), (byte) random.nextInt());
      }
    } else {
      byte[] bytes = new byte[length];
      random.nextBytes(bytes);
      file.bytes(stream.at(), bytes);
    }
    say("compressed stream at 0x%x", stream.at());
  }

  private void say(String format, Object... arguments) {
    story.append(String.format(format, arguments)).append("; ");
  }
}
