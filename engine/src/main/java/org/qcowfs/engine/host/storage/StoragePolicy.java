package org.qcowfs.engine.host.storage;

/**
 * What to do about storage that is not well.
 *
 * @param timeoutMillis how long a read may take before it fails; 0 for as long as it takes
 * @param retry whether a read that failed is tried again until it works
 * @param watch whether a file below the top layer that changes while it is open is refused from
 *     then on
 */
public record StoragePolicy(long timeoutMillis, boolean retry, boolean watch) {
  StoragePolicy withWatch(boolean value) {
    return new StoragePolicy(timeoutMillis, retry, value);
  }
}
