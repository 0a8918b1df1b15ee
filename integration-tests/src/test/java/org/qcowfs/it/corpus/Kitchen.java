package org.qcowfs.it.corpus;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.Random;
import java.util.Set;

/**
 * Where a recipe works.
 *
 * @param folder an empty folder, all the recipe's files go here
 * @param noise 1 MiB that does not compress
 * @param text 1 MiB that compresses well
 */
public record Kitchen(Path folder, Path noise, Path text) {
  public static final long KIB = 1024;
  public static final long MIB = 1024 * KIB;
  public static final long GIB = 1024 * MIB;

  private static final String[] WORDS = {
    "cluster",
    "table",
    "refcount",
    "overlay",
    "snapshot",
    "backing",
    "extent",
    "hole",
    "header",
    "offset",
    "guest",
    "host"
  };

  /** Makes the source files in {@code sources} and a kitchen that works in {@code folder}. */
  public static Kitchen in(Path folder, Path sources) {
    try {
      Files.createDirectories(folder);
      Files.createDirectories(sources);
      Path noise = sources.resolve("noise");
      Path text = sources.resolve("text");
      if (!Files.exists(text)) {
        byte[] random = new byte[(int) MIB];
        new Random(1).nextBytes(random);
        Files.write(noise, random);
        Files.write(text, words(new Random(2), (int) MIB));
      }
      return new Kitchen(folder, noise, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** {@code length} bytes of words, which compress about 4 to 1. */
  public static byte[] words(Random random, int length) {
    StringBuilder out = new StringBuilder(length + 16);
    while (out.length() < length) {
      out.append(WORDS[random.nextInt(WORDS.length)]).append(' ').append(random.nextInt(1000));
    }
    return out.substring(0, length).getBytes(StandardCharsets.US_ASCII);
  }

  /** The image the recipe is about. */
  public Path disk() {
    return folder.resolve("disk.qcow2");
  }

  public Path path(String name) {
    return folder.resolve(name);
  }

  /** A raw file of text, noise, constant bytes and zeroes, the same for the same arguments. */
  public Path rawFile(String name, long length, int seed) {
    Path file = path(name);
    Random random = new Random(seed);
    try (var out =
        Files.newByteChannel(
            file, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE))) {
      int chunk = (int) (64 * KIB);
      for (long at = 0; at < length; at += chunk) {
        int n = (int) Math.min(chunk, length - at);
        byte[] bytes = new byte[n];
        switch (random.nextInt(4)) {
          case 0 -> bytes = words(random, n);
          case 1 -> random.nextBytes(bytes);
          case 2 -> Arrays.fill(bytes, (byte) (1 + random.nextInt(255)));
          default -> {
            if (at + n < length) {
              continue; // leaves a hole
            }
          }
        }
        out.position(at);
        out.write(ByteBuffer.wrap(bytes));
      }
      return file;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
