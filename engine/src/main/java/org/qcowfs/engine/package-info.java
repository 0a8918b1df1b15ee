/**
 * Disk images as a library: open one with {@link org.qcowfs.engine.Images}, read it as an {@link
 * org.qcowfs.engine.Image}.
 *
 * <h2>Examples</h2>
 *
 * What an image is:
 *
 * <pre>{@code
 * static String open(String path) throws IOException {
 *   try (Image image = Images.open(path, OpenOptions.readOnly())) {
 *     return image.info().format() + ", " + image.size() + " bytes, " + image.depth() + " layers";
 *   }
 * }
 * }</pre>
 *
 * <p>Reading through a channel ({@link org.qcowfs.engine.Image#read} saves a copy of the bytes):
 *
 * <pre>{@code
 * static byte[] read(String path, long offset, int length) throws IOException {
 *   try (Image image = Images.open(path, OpenOptions.readOnly());
 *       FileChannel disk = image.channel()) {
 *     return Channels.newInputStream(disk.position(offset)).readNBytes(length);
 *   }
 * }
 * }</pre>
 *
 * <p>Writing; it is durable after the flush:
 *
 * <pre>{@code
 * static void write(String path, long offset, ByteBuffer bytes) throws IOException {
 *   try (Image image = Images.open(path, OpenOptions.readOnly().withWritable(true));
 *       FileChannel disk = image.channel()) {
 *     disk.position(offset);
 *     while (bytes.hasRemaining()) {
 *       disk.write(bytes);
 *     }
 *     image.flush();
 *   }
 * }
 * }</pre>
 *
 * <p>Where its bytes live:
 *
 * <pre>{@code
 * static void map(String path, Consumer<MapEntry> extents) throws IOException {
 *   try (Image image = Images.open(path, OpenOptions.readOnly())) {
 *     MapWalk walk = new MapWalk(image, 0);
 *     for (MapEntry extent = walk.next(); extent != null; extent = walk.next()) {
 *       extents.accept(extent);
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Whether its metadata can be trusted (a raw image has none):
 *
 * <pre>{@code
 * static boolean check(String path, Consumer<Finding> findings) throws IOException {
 *   OpenOptions options = OpenOptions.readOnly();
 *   CheckResult result = ImageCheck.run(path, null, CheckExtras.NONE, options, findings).result();
 *   return result != null && result.exitCode() == 0;
 * }
 * }</pre>
 *
 * <p>A compressed copy:
 *
 * <pre>{@code
 * static void convert(String from, String to) throws IOException, InterruptedException {
 *   try (Image source = Images.open(from, OpenOptions.readOnly())) {
 *     Images.create(to, CreateOptions.ofSize(source.size()));
 *     try (Image target = Images.open(to, OpenOptions.readOnly().withWritable(true))) {
 *       Convert.from(List.of(source)).compressed().targetIsZero().to(target);
 *       target.flush();
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>Every error is an {@link org.qcowfs.engine.error.ImageException}: one line that names the file
 * and what is wrong with it. A package whose description begins with "Internal." may change at any
 * time.
 *
 * <h2>How it works</h2>
 *
 * An image is a chain of {@link org.qcowfs.engine.layer.Layer}s, the top first. A read asks each
 * layer in turn where the bytes live, and fetches them from the first that knows.
 *
 * <h2>What must hold</h2>
 *
 * No lock is held while guest data is read, and a read allocates nothing in steady state.
 */
@NullMarked
package org.qcowfs.engine;

import org.jspecify.annotations.NullMarked;
