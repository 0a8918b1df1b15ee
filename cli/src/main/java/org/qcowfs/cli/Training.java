package org.qcowfs.cli;

import java.io.PrintStream;
import java.io.Writer;

/**
 * Runs commands for the class archive the launcher makes after a build, so that it holds what real
 * runs load. Its output is of no interest.
 */
final class Training {
  private Training() {}

  /** Arguments: an image of each kind to use. */
  public static void main(String[] images) {
    Console nowhere =
        new Console(Writer.nullWriter(), new PrintStream(PrintStream.nullOutputStream()));
    for (String image : images) {
      for (String output : new String[] {"--output=human", "--output=json"}) {
        Main.run(new String[] {"info", "-U", output, image}, nowhere);
        Main.run(new String[] {"info", output, "--backing-chain", image}, nowhere);
        Main.run(new String[] {"map", output, image}, nowhere);
        Main.run(new String[] {"map", output, "--start-offset=1k", "-l", "512", image}, nowhere);
        Main.run(new String[] {"snapshot", "-l", output, image}, nowhere);
      }
    }
    Main.run(new String[] {"info", "/nonexistent"}, nowhere);
    Main.run(new String[] {"--version"}, nowhere);
    Main.run(new String[] {"nonsense"}, nowhere);
    // Through the process's own streams once.
    System.exit(Main.run(new String[] {"--version"}, Console.ofProcess()));
  }
}
