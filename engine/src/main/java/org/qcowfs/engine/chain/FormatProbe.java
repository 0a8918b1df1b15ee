package org.qcowfs.engine.chain;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.Qcow2Opener;

/** Guesses a file's format from its first bytes. */
public final class FormatProbe {
  private FormatProbe() {}

  /**
   * Returns {@code qcow2}, {@code raw}, or the name of a format that is recognised but not
   * supported.
   */
  public static String probe(HostFile file) throws ImageException {
    DataBuffer head = DataBuffer.allocate(512, 8);
    int got = file.read(0, head, 0, 512);
    if (Qcow2Opener.probe(head, got)) {
      return "qcow2";
    }
    String other = foreign(head.bytes());
    return other == null ? "raw" : other;
  }

  private static @Nullable String foreign(ByteBuffer head) {
    byte[] start = new byte[16];
    head.get(0, start);
    String text = new String(start, StandardCharsets.ISO_8859_1);
    if (text.startsWith("KDMV") || text.startsWith("COWD") || text.startsWith("# Disk Desc")) {
      return "vmdk";
    }
    if (text.startsWith("vhdxfile")) {
      return "vhdx";
    }
    if (text.startsWith("conectix")) {
      return "vpc";
    }
    if (text.startsWith("QED\0")) {
      return "qed";
    }
    if (text.equals("WithoutFreeSpace") || text.equals("WithouFreSpacExt")) {
      return "parallels";
    }
    if (text.startsWith("LUKS\u00ba\u00be")) {
      return "luks";
    }
    return Integer.reverseBytes(head.getInt(0x40)) == 0xbeda107f ? "vdi" : null;
  }
}
