/**
 * What the coverage-guided fuzzer Jazzer feeds with bytes: {@code integration-tests/jazzer}.
 *
 * <p>A target is a class with {@code fuzzerTestOneInput(byte[])} that returns, or throws what
 * should never be thrown. It needs nothing of Jazzer. {@code TargetsTest} runs each with the
 * healthy images it begins from and with every input that was once a finding (test resources,
 * {@code fuzz/TARGET/}).
 */
@NullMarked
package org.qcowfs.engine.fuzz;

import org.jspecify.annotations.NullMarked;
