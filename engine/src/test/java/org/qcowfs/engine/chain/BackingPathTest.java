package org.qcowfs.engine.chain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.model.BackingPolicy;

final class BackingPathTest {
  @TempDir Path folder;

  private static String any(String from, String name) throws ImageException {
    return BackingPath.resolve(from, name, "backing file", BackingPolicy.ANY);
  }

  @ParameterizedTest
  @CsvSource({
    "top.qcow2, base.raw, base.raw",
    "dir/top.qcow2, base.raw, dir/base.raw",
    "dir/top.qcow2, ../base.raw, dir/../base.raw",
    "/a/b/top.qcow2, base.raw, /a/b/base.raw",
    "/a/b/top.qcow2, /c/base.raw, /c/base.raw",
    "/top.qcow2, base.raw, /base.raw",
    "dir/top.qcow2, file:base.raw, dir/base.raw",
    "dir/top.qcow2, file:/c/base.raw, /c/base.raw",
    "dir/top.qcow2, ./with:colon, dir/./with:colon",
    "dir/top.qcow2, sub/with:colon, dir/sub/with:colon",
    "dir/top.qcow2, größe.raw, dir/größe.raw",
  })
  void namesAreRelativeToTheFileThatHoldsThem(String from, String name, String path)
      throws ImageException {
    assertThat(any(from, name)).isEqualTo(path);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "json:{\"driver\":\"raw\"}",
        "json:",
        "nbd://host/export",
        "nbd:unix:/run/nbd.sock",
        "http://host/disk",
        "https://host/disk",
        "ftp://host/disk",
        "ssh://host/disk",
        "rbd:pool/image",
        "iscsi://host/iqn/0",
        "gluster://host/vol/image",
        "sheepdog:image",
        "vvfat:/etc",
        "fat:rw:/etc",
        "fd:3",
        "host_device:/dev/sda",
        "blkdebug::/etc/passwd",
        "null-co:",
        "file:json:{}",
        "file:nbd:host",
        ":colon",
      })
  void protocolsAndJsonAreRefusedUnderEveryPolicy(String name) {
    for (BackingPolicy policy : new BackingPolicy[] {BackingPolicy.ANY, BackingPolicy.SAME_DIR}) {
      assertThatThrownBy(() -> BackingPath.resolve("top", name, "data file", policy))
          .isInstanceOfSatisfying(
              ImageException.class, e -> assertThat(e.kind()).isEqualTo(ErrorKind.REFUSED))
          .hasMessage(
              "top: data file '"
                  + name
                  + "' is not opened: protocol and json: names are refused, expected the path of a"
                  + " file");
    }
  }

  @Test
  void aNulInANameIsRefused() {
    for (BackingPolicy policy : new BackingPolicy[] {BackingPolicy.ANY, BackingPolicy.SAME_DIR}) {
      assertThatThrownBy(() -> BackingPath.resolve("top", "a\0b", "backing file", policy))
          .hasMessage("top: backing file 'a\\x00b' is not opened: the name holds a NUL character");
    }
  }

  @Test
  void namesAreEscapedInMessages() {
    assertThatThrownBy(() -> any("top", "nbd:\u001b[31m\n"))
        .hasMessage(
            "top: backing file 'nbd:\\x1b[31m\\x0a' is not opened: protocol and json: names are"
                + " refused, expected the path of a file");
  }

  @Test
  void theDenyPolicyOpensNothing() {
    assertThatThrownBy(() -> BackingPath.resolve("top", "base", "backing file", BackingPolicy.DENY))
        .hasMessage(
            "top: backing file 'base' is not opened: the policy for implicit opens is deny");
  }

  private String sameDir(Path from, String name) throws ImageException {
    return BackingPath.resolve(from.toString(), name, "backing file", BackingPolicy.SAME_DIR);
  }

  @Test
  void theSameDirPolicyOpensNeighboursOnly() throws Exception {
    Path real = folder.toRealPath();
    Path images = Files.createDirectory(real.resolve("images"));
    Path other = Files.createDirectory(real.resolve("other"));
    Path top = Files.createFile(images.resolve("top.qcow2"));
    Path base = Files.createFile(images.resolve("base.raw"));
    Path secret = Files.createFile(other.resolve("secret"));
    assertThat(sameDir(top, "base.raw")).isEqualTo(base.toString());
    assertThat(sameDir(top, base.toString())).isEqualTo(base.toString());
    assertThat(sameDir(top, "../images/base.raw")).isEqualTo(base.toString());
    Files.createSymbolicLink(images.resolve("link-in"), base);
    assertThat(sameDir(top, "link-in")).isEqualTo(base.toString());
    // The image reached through a link: what counts is where it really lies.
    Path alias = Files.createSymbolicLink(real.resolve("alias"), images);
    assertThat(sameDir(alias.resolve("top.qcow2"), "base.raw")).isEqualTo(base.toString());
    Files.createSymbolicLink(images.resolve("link-out"), secret);
    for (String name : new String[] {"../other/secret", secret.toString(), "link-out"}) {
      assertThatThrownBy(() -> sameDir(top, name))
          .hasMessage(
              top
                  + ": backing file '"
                  + name
                  + "' is not opened: it lies outside the image's folder, and the policy for"
                  + " implicit opens is same-dir");
    }
    assertThatThrownBy(() -> sameDir(top, "missing"))
        .hasMessage(top + ": Could not open backing file 'missing': No such file or directory");
  }
}
