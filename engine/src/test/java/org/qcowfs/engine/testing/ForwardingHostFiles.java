package org.qcowfs.engine.testing;

import java.util.function.Consumer;
import org.qcowfs.engine.error.ImageException;
import org.qcowfs.engine.host.HostFile;
import org.qcowfs.engine.host.HostFiles;

/** Another host's files, each wrapped. */
abstract class ForwardingHostFiles implements HostFiles {
  private final HostFiles under;

  ForwardingHostFiles(HostFiles under) {
    this.under = under;
  }

  abstract ForwardingHostFile wrap(HostFile file);

  @Override
  public HostFile open(String path, boolean writable) throws ImageException {
    return wrap(under.open(path, writable));
  }

  @Override
  public HostFile createNew(String path) throws ImageException {
    return wrap(under.createNew(path));
  }

  @Override
  public Object identity(HostFile file) throws ImageException {
    return under.identity(((ForwardingHostFile) file).under());
  }

  @Override
  public void lock(HostFile file, boolean forceShare, Consumer<String> warnings)
      throws ImageException {
    under.lock(((ForwardingHostFile) file).under(), forceShare, warnings);
  }
}
