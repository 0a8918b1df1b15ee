/** The examples that the Javadoc and the README quote. */
@NullMarked
package org.qcowfs.engine.examples;

import org.jspecify.annotations.NullMarked;
