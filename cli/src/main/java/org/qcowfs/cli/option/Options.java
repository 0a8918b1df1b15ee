package org.qcowfs.cli.option;

import java.io.File;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Model.PositionalParamSpec;
import picocli.CommandLine.ParseResult;

/**
 * The few shapes that options and operands of our commands have, and how their values are read.
 *
 * <p>Values stay text until the command looks at them: qemu-img has its own message for each bad
 * value.
 */
public final class Options {
  private Options() {}

  /**
   * A command without options but {@code --help}.
   *
   * @param purpose one sentence
   * @param example a command line that works
   * @param notes what else the help says, one paragraph each
   */
  public static CommandSpec command(String name, String purpose, String example, String... notes) {
    String[] description = new String[notes.length + 1];
    description[0] = purpose;
    System.arraycopy(notes, 0, description, 1, notes.length);
    CommandSpec spec = CommandSpec.create().name(name);
    spec.usageMessage()
        .description(description)
        .optionListHeading("%nOptions:%n")
        .footer("", "Example:", "  " + example);
    return spec.addOption(help());
  }

  /** {@code -h}, {@code --help}. */
  public static OptionSpec help() {
    return OptionSpec.builder("-h", "--help")
        .type(boolean.class)
        .arity("0")
        .usageHelp(true)
        .description("Print this help.")
        .build();
  }

  /** An option without an argument. */
  public static OptionSpec flag(String help, String... names) {
    return OptionSpec.builder(names).type(boolean.class).arity("0").description(help).build();
  }

  /** An option with an argument; where it is given more than once, the last one counts. */
  public static OptionSpec value(String label, String help, String... names) {
    OptionSpec.Builder builder =
        OptionSpec.builder(names).type(String.class).arity("1").paramLabel(label).description(help);
    if (label.indexOf('|') > 0) {
      builder.completionCandidates(List.of(label.split("\\|")));
    }
    return builder.build();
  }

  /** An option whose argument is a file's name. */
  public static OptionSpec file(String label, String help, String... names) {
    return OptionSpec.builder(names)
        .type(File.class)
        .converters(new AsTyped())
        .arity("1")
        .paramLabel(label)
        .description(help)
        .build();
  }

  /** An option with an argument that counts each time it is given. */
  public static OptionSpec values(String label, String help, String... names) {
    return OptionSpec.builder(names)
        .type(List.class)
        .auxiliaryTypes(String.class)
        .arity("1")
        .paramLabel(label)
        .description(help)
        .build();
  }

  /**
   * The operands, however many there are: the command says what is wrong with their number.
   *
   * @param label what the help calls them
   */
  public static PositionalParamSpec operands(String label) {
    return operandBuilder(label, File.class).build();
  }

  /** As {@link #operands}, one of a few words: {@code bash|zsh}. */
  public static PositionalParamSpec choice(String label) {
    return operandBuilder(label, String.class)
        .completionCandidates(List.of(label.split("\\|")))
        .build();
  }

  // The completion offers files for one kind and words for the other.
  private static PositionalParamSpec.Builder operandBuilder(String label, Class<?> kind) {
    return PositionalParamSpec.builder()
        .index("0..*")
        .arity("0..*")
        .type(List.class)
        .auxiliaryTypes(kind)
        .converters(new AsTyped())
        .paramLabel(label)
        .hideParamSyntax(true);
  }

  /** The last value of an option, or null where it was not given. */
  public static @Nullable String text(ParseResult line, String option) {
    return line.matchedOptionValue(option, (String) null);
  }

  /** All values of an option that counts each time, in order. */
  public static List<String> texts(ParseResult line, String option) {
    return line.matchedOptionValue(option, List.of());
  }

  /** Whether the option was given. */
  public static boolean has(ParseResult line, String option) {
    return line.hasMatchedOption(option);
  }

  /** The operands in order. */
  public static List<String> operands(ParseResult line) {
    return line.matchedPositionalValue(0, List.of());
  }

  /** A file's name stays as it was typed: {@code File} would drop a doubled or a last slash. */
  private static final class AsTyped implements ITypeConverter<String> {
    @Override
    public String convert(String word) {
      return word;
    }
  }
}
