# Builds the program and prepares it for a java. Sourced by ../qcowfs, whose variables it uses.
. "$home/launcher/install.sh"

# The major version of the java $1, or 0.
java_version() {
  version=$("$1" -version 2>&1 | sed -n '1s/.*version "\([0-9]*\).*/\1/p')
  echo "${version:-0}"
}

# Sets java to one that is new enough: the one found, else any under /usr/lib/jvm.
choose_java() {
  for candidate in "$java" /usr/lib/jvm/*/bin/java; do
    if [ -x "$candidate" ] && [ "$(java_version "$candidate")" -ge 17 ]; then
      java=$(readlink -f -- "$candidate")
      return 0
    fi
  done
  return 1
}

# Installs what running needs, and for a build what building needs.
install_missing() {
  if [ "$1" = build ]; then
    choose_java && [ -x "${java%/*}/javac" ] ||
      need openjdk-17-jdk-headless java-17-openjdk-devel jdk17-openjdk "the program is built and run by Java 17 or newer"
    command -v mvn >/dev/null 2>&1 || need maven maven maven "builds the program"
  else
    choose_java ||
      need openjdk-17-jre-headless java-17-openjdk-headless jre17-openjdk-headless "runs the program"
  fi
  ls /lib/*/libfuse.so.2 /usr/lib/*/libfuse.so.2 /usr/lib/libfuse.so.2 /usr/lib64/libfuse.so.2 2>/dev/null |
    grep -q . || need libfuse2 fuse-libs fuse2 "mounts an image"
  command -v fusermount >/dev/null 2>&1 || need fuse fuse fuse2 "lets users mount an image"
  install_needed && choose_java
}

# Whether the sources changed since the build, or there is none.
is_stale() {
  [ -r "$build/current" ] && read -r app <"$build/current" && [ -d "$build/$app" ] || return 0
  app=$build/$app
  [ -n "$(cd "$home" && find pom.xml engine/pom.xml fuse/pom.xml cli/pom.xml \
    engine/src/main fuse/src/main cli/src/main -cnewer "$build/current" -print -quit)" ]
}

# Runs Maven and puts the jars and native libraries into a new folder.
compile() {
  install_missing build || return 1
  echo "$name: building (once; a minute or two the first time) ..." >&2
  new=app-$(date +%s)-$$
  echo "$new" >"$build/current.new" # its time is that of the start: later edits are newer
  log=$build/build.log
  if ! (cd "$home" && JAVA_HOME=${java%/bin/java} mvn -q -B -Dquick -DskipTests \
    -pl cli -am package) >"$log" 2>&1 </dev/null; then
    tail -n 30 "$log" >&2
    echo "$name: the build failed; all of its output is in $log" >&2
    return 1
  fi
  mkdir -p "$build/$new/lib" "$build/$new/native" &&
    cp "$home"/cli/target/qcowfs-cli-*.jar "$home"/cli/target/lib/*.jar "$build/$new/lib/" &&
    unpack_native || return 1
  mv -f "$build/current.new" "$build/current"
  app=$build/$new
  for old in "$build"/app-*; do
    # A mount may still be served from an older build.
    [ "$old" = "$app" ] || grep -qs "$old/" /proc/[0-9]*/cmdline || rm -rf "$old"
  done
}

# The native libraries as files: or they would be unpacked into /tmp at every start.
unpack_native() {
  case $(uname -m) in
    x86_64) cpu=x86_64 zstd=amd64 ;;
    aarch64) cpu=aarch64 zstd=aarch64 ;;
    *) return 0 ;;
  esac
  jar=${java%/*}/jar
  (
    cd "$build/$new/native" &&
      "$jar" xf "$build/$new"/lib/jffi-*-native.jar "jni/$cpu-Linux" &&
      "$jar" xf "$build/$new"/lib/zstd-jni-*.jar "linux/$zstd" &&
      mv jni/*/* linux/*/* . && rm -r jni linux
  )
}

# Writes the file that says how to run this build with this java, with its class archive.
train() {
  version=$(java_version "$java")
  run=$app/run$asked
  archive=$run.jsa
  if ! mkdir -p "${run%/*}" 2>/dev/null || [ ! -w "${run%/*}" ]; then
    run=${XDG_CACHE_HOME:-${HOME:?}/.cache}/qcowfs$app/run$asked
    archive=$run.jsa
    mkdir -p "${run%/*}" || return 1
  fi
  jars=$(ls "$app"/lib/*.jar | tr '\n' ':')
  options="-Xlog:disable -XX:+UseSerialGC -XX:-UsePerfData -Djffi.boot.library.path=$app/native -cp ${jars%:}"
  [ "$version" -lt 24 ] ||
    options="--enable-native-access=ALL-UNNAMED --sun-misc-unsafe-memory-access=allow $options"
  # shellcheck disable=SC2086
  "$java" $options -XX:TieredStopAtLevel=1 -XX:ArchiveClassesAtExit="$archive" \
    org.qcowfs.cli.Main --version >/dev/null 2>&1 || rm -f "$archive"
  {
    echo "$java"
    echo "-Xshare:auto -XX:SharedArchiveFile=$archive $options"
  } >"$run.new" && mv -f "$run.new" "$run"
}

# Makes app and run right; sets both.
prepare() {
  umask 022
  if is_stale; then
    if ! mkdir -p "$build" 2>/dev/null || [ ! -w "$build" ]; then
      echo "$name: cannot build: $build cannot be written" >&2
      return 1
    fi
  fi
  asked=$java
  if [ -w "$build" ]; then
    exec 9>"$build/lock"
    flock 9
  fi
  if is_stale; then
    compile || return 1
  else
    install_missing run || return 1
  fi
  [ -n "$asked" ] || asked=$java
  train || return 1
  exec 9>&-
}
