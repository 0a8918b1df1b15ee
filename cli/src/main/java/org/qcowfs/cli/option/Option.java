package org.qcowfs.cli.option;

/**
 * One option of a command.
 *
 * @param letter the short name, or 0 for none
 * @param name the long name, or empty for none
 * @param argument what the argument is called in the help, or empty for a flag
 * @param help one sentence
 */
public record Option(char letter, String name, String argument, String help) {

  /** An option without an argument. */
  public static Option flag(char letter, String name, String help) {
    return new Option(letter, name, "", help);
  }

  /** An option with an argument. */
  public static Option value(char letter, String name, String argument, String help) {
    return new Option(letter, name, argument, help);
  }

  boolean takesValue() {
    return !argument.isEmpty();
  }
}
