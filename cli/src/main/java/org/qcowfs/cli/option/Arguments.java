package org.qcowfs.cli.option;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.Escape;

/**
 * A parsed command line, by the rules of {@code getopt_long}: options may follow operands, {@code
 * --} ends them, flags may be bundled, long names may be cut short while they stay unambiguous, the
 * last of several values wins.
 *
 * <p>picocli is not used here: loading it takes longer than everything else an {@code info} does.
 */
public final class Arguments {
  // By identity: a record's own equals is linked at run time, which costs 20 ms.
  private final Map<Option, List<String>> given = new IdentityHashMap<>();
  private final List<String> operands = new ArrayList<>();
  private boolean help;

  private Arguments() {}

  /**
   * Parses what follows the command's name.
   *
   * @throws UsageException with qemu-img's words
   */
  public static Arguments parse(Synopsis synopsis, List<String> words) throws UsageException {
    Arguments arguments = new Arguments();
    int i = 0;
    while (i < words.size() && !arguments.help) {
      String word = words.get(i++);
      if (word.equals("--")) {
        arguments.operands.addAll(words.subList(i, words.size()));
        break;
      } else if (word.startsWith("--")) {
        i = arguments.longOption(synopsis, word, words, i);
      } else if (word.startsWith("-") && word.length() > 1) {
        i = arguments.letters(synopsis, word, words, i);
      } else {
        arguments.operands.add(word);
      }
    }
    return arguments;
  }

  /** Takes {@code --name}, {@code --name=value} or {@code --name value}; returns the next index. */
  private int longOption(Synopsis synopsis, String word, List<String> words, int next)
      throws UsageException {
    int equals = word.indexOf('=');
    String name = equals < 0 ? word.substring(2) : word.substring(2, equals);
    if (equals < 0 && "help".startsWith(name) && name.length() > 1) {
      help = true;
      return next;
    }
    Option option = byName(synopsis, name, word);
    if (!option.takesValue()) {
      if (equals >= 0) {
        throw new UsageException("unrecognized option '" + Escape.text(word) + "'");
      }
      add(option, "");
      return next;
    }
    if (equals >= 0) {
      add(option, word.substring(equals + 1));
      return next;
    }
    return value(option, word, words, next);
  }

  private static Option byName(Synopsis synopsis, String name, String word) throws UsageException {
    Option found = null;
    int candidates = 0;
    for (Option option : synopsis.options()) {
      if (option.name().equals(name) && !name.isEmpty()) {
        return option;
      }
      if (!name.isEmpty() && option.name().startsWith(name)) {
        found = option;
        candidates++;
      }
    }
    if (found == null || candidates > 1) {
      throw new UsageException("unrecognized option '" + Escape.text(word) + "'");
    }
    return found;
  }

  /** Takes {@code -abc}, {@code -fVALUE} or {@code -f VALUE}; returns the next index. */
  private int letters(Synopsis synopsis, String word, List<String> words, int next)
      throws UsageException {
    for (int at = 1; at < word.length(); at++) {
      char letter = word.charAt(at);
      if (letter == 'h') {
        help = true;
        return next;
      }
      Option option = byLetter(synopsis, letter, word);
      if (!option.takesValue()) {
        add(option, "");
      } else if (at + 1 < word.length()) {
        add(option, word.substring(at + 1));
        return next;
      } else {
        return value(option, word, words, next);
      }
    }
    return next;
  }

  private static Option byLetter(Synopsis synopsis, char letter, String word)
      throws UsageException {
    for (Option option : synopsis.options()) {
      if (option.letter() == letter) {
        return option;
      }
    }
    throw new UsageException("unrecognized option '" + Escape.text(word) + "'");
  }

  private int value(Option option, String word, List<String> words, int next)
      throws UsageException {
    if (next == words.size()) {
      throw new UsageException("missing argument for option '" + Escape.text(word) + "'");
    }
    add(option, words.get(next));
    return next + 1;
  }

  private void add(Option option, String value) {
    given.computeIfAbsent(option, o -> new ArrayList<>()).add(value);
  }

  /** Whether {@code -h} or {@code --help} was met; nothing after it was looked at. */
  public boolean wantsHelp() {
    return help;
  }

  public boolean has(Option option) {
    return given.containsKey(option);
  }

  /** The option's last value, or null where it was not given. */
  public @Nullable String value(Option option) {
    List<String> values = given.get(option);
    return values == null ? null : values.get(values.size() - 1);
  }

  /** All of the option's values in order. */
  public List<String> values(Option option) {
    return Objects.requireNonNullElse(given.get(option), List.of());
  }

  public List<String> operands() {
    return operands;
  }
}
