/**
 * Which module may know which.
 *
 * <h2>What must hold</h2>
 *
 * Dependencies point one way: the command line knows the driver and the engine, the driver knows
 * the engine, the engine knows neither.
 */
@NullMarked
package org.qcowfs.it.layering;

import org.jspecify.annotations.NullMarked;
