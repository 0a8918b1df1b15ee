/**
 * What an image says of itself and where its bytes live, as JSON with QEMU's field names.
 *
 * <h2>What this is</h2>
 *
 * The {@code info} and {@code map} documents of the command line and of a mount's {@code info.json}
 * and {@code map.json}: one renderer each, so both always say the same.
 *
 * <h2>How it works</h2>
 *
 * {@link org.qcowfs.engine.json.JsonWriter} knows QEMU's spacing and escapes; {@link
 * org.qcowfs.engine.json.InfoJson} and {@link org.qcowfs.engine.json.MapJson} know the fields. The
 * extents come from {@link org.qcowfs.engine.json.MapWalk}, which asks the image's own map and
 * joins neighbours as {@code qemu-img map} does. The writer is our own because a JSON library costs
 * a tenth of the time an {@code info} takes.
 *
 * <h2>What must hold</h2>
 *
 * Output is byte for byte that of qemu-img 7.2 where the fields are the same, the order of members
 * included: scripts compare such text.
 */
@NullMarked
package org.qcowfs.engine.json;

import org.jspecify.annotations.NullMarked;
