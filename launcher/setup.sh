# shellcheck shell=sh disable=SC2154,SC2015
# qcowfs install and uninstall: puts the program, its completion, its manual page and the helper of
# mount(8) under a prefix, and takes them away again. Sourced by ../qcowfs, whose variables it uses.
#
#   PREFIX/lib/qcowfs/       the program; its file "manifest" lists all that was made
#   PREFIX/bin/qcowfs        a link into it
#   PREFIX/sbin/mount.fuse.qcowfs
#   PREFIX/share/            completion for bash and zsh, manual page
#
# With DESTDIR set, everything goes below that folder, as packages want it.

# Makes a folder and those above it, noting which are new.
make_folder() {
  [ -d "$1" ] && return
  make_folder "$(dirname -- "$1")" && mkdir -- "$1" && made "$1"
}

# Notes a file, link or folder that was made.
made() {
  printf '%s\n' "${1#"${DESTDIR:-}"}" >>"$notes"
}

# Puts standard input into a file: put MODE FILE.
put() {
  make_folder "$(dirname -- "$2")" && rm -f -- "$2" && cat >"$2" && chmod "$1" "$2" && made "$2"
}

# Takes --prefix DIR or --prefix=DIR; sets prefix.
read_prefix() {
  prefix=/usr/local
  while [ $# -gt 0 ]; do
    case $1 in
      --prefix)
        [ $# -gt 1 ] || setup_usage "missing argument for option '--prefix'" || return
        prefix=$2
        shift
        ;;
      --prefix=*) prefix=${1#--prefix=} ;;
      *) setup_usage "unrecognized option '$1'" || return ;;
    esac
    shift
  done
  case $prefix in
    /*) ;;
    *) prefix=$PWD/$prefix ;;
  esac
  prefix=${prefix%/}
  to=${DESTDIR:-}$prefix
  lib=$to/lib/qcowfs
}

setup_usage() {
  echo "$name: $1" >&2
  echo "Try '$name --help' for more information" >&2
  return 1
}

install_tree() {
  read_prefix "$@" || return
  if [ -e "$lib" ] && [ ! -r "$lib/manifest" ]; then
    echo "$name: $lib is there already, and not from 'qcowfs install'" >&2
    return 1
  fi
  [ "$home" != "$lib" ] || {
    echo "$name: this is the installed program itself; install from the sources" >&2
    return 1
  }
  [ ! -r "$lib/manifest" ] || remove_listed || return
  umask 022
  notes=$(mktemp) || return
  trap 'rm -f "$notes"' EXIT
  if ! install_files; then
    make_folder "$lib" 2>/dev/null && cp "$notes" "$lib/manifest" && remove_listed
    echo "$name: could not install below $to" >&2
    return 1
  fi
  made "$lib/manifest"
  cp -- "$notes" "$lib/manifest" || return
  echo "Installed in $prefix."
}

# Runs the program that is being installed.
program() {
  "$home/qcowfs" "$@"
}

install_files() {
  make_folder "$lib/.build/app/lib" && make_folder "$lib/.build/app/native" &&
    make_folder "$lib/launcher/training" || return
  put 755 "$lib/qcowfs" <"$home/qcowfs" && put 644 "$lib/LICENSE" <"$home/LICENSE" || return
  for file in build demo install setup; do
    put 644 "$lib/launcher/$file.sh" <"$home/launcher/$file.sh" || return
  done
  for file in "$home"/launcher/training/*; do
    put 644 "$lib/launcher/training/${file##*/}" <"$file" || return
  done
  for file in "$app"/lib/* "$app"/native/*; do
    [ ! -f "$file" ] || put 644 "$lib/.build/app/${file#"$app/"}" <"$file" || return
  done
  echo app | put 644 "$lib/.build/current" || return
  make_folder "$to/bin" && ln -sfn ../lib/qcowfs/qcowfs "$to/bin/qcowfs" &&
    made "$to/bin/qcowfs" || return
  program completion bash | sed "s/$name/qcowfs/g" |
    put 644 "$to/share/bash-completion/completions/qcowfs" || return
  {
    echo '#compdef qcowfs'
    echo 'autoload -U +X bashcompinit && bashcompinit'
    cat "$to/share/bash-completion/completions/qcowfs"
  } | put 644 "$to/share/zsh/site-functions/_qcowfs" || return
  program man | put 644 "$to/share/man/man1/qcowfs.1" || return
  put 755 "$to/sbin/mount.fuse.qcowfs" <"$home/launcher/mount.fuse.qcowfs" || return
  link_helper
}

# mount(8) looks for its helpers in /sbin only. A link there that leads nowhere, of an installation
# that was deleted without uninstall, is replaced.
link_helper() {
  [ -z "${DESTDIR:-}" ] && [ "$(readlink -f "$to/sbin")" != "$(readlink -f /sbin)" ] && [ "$(id -u)" = 0 ] || return 0
  if [ -e /sbin/mount.fuse.qcowfs ]; then
    echo "$name: /sbin/mount.fuse.qcowfs is there already and stays as it is" >&2
    return 0
  fi
  ln -sfn "$to/sbin/mount.fuse.qcowfs" /sbin/mount.fuse.qcowfs &&
    made /sbin/mount.fuse.qcowfs
}

uninstall_tree() {
  read_prefix "$@" || return
  if [ ! -r "$lib/manifest" ]; then
    echo "$name: nothing is installed in $prefix" >&2
    return 1
  fi
  remove_listed || return
  echo "Removed from $prefix."
}

# Removes what the manifest lists, the last first, and nothing else: a folder only if it is empty.
remove_listed() {
  list=$(mktemp) || return
  sed '1!G;h;$!d' "$lib/manifest" >"$list"
  # How java runs it was found out at the first start of each java.
  rm -rf -- "$lib/.build/app/run" "$lib/.build/lock"
  rm -f -- "$lib/manifest"
  left=0
  while IFS= read -r path; do
    path=${DESTDIR:-}$path
    if [ -d "$path" ] && [ ! -L "$path" ]; then
      rmdir -- "$path" 2>/dev/null
    else
      rm -f -- "$path" || left=1
    fi
  done <"$list"
  rm -f -- "$list"
  return "$left"
}
