package org.qcowfs.engine.qcow2.format;

/**
 * One header extension, known or not (spec: "Header extensions").
 *
 * @param type its type word
 * @param data its payload without padding
 */
public record HeaderExtension(int type, byte[] data) {
  public static final int END = 0;
  public static final int BACKING_FORMAT = 0xe2792aca;
  public static final int FEATURE_NAMES = 0x6803f857;
  public static final int BITMAPS = 0x23852875;
  public static final int ENCRYPTION = 0x0537be77;
  public static final int DATA_FILE = 0x44415441;
}
