@NullMarked
package org.qcowfs.cli;

import org.jspecify.annotations.NullMarked;
