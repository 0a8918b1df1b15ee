@NullMarked
package org.qcowfs.fuse;

import org.jspecify.annotations.NullMarked;
