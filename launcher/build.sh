# shellcheck shell=sh disable=SC2154,SC2015,SC2034
# Builds the program and prepares it for a java. Sourced by ../qcowfs, whose variables it uses.
. "$home/launcher/install.sh"

# Prints the major version of the java $1, or 0.
java_version() {
  version=$("$1" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
  echo "${version:-0}"
}

# Prints the first java that is new enough and has the program $1 beside it: the one that was
# found, else any under /usr/lib/jvm.
choose_java() {
  for candidate in "$java" /usr/lib/jvm/*/bin/java; do
    if [ -x "$candidate" ] && candidate=$(readlink -f -- "$candidate") &&
      [ -x "${candidate%/*}/$1" ] && [ "$(java_version "$candidate")" -ge 17 ]; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

# Installs what running needs, and what building needs if $1 is javac.
install_missing() {
  if ! choose_java "$1" >/dev/null; then
    case $1 in
      javac)
        need openjdk-17-jdk-headless java-21-openjdk-devel jdk17-openjdk \
          "the program is built and run by Java 17 or newer"
        ;;
      *)
        need openjdk-17-jre-headless java-21-openjdk-headless jre17-openjdk-headless \
          "the program is run by Java 17 or newer"
        ;;
    esac
  fi
  [ "$1" != javac ] || command -v mvn >/dev/null 2>&1 || need maven maven maven "builds the program"
  find /lib/ /usr/lib/ /usr/lib64/ -maxdepth 2 -name 'libfuse.so.2' 2>/dev/null | grep -q . ||
    need libfuse2 fuse-libs fuse2 "mounts an image"
  command -v fusermount >/dev/null 2>&1 || need fuse fuse fuse2 "lets users mount and unmount"
  install_needed
}

# Whether the sources are newer than the build, or there is none. Sets app.
is_stale() {
  [ -r "$build/current" ] && read -r app <"$build/current" && [ -d "$build/$app" ] || return 0
  app=$build/$app
  [ -e "$home/pom.xml" ] && [ -n "$(cd "$home" && find pom.xml engine/pom.xml fuse/pom.xml cli/pom.xml \
    engine/src/main fuse/src/main cli/src/main -newer "$build/current" -print -quit)" ]
}

# Runs Maven and puts the jars and native libraries into a new folder.
compile() {
  install_missing javac && builder=$(choose_java javac) || return 1
  echo "$name: building the program; the first time this takes a minute or two ..." >&2
  new=app-$(date +%s)-$$
  echo "$new" >"$build/current.new" # as old as the start of the build: later edits are newer
  log=$build/build.log
  if ! (cd "$home" && JAVA_HOME=${builder%/bin/java} &&
    export JAVA_HOME && mvn -q -B -Dstyle.color=never -Dquick -DskipTests -pl cli -am package) \
    >"$log" 2>&1 </dev/null 9>&-; then
    tail -n 30 "$log" >&2
    echo "$name: the build failed; its output is in $log" >&2
    return 1
  fi
  mkdir -p "$build/$new/lib" "$build/$new/native" &&
    cp "$home"/cli/target/qcowfs-cli-*.jar "$home"/cli/target/lib/*.jar "$build/$new/lib/" &&
    unpack_native && mv -f "$build/current.new" "$build/current" || return 1
  app=$build/$new
  for old in "$build"/app-*; do
    # A mount may still be served from an older build.
    [ "$old" = "$app" ] || grep -qs "$old/" /proc/[0-9]*/cmdline || rm -rf "$old"
  done
}

# The native libraries as files: else they would be unpacked into /tmp at every start.
unpack_native() {
  case $(uname -m) in
    x86_64) cpu=x86_64 zstd=amd64 ;;
    aarch64) cpu=aarch64 zstd=aarch64 ;;
    *) return 0 ;;
  esac
  (
    cd "$build/$new/native" &&
      "${builder%/*}/jar" xf "$build/$new"/lib/jffi-*-native.jar "jni/$cpu-Linux" &&
      "${builder%/*}/jar" xf "$build/$new"/lib/zstd-jni-*.jar "linux/$zstd" &&
      mv jni/*/* linux/*/* . && rm -r jni linux
  )
}

# One argument of java as its argument files want it.
quoted() {
  printf '%s\n' "$1" | sed 's/[\\"]/\\&/g; s/^/"/; s/$/"/'
}

# Writes the files that say how to run this build with the java that was found, and its archive of
# loaded classes.
train() {
  run=$app/run$java
  mkdir -p "${run%/*}" 2>/dev/null && [ -w "${run%/*}" ] || run=$cache$app/run$java
  mkdir -p "${run%/*}" && runner=$(choose_java java) || return 1
  version=$(java_version "$runner")
  {
    echo -Xlog:disable
    echo -XX:+UseSerialGC
    echo -XX:-UsePerfData
    # The one locale whose number formats need no lookup: 10 ms.
    echo -Duser.language=en
    echo -Duser.country=US
    if [ "$version" -ge 24 ]; then
      echo --enable-native-access=ALL-UNNAMED
      echo --sun-misc-unsafe-memory-access=allow
      echo -Djdk.reflect.useNativeAccessorOnly=true # no method handles: 15 ms
    fi
    quoted "-Djffi.boot.library.path=$app/native"
    for library in "$app"/native/libzstd-jni*.so; do
      [ ! -f "$library" ] || quoted "-DZstdNativePath=$library"
    done
    echo -cp
    quoted "$(find "$app/lib" -name '*.jar' | LC_ALL=C sort | tr '\n' ':' | sed 's/:$//')"
  } >"$run.args.$$"
  # JDK 25 starts quicker from its own cache than from a class archive: 55 against 75 ms.
  if [ "$version" -ge 25 ]; then
    make=AOTCacheOutput use=AOTCache
  else
    make=ArchiveClassesAtExit use=SharedArchiveFile
  fi
  timeout -k 5 60 "$runner" @"$run.args.$$" -XX:TieredStopAtLevel=1 "-XX:$make=$run.cds.$$" \
    org.qcowfs.cli.Training "$home"/launcher/training/disk.* >/dev/null 2>&1 </dev/null 9>&- &&
    mv -f "$run.cds.$$" "$run.cds" && quoted "-XX:$use=$run.cds" >>"$run.args.$$"
  {
    echo "$runner"
    echo "$home"
  } >"$run.$$"
  mv -f "$run.args.$$" "$run.args" && mv -f "$run.$$" "$run"
}

# Makes the build right and sets app, run and runner.
prepare() {
  old_umask=$(umask)
  umask 022 # what root builds, everyone runs
  mkdir -p "$build" 2>/dev/null
  if [ -w "$build" ]; then
    exec 9>"$build/lock"
    flock 9
  elif is_stale; then
    if [ ! -d "${app:-}" ]; then
      echo "$name: cannot build: $build cannot be written" >&2
      return 1
    fi
    echo "$name: warning: the sources are newer than the build, but $build cannot be written" >&2
  fi
  if ! find_build; then # another start may have done it meanwhile
    if is_stale && [ -w "$build" ]; then
      compile || return 1
    else
      install_missing java || return 1
    fi
    [ -n "$java" ] || find_java
    train || return 1
  fi
  exec 9>&-
  umask "$old_umask"
}
