package org.qcowfs.cli.command.mount;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.UnknownHostException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;

/** The value of {@code --metrics}: {@code [HOST:]PORT}. */
final class MetricsAddress {
  private static final Pattern FORM =
      Pattern.compile("(?:(\\[[0-9a-fA-F:.]+\\]|[^:\\[\\]]+):)?([0-9]{1,5})");

  private MetricsAddress() {}

  /** Where to listen; without a host, only this machine can reach it. */
  static InetSocketAddress parse(String text) throws CommandException {
    Matcher parts = FORM.matcher(text);
    int port = parts.matches() ? Integer.parseInt(parts.group(2)) : 0;
    if (port < 1 || port > 65535) {
      throw new CommandException(
          "--metrics takes [HOST:]PORT, with a port from 1 to 65535, not '"
              + Escape.text(text)
              + "'");
    }
    String host = parts.group(1);
    try {
      return new InetSocketAddress(
          host == null ? InetAddress.getLoopbackAddress() : InetAddress.getByName(host), port);
    } catch (UnknownHostException e) {
      throw new CommandException("--metrics: host '" + Escape.text(host) + "' is not known");
    }
  }
}
