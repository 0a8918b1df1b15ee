package org.qcowfs.cli.command;

import java.io.IOException;
import java.util.List;
import org.qcowfs.cli.Console;
import org.qcowfs.cli.help.ManPage;
import org.qcowfs.cli.option.Arguments;
import org.qcowfs.cli.option.Synopsis;
import org.qcowfs.cli.option.UsageException;

/** {@code man}: the manual page, in the form {@code man} reads. */
public final class ManCommand implements Command {
  @Override
  public Synopsis synopsis() {
    return new Synopsis(
        "man",
        "",
        "Prints the manual page in the form man reads.",
        List.of(),
        List.of(),
        "qcowfs man | man -l -");
  }

  @Override
  public int run(Arguments arguments, Console console) throws IOException, UsageException {
    if (!arguments.operands().isEmpty()) {
      throw new UsageException("Expecting no operand");
    }
    ManPage.write(console.out());
    return 0;
  }
}
