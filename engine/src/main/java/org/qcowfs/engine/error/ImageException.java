package org.qcowfs.engine.error;

import java.io.IOException;
import org.jspecify.annotations.Nullable;

/**
 * A fault of an image or of the host under it.
 *
 * <p>{@link #getMessage()} is {@code <file>: <detail>}; {@link #detail()} is the part after the
 * file. Both are one line, safe to print on a terminal.
 *
 * <p><b>Thread safety:</b> immutable.
 */
public final class ImageException extends IOException {
  private static final long serialVersionUID = 1L;

  private final ErrorKind kind;
  private final String file;
  private final String detail;
  private final int errno;
  private final boolean unsafe;
  private final boolean reported;

  public ImageException(ErrorKind kind, String file, String detail) {
    this(kind, file, detail, 0, null);
  }

  public ImageException(ErrorKind kind, String file, String detail, @Nullable Throwable cause) {
    this(kind, file, detail, 0, cause);
  }

  /**
   * @param errno the host's error number, or 0 where no host call failed
   */
  public ImageException(
      ErrorKind kind, String file, String detail, int errno, @Nullable Throwable cause) {
    this(kind, file, detail, errno, cause, false, false);
  }

  private ImageException(
      ErrorKind kind,
      String file,
      String detail,
      int errno,
      @Nullable Throwable cause,
      boolean unsafe,
      boolean reported) {
    super(Escape.text(file) + ": " + detail, cause);
    this.kind = kind;
    this.file = file;
    this.detail = detail;
    this.errno = errno;
    this.unsafe = unsafe;
    this.reported = reported;
  }

  /** A structure that contradicts the specification. */
  public static ImageException corrupt(String file, String detail) {
    return new ImageException(ErrorKind.CORRUPT, file, detail);
  }

  /** As {@link #corrupt}, and further writes to the image could destroy more. */
  public static ImageException unsafe(String file, String detail) {
    return new ImageException(ErrorKind.CORRUPT, file, detail, 0, null, true, false);
  }

  /**
   * The host does not answer, which whoever threw this has written to the log, once; or nobody
   * waits for the answer any more.
   */
  public static ImageException reported(String file, String detail, int errno) {
    return new ImageException(ErrorKind.IO, file, detail, errno, null, false, true);
  }

  /** Whether the log has it already, or need not have it. */
  public boolean isReported() {
    return reported;
  }

  /** Whether the image must not be written to any more. */
  public boolean isUnsafe() {
    return unsafe;
  }

  public ErrorKind kind() {
    return kind;
  }

  /** The path of the file at fault, as it was opened (not escaped). */
  public String file() {
    return file;
  }

  /** The message without the file. */
  public String detail() {
    return detail;
  }

  /** The host's errno, or 0 where the fault is not the host's. */
  public int errno() {
    return errno;
  }
}
