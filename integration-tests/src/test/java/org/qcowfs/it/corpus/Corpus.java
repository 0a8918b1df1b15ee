package org.qcowfs.it.corpus;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import org.qcowfs.it.support.HoleMap;
import org.qcowfs.it.support.Requires;
import org.qcowfs.it.support.Run;
import org.qcowfs.it.support.TempImages;

/**
 * All recipes, and the images made of them. An image is made when it is first asked for and kept
 * between runs; the folder's name carries a hash of this package's classes, so a changed recipe
 * makes a new corpus.
 */
public final class Corpus {
  private Corpus() {}

  /** Every recipe, each name once. */
  public static List<Recipe> recipes() {
    List<Recipe> recipes = new ArrayList<>();
    recipes.addAll(PlainRecipes.all());
    recipes.addAll(CompressedRecipes.all());
    recipes.addAll(ExtendedL2Recipes.all());
    recipes.addAll(DataFileRecipes.all());
    recipes.addAll(ChainRecipes.all());
    recipes.addAll(SnapshotRecipes.all());
    return recipes;
  }

  /** The image of the recipe called {@code name}. */
  public static Path image(String name) {
    return recipes().stream()
        .filter(recipe -> recipe.name().equals(name))
        .findFirst()
        .map(Corpus::image)
        .orElseThrow(() -> new AssertionError("no recipe " + name));
  }

  /** The recipe's image, made now if it is not there yet. */
  public static synchronized Path image(Recipe recipe) {
    Path folder = folder().resolve(recipe.name());
    Path finished = folder.resolve(".finished");
    if (!Files.exists(finished)) {
      Requires.tools("qemu-img", "qemu-io");
      TempImages.deleteTree(folder);
      Kitchen kitchen = Kitchen.in(folder, folder().resolve("sources"));
      recipe.maker().make(kitchen);
      if (!Files.exists(kitchen.disk())) {
        throw new AssertionError("recipe " + recipe.name() + " made no disk.qcow2");
      }
      settle(folder);
      try {
        Files.createFile(finished);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
    return folder.resolve("disk.qcow2");
  }

  /**
   * Copies every file so that a block is either written or a hole. QEMU also leaves blocks that are
   * reserved but unwritten, and those the kernel shows as a hole or as data depending on whether
   * somebody's read-ahead has passed over them: no two walks would agree.
   */
  public static void settle(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path copy = file.resolveSibling(".copy");
        HoleMap.copyExactly(file, copy);
        Files.move(copy, file, StandardCopyOption.REPLACE_EXISTING);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Makes all images; for those who want to look at them. */
  public static void main(String[] arguments) {
    recipes().forEach(recipe -> System.out.println(image(recipe)));
  }

  private static Path folder() {
    Path folder = TempImages.work().resolve("corpus-" + Version.HASH);
    try {
      if (!Files.exists(folder)) {
        try (Stream<Path> others = Files.list(TempImages.work())) {
          others
              .filter(other -> String.valueOf(other.getFileName()).startsWith("corpus-"))
              .forEach(TempImages::deleteTree);
        }
      }
      return Files.createDirectories(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Computed once, when first asked for. */
  private static final class Version {
    static final String HASH = hash();

    private static String hash() {
      try {
        MessageDigest digest = MessageDigest.getInstance("SHA-256");
        Path classes =
            Path.of(Corpus.class.getProtectionDomain().getCodeSource().getLocation().toURI())
                .resolve("org/qcowfs/it/corpus");
        try (Stream<Path> files = Files.list(classes)) {
          for (Path file : files.sorted().toList()) {
            digest.update(Files.readAllBytes(file));
          }
        }
        digest.update(Run.ok("qemu-img", "--version").out().getBytes("UTF-8"));
        return HexFormat.of().formatHex(digest.digest(), 0, 6);
      } catch (IOException | NoSuchAlgorithmException | URISyntaxException e) {
        throw new AssertionError("the corpus classes cannot be read", e);
      }
    }
  }
}
