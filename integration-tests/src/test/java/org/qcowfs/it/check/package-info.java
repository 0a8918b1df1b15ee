/** {@code qcowfs check} as a user runs it, beside {@code qemu-img check}. */
@NullMarked
package org.qcowfs.it.check;

import org.jspecify.annotations.NullMarked;
