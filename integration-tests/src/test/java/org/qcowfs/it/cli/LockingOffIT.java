package org.qcowfs.it.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.qcowfs.it.support.QemuImg;
import org.qcowfs.it.support.Requires;

/** {@code file.locking=off}: an image that another program has open is changed all the same. */
class LockingOffIT {
  private Twins twins;

  @BeforeEach
  void makeImages() throws IOException {
    Requires.tools("qemu-img", "qemu-io");
    twins = new Twins("locking");
    twins.prepare(folder -> QemuImg.create(folder.resolve("x"), 4 << 20));
  }

  @AfterEach
  void removeImages() {
    twins.close();
  }

  @Test
  void writerWithoutLocksGoesOn() throws IOException, InterruptedException {
    Process one = user(twins.theirs());
    Process other = user(twins.ours());
    try {
      String options = "driver=qcow2,file.filename=x";
      assertThat(Cli.qcowfs(twins.ours(), "resize", "--image-opts", options, "8M").err())
          .contains("lock");
      options += ",file.locking=off";
      twins.same("resize", "--image-opts", options, "8M");
      twins.same("snapshot", "--image-opts", "-c", "first", options);
      twins.same("bitmap", "--add", "--image-opts", options, "bits");
      twins.same("amend", "-o", "lazy_refcounts=on", "--image-opts", options);
    } finally {
      for (Process user : new Process[] {one, other}) {
        user.destroyForcibly().waitFor();
      }
    }
    twins.sameContent("x", "qcow2");
  }

  /** A program that has the image open for writing when this returns. */
  private static Process user(Path folder) throws IOException {
    Process user =
        new ProcessBuilder("qemu-io", "-f", "qcow2", "x").directory(folder.toFile()).start();
    user.getOutputStream().write("length\n".getBytes(StandardCharsets.UTF_8));
    user.getOutputStream().flush();
    var answers =
        new BufferedReader(new InputStreamReader(user.getInputStream(), StandardCharsets.UTF_8));
    assertThat(answers.readLine()).contains("4 MiB");
    return user;
  }
}
