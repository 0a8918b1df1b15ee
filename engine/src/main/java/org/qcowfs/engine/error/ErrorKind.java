package org.qcowfs.engine.error;

/** What class of thing went wrong; callers map it to an errno or an exit code. */
public enum ErrorKind {
  /** The host refused or failed an operation; {@link ImageException#errno()} says which way. */
  IO,
  /** The file is not an image of the format asked for. */
  NOT_THIS_FORMAT,
  /** A structure of the image contradicts the format's specification. */
  CORRUPT,
  /** The image uses something valid that is not supported, or was made by a newer program. */
  UNSUPPORTED,
  /** A write was asked of something opened read-only. */
  READ_ONLY,
  /** Another process holds a conflicting lock. */
  IN_USE,
  /** The host, or a limit of the format, leaves no room. */
  NO_SPACE,
  /** The caller's offset or name lies outside the image. */
  OUT_OF_BOUNDS,
  /** A reference was refused by the policy for implicit opens. */
  REFUSED,
  /** An earlier flush failed: the image takes no more writes (rule W7). */
  FAILED
}
