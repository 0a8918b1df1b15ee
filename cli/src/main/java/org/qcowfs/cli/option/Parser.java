package org.qcowfs.cli.option;

import java.util.List;
import org.qcowfs.cli.program.UsageException;
import org.qcowfs.engine.error.Escape;
import picocli.CommandLine;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.ParserSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * picocli with the habits of {@code getopt_long}, by which qemu-img parses: options may follow
 * operands, {@code --} ends them, flags may be bundled, long names may be cut short while they stay
 * unambiguous, an option's argument may look like an option, the last of several values wins.
 */
public final class Parser {
  static {
    // picocli looks for Groovy in every jar, and for twenty classes it could convert values to. We
    // need neither: 15 ms.
    System.setProperty("picocli.disable.closures", "true");
    System.setProperty("picocli.converters.excludes", "java.*");
  }

  private Parser() {}

  /**
   * Parses what follows the command's name. Where help is asked for, nothing else is complained
   * about.
   *
   * @throws UsageException in qemu-img's words, where it has the case
   */
  public static ParseResult parse(CommandSpec spec, List<String> words) throws UsageException {
    ParserSpec habits = spec.parser();
    habits.abbreviatedOptionsAllowed(true);
    habits.overwrittenOptionsAllowed(true);
    habits.allowOptionsAsOptionParameters(true);
    habits.expandAtFiles(false);
    spec.interpolateVariables(false);
    CommandLine line = new CommandLine(spec);
    try {
      return line.parseArgs(words.toArray(new String[0]));
    } catch (UnmatchedArgumentException e) {
      throw unmatched(e.getUnmatched().get(0));
    } catch (MissingParameterException e) {
      throw new UsageException(
          "missing argument for option '" + Escape.text(lastOption(words)) + "'");
    } catch (ParameterException e) {
      String message = String.valueOf(e.getMessage());
      if (e.getCause() instanceof IndexOutOfBoundsException) {
        throw unmatched(String.valueOf(e.getValue())); // picocli stumbles over a name of no letters
      }
      throw new UsageException(
          Escape.text(message.startsWith("Error: ") ? "option" + message.substring(6) : message));
    }
  }

  private static UsageException unmatched(String word) {
    return new UsageException(
        (word.startsWith("-") ? "unrecognized option '" : "unexpected argument '")
            + Escape.text(word)
            + "'");
  }

  /** The option that nothing but {@code --} may follow. */
  private static String lastOption(List<String> words) {
    int last = words.size() - 1;
    int end = words.indexOf("--");
    return words.get(end > 0 ? end - 1 : last);
  }
}
