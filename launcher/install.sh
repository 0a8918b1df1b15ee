# shellcheck shell=sh disable=SC2154,SC2015,SC2034,SC2086
# Installs what is missing through the system's package manager. Sourced; needs $name.
#
#   need apt-package dnf-package pacman-package why
#   install_needed

needed=
reasons=

# Sets manager to apt-get, dnf or pacman; fails where there is none of them.
find_manager() {
  for manager in apt-get dnf pacman; do
    ! command -v "$manager" >/dev/null 2>&1 || return 0
  done
  manager=
  return 1
}

# Notes that a package is missing.
need() {
  find_manager || :
  case $manager in
    apt-get) needed="$needed $1" ;;
    dnf) needed="$needed $2" ;;
    pacman) needed="$needed $3" ;;
    *) needed="$needed $1" ;;
  esac
  reasons="$reasons
  $1: $4"
}

# Installs all that was noted; fails with the command to type where it must not or cannot.
install_needed() {
  [ -n "$needed" ] || return 0
  case $manager in
    apt-get) install="apt-get install -y --no-install-recommends$needed" ;;
    dnf) install="dnf install -y$needed" ;;
    pacman) install="pacman -Sy --noconfirm --needed$needed" ;;
    *)
      echo "$name: missing:$reasons" >&2
      echo "$name: no apt-get, dnf or pacman here: install them by hand" >&2
      return 1
      ;;
  esac
  sudo=
  [ "$(id -u)" = 0 ] || sudo="sudo "
  if [ "${QCOWFS_INSTALL:-}" = never ]; then
    echo "$name: missing:$reasons" >&2
    echo "$name: QCOWFS_INSTALL=never is set; type: $sudo$install" >&2
    return 1
  fi
  if [ -n "$sudo" ] && ! command -v sudo >/dev/null 2>&1; then
    echo "$name: missing:$reasons" >&2
    echo "$name: only root can install and there is no sudo; as root, type: $install" >&2
    return 1
  fi
  echo "$name: installing, because it is missing here:$reasons" >&2
  echo "$name: $sudo$install" >&2
  log=$(mktemp) || return 1
  if [ "$manager" = apt-get ]; then
    # A fresh system has no package lists, or old ones: fetch them, then install.
    DEBIAN_FRONTEND=noninteractive ${sudo}apt-get update >"$log" 2>&1 &&
      ${sudo}env DEBIAN_FRONTEND=noninteractive $install >>"$log" 2>&1
  else
    $sudo$install >"$log" 2>&1
  fi
  rc=$?
  if [ $rc != 0 ]; then
    tail -n 30 "$log" >&2
    echo "$name: could not install:$needed" >&2
  fi
  rm -f "$log"
  needed=
  reasons=
  return $rc
}
