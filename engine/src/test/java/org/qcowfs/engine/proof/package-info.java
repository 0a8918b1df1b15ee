/**
 * The proof that writing loses nothing: random work on images of every kind, judged against a plain
 * byte array, after ordinary closes, after power cuts at every point, and with every call of the
 * host failing once.
 *
 * <h2>How it works</h2>
 *
 * A {@link org.qcowfs.engine.proof.Shape} says what an image is; {@link
 * org.qcowfs.engine.proof.Template} makes it with the real {@code qemu-img}, once. A {@link
 * org.qcowfs.engine.proof.Workload} is a list of guest requests drawn from a seed. The tests run
 * workloads on copies of templates: {@code ModelIT} on real files, judged by {@code qemu-img};
 * {@code PowerCutIT} and {@code FaultIT} on files in memory, judged by {@link
 * org.qcowfs.engine.testing.RefcountAudit}, with {@code qemu-img} judging a sample.
 *
 * <h2>What must hold</h2>
 *
 * Each failure names the seed that repeats it ({@code -Dseed=N}) and lists the requests, the fewest
 * that still fail. Tests that break a rule on purpose show that the judges notice.
 */
@NullMarked
package org.qcowfs.engine.proof;

import org.jspecify.annotations.NullMarked;
