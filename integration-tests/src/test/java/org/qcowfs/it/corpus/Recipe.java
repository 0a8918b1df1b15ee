package org.qcowfs.it.corpus;

/**
 * How to make one image.
 *
 * @param name unique; the folder's and the test's name
 * @param maker makes {@link Kitchen#disk()} and the files it needs
 */
public record Recipe(String name, Maker maker) {
  /** Makes an image in an empty folder. */
  @FunctionalInterface
  public interface Maker {
    void make(Kitchen kitchen);
  }
}
