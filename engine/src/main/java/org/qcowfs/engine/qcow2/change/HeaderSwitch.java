package org.qcowfs.engine.qcow2.change;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;
import org.qcowfs.engine.error.ErrorKind;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.DataBuffer;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.qcow2.format.Header;
import org.qcowfs.engine.qcow2.format.HeaderCodec;
import org.qcowfs.engine.qcow2.format.HeaderExtension;
import org.qcowfs.engine.qcow2.format.HeaderValidator;

/**
 * Puts another header in force by one write of its first sector (rule W4), also where it is longer
 * than that: the sectors behind are written first, as long as the present header does not use them.
 *
 * <p>Where it does, the change takes a detour over a header that uses other sectors: the backing
 * file's name elsewhere in the cluster, or all extensions behind a header that calls itself longer.
 */
final class HeaderSwitch {
  private static final int SECTOR = 512;

  private final HostFile file;
  private byte[] now;
  private boolean began;

  /** Reads the header cluster as it is. */
  HeaderSwitch(HostFile file, int clusterSize) throws ImageException {
    this.file = file;
    DataBuffer cluster = DataBuffer.allocate(clusterSize);
    file.read(0, cluster, 0, clusterSize);
    now = new byte[clusterSize];
    cluster.bytes().get(0, now);
  }

  /** Whether the first sector may have been written: a failure then leaves an unknown state. */
  boolean began() {
    return began;
  }

  /**
   * Makes {@code next} the image's header, durably; what it names is durable already.
   *
   * @throws ImageException kind {@code NO_SPACE} before anything changed, if there is no room for
   *     doing it safely
   */
  void to(HeaderEdit next) throws ImageException {
    byte[] wanted = next.encode(now);
    validate(wanted);
    if (isDirect(now, wanted)) {
      step(wanted);
    } else {
      byte[] detour = detour(next);
      validate(detour);
      step(detour);
      step(wanted);
    }
  }

  private byte[] detour(HeaderEdit next) throws ImageException {
    int free = used(now) + SECTOR - 1 & -SECTOR;
    byte[] wanted = next.encode(now);
    try {
      for (int how = 0; how < 4; how++) {
        next.featureNames = how < 2;
        byte[] candidate = candidate(next, how, free);
        if (candidate != null && isDirect(now, candidate) && isDirect(candidate, wanted)) {
          return candidate;
        }
      }
    } finally {
      next.featureNames = true;
    }
    throw new ImageException(
        ErrorKind.NO_SPACE,
        file.path(),
        "the header cluster of "
            + now.length
            + " bytes has no room to change the header safely; nothing was changed");
  }

  /** The header the other way: its name elsewhere, longer, without the features' names. */
  private byte @Nullable [] candidate(HeaderEdit next, int how, int free) {
    try {
      return switch (how) {
        case 1 -> next.version < 3 ? null : next.encodeBehind(now, free);
        case 2 -> next.encode(now);
        default -> next.encodeWithNameAt(now, free);
      };
    } catch (ImageException e) {
      return null; // no room for it this way
    }
  }

  /** Whether no sector but the first would change while {@code from} uses it. */
  private static boolean isDirect(byte[] from, byte[] to) {
    for (int at = SECTOR; at < from.length; at += SECTOR) {
      if (uses(from, at)
          && uses(to, at)
          && !Arrays.equals(from, at, at + SECTOR, to, at, at + SECTOR)) {
        return false;
      }
    }
    return true;
  }

  private void step(byte[] to) throws ImageException {
    boolean ahead = false;
    for (int at = SECTOR; at < to.length; at += SECTOR) {
      ahead |= uses(to, at) && write(to, at);
    }
    if (ahead) {
      file.sync();
    }
    began = true;
    write(to, 0);
    file.sync();
    for (int at = SECTOR; at < to.length; at += SECTOR) {
      write(to, at); // what nothing uses any more becomes zero
    }
    now = to;
  }

  /** Writes a sector that differs from what is there. */
  private boolean write(byte[] to, int at) throws ImageException {
    if (Arrays.equals(now, at, at + SECTOR, to, at, at + SECTOR)) {
      return false;
    }
    DataBuffer sector = DataBuffer.allocate(SECTOR, SECTOR);
    sector.bytes().put(0, to, at, SECTOR);
    file.write(at, sector, 0, SECTOR);
    System.arraycopy(to, at, now, at, SECTOR);
    return true;
  }

  private void validate(byte[] cluster) throws ImageException {
    HeaderValidator.validate(
        file.path(), file.length(), HeaderCodec.decode(ByteBuffer.wrap(cluster)));
  }

  /** Whether a header cluster has anything in the sector at {@code at}. */
  private static boolean uses(byte[] cluster, int at) {
    Header header = HeaderCodec.decode(ByteBuffer.wrap(cluster));
    boolean extensions = header.headerLength() < at + SECTOR && extensionsEnd(header) > at;
    long name = header.backingNameOffset();
    return extensions
        || header.backingName() != null
            && name < at + SECTOR
            && name + header.backingNameLength() > at;
  }

  /** Where the used part of a header cluster ends. */
  private static int used(byte[] cluster) {
    Header header = HeaderCodec.decode(ByteBuffer.wrap(cluster));
    long end = extensionsEnd(header);
    if (header.backingName() != null) {
      end = Math.max(end, header.backingNameOffset() + header.backingNameLength());
    }
    return (int) end;
  }

  private static long extensionsEnd(Header header) {
    long end = header.headerLength() + 8;
    for (HeaderExtension extension : header.extensions()) {
      end += 8 + (extension.data().length + 7 & ~7);
    }
    return end;
  }
}
