package org.qcowfs.fuse;

/** A mount, or unmount, that did not work; its message is one line that says why. */
public final class MountException extends Exception {
  private static final long serialVersionUID = 1L;

  public MountException(String message) {
    super(message);
  }
}
