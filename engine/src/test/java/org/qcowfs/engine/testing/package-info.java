/**
 * What the engine's tests are built from: host files that record, fail or live in memory, and the
 * model of a disk they are judged by.
 *
 * <h2>How it works</h2>
 *
 * The engine takes its files from {@link org.qcowfs.engine.host.HostFiles}; {@link
 * org.qcowfs.engine.testing.MemoryHostFiles} keeps them in memory, {@link
 * org.qcowfs.engine.testing.RecordingHostFiles} writes every change into a {@link
 * org.qcowfs.engine.testing.Journal}, {@link org.qcowfs.engine.testing.FaultyHostFiles} makes
 * chosen calls fail. {@link org.qcowfs.engine.testing.CrashReplay} turns a journal into the files a
 * crash could leave; {@link org.qcowfs.engine.testing.RefcountAudit} and {@link
 * org.qcowfs.engine.testing.ReferenceDisk} judge them: the one the metadata, the other the guest's
 * bytes.
 *
 * <h2>What must hold</h2>
 *
 * Nothing here shares code with what it judges, and each judge has a test that shows it can say no.
 */
@NullMarked
package org.qcowfs.engine.testing;

import org.jspecify.annotations.NullMarked;
