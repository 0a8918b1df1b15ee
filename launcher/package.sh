#!/bin/sh
# Puts the files of a package below a folder, as 'qcowfs install --prefix /usr' would: package.sh
# FOLDER. The modules are built already; called by Maven's profile "deb".
set -eu

home=$(cd -P -- "$(dirname -- "$0")/.." && pwd -P)
name=qcowfs
export DESTDIR="$1"
build=$home/cli/target
new=package
app=$build/$new
builder=${JAVA_HOME:-$(dirname -- "$(dirname -- "$(readlink -f -- "$(command -v java)")")")}/bin/java
# shellcheck source=launcher/build.sh
. "$home/launcher/build.sh"
# shellcheck source=launcher/setup.sh
. "$home/launcher/setup.sh"

rm -rf -- "$DESTDIR" "$app"
mkdir -p "$DESTDIR" "$app/lib" "$app/native"
cp "$home"/cli/target/qcowfs-cli-*.jar "$home"/cli/target/lib/*.jar "$app/lib/"
unpack_native

program() {
  "$builder" -cp "$app/lib/*" org.qcowfs.cli.Main "$@"
}

install_tree --prefix /usr
rm -- "$DESTDIR/usr/lib/qcowfs/manifest" # dpkg has its own
