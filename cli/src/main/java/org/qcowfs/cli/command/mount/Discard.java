package org.qcowfs.cli.command.mount;

/** Whether what is discarded frees space. */
enum Discard {
  UNMAP,
  IGNORE
}
