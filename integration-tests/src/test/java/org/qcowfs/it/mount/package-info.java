/**
 * The driver and the life of a mount, on real mounts: what is mounted, how it ends, what a program
 * may and may not do with it. That the bytes are right is the business of {@code it.interop}.
 */
@NullMarked
package org.qcowfs.it.mount;

import org.jspecify.annotations.NullMarked;
