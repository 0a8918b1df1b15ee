package org.qcowfs.cli.command.mount;

import io.prometheus.metrics.exporter.httpserver.HTTPServer;
import io.prometheus.metrics.model.registry.PrometheusRegistry;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import org.qcowfs.cli.program.CommandException;
import org.qcowfs.engine.error.Escape;
import org.qcowfs.fuse.ImageMount;

/**
 * Answers Prometheus on {@code http://ADDRESS/metrics}, from one thread of its own. Nothing is
 * counted for it that would not be counted anyway.
 */
final class MetricsEndpoint implements AutoCloseable {
  private final HTTPServer server;
  private final ExecutorService thread;

  private MetricsEndpoint(HTTPServer server, ExecutorService thread) {
    this.server = server;
    this.thread = thread;
  }

  /**
   * Begins to answer.
   *
   * @throws CommandException if the address cannot be listened on
   */
  static MetricsEndpoint start(InetSocketAddress address, ImageMount mount)
      throws CommandException {
    PrometheusRegistry registry = new PrometheusRegistry();
    registry.register(new MountMetrics(mount));
    ExecutorService thread =
        Executors.newSingleThreadExecutor(
            work -> {
              Thread made = new Thread(work, "metrics");
              made.setDaemon(true);
              return made;
            });
    try {
      HTTPServer server =
          HTTPServer.builder()
              .inetAddress(address.getAddress())
              .port(address.getPort())
              .executorService(thread)
              .registry(registry)
              .buildAndStart();
      return new MetricsEndpoint(server, thread);
    } catch (IOException e) {
      thread.shutdownNow();
      throw new CommandException(
          "Could not listen for --metrics on "
              + Escape.text(String.valueOf(address))
              + ": "
              + Escape.text(String.valueOf(e.getMessage())));
    }
  }

  @Override
  public void close() {
    server.close();
    thread.shutdownNow();
  }
}
