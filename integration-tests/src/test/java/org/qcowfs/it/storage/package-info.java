/**
 * Images on storage that is slow, hangs, fails, or cannot do what a local disk can.
 *
 * <h2>What this is</h2>
 *
 * {@link org.qcowfs.it.storage.BadStorage} mounts a folder a second time, through a FUSE file
 * system of the tests' own that stands on this project's driver; {@link
 * org.qcowfs.it.storage.Faults} says, at any time, what is wrong with it.
 *
 * <h2>How it works</h2>
 *
 * The file system is served by threads of the test's own process. Every read of a program arrives
 * as one request (up to 1 MiB): nothing is cached and nothing read ahead, so that what a test
 * counts and delays are the reads of the program under test.
 *
 * <h2>What must hold</h2>
 *
 * The program under test runs in another process. No test reads a file below the mount point itself
 * while it hangs. {@code close()} heals everything before it unmounts.
 */
@NullMarked
package org.qcowfs.it.storage;

import org.jspecify.annotations.NullMarked;
