package org.qcowfs.cli.command;

import java.util.concurrent.Callable;
import org.qcowfs.engine.Image;
import org.qcowfs.engine.Images;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.OpenOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code info}: what an image says of itself. */
@Command(name = "info", description = "Shows what an image says of itself.")
public final class InfoCommand implements Callable<Integer> {
  @Parameters(paramLabel = "FILE")
  private String file = "";

  @Override
  public Integer call() throws ImageException {
    try (Image image = Images.open(file, OpenOptions.readOnly().forDescription())) {
      System.out.println("virtual size: " + image.info().virtualSize());
    }
    return 0;
  }
}
