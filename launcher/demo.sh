# shellcheck shell=sh disable=SC2154,SC2015,SC2034
# The demo: makes a small real disk with overlays and snapshots, mounts it, shows what is there,
# cleans up. Sourced by ../qcowfs, whose variables it uses.
. "$home/launcher/install.sh"

PATH=$PATH:/usr/sbin:/sbin

say() {
  printf '\n== %s\n' "$*"
}

# Prints a command as it would be typed, then runs it.
show() {
  printf '$ %s\n' "$*"
  "$@"
}

demo_tools() {
  command -v qemu-img >/dev/null 2>&1 && command -v qemu-io >/dev/null 2>&1 ||
    need qemu-utils qemu-img qemu-img "makes the demo's images"
  command -v sgdisk >/dev/null 2>&1 || need gdisk gdisk gptfdisk "partitions the demo's disk"
  command -v mke2fs >/dev/null 2>&1 && command -v debugfs >/dev/null 2>&1 ||
    need e2fsprogs e2fsprogs e2fsprogs "makes the demo's file system"
  install_needed
}

# Undoes everything, whatever was reached.
demo_cleanup() {
  trap - EXIT INT TERM
  cd /
  ! mountpoint -q "$work/inside" || umount "$work/inside"
  ! mountpoint -q "$work/mnt" || "$home/qcowfs" umount "$work/mnt"
  rm -rf "$work"
}

# Makes disk.raw: GPT with one ext4 partition at 1 MiB, filled from real files.
make_disk() {
  mkdir tree tree/bin tree/etc mnt inside
  cp /bin/sh /bin/ls /bin/cp tree/bin/
  cp /etc/passwd /etc/group tree/etc/
  note "1: in the base image" >tree/note.txt
  truncate -s 48M disk.raw
  sgdisk --clear --new=1:2048:0 --change-name=1:root disk.raw >/dev/null
  mke2fs -q -t ext4 -L demo -d tree -E offset=1048576 disk.raw 46000k
  block=$(debugfs -R 'blocks /note.txt' 'disk.raw?offset=1048576' 2>/dev/null | tr -d ' \n')
  block_size=$(debugfs -R 'stats -h' 'disk.raw?offset=1048576' 2>/dev/null |
    sed -n 's/^Block size: *//p')
  note_at=$((1048576 + block * block_size))
}

# One block of text that says where it was written.
note() {
  printf '%-1023s\n' "$1"
}

# Overwrites note.txt's bytes inside the image $1.
change_note() {
  note "$2" >note.new
  qemu-io -f qcow2 -c "write -q -s note.new $note_at 1024" "$1"
}

make_chain() {
  qemu-img convert -c -O qcow2 disk.raw base.qcow2
  qemu-img create -q -f qcow2 -b base.qcow2 -F qcow2 middle.qcow2
  change_note middle.qcow2 "2: in the first overlay"
  qemu-img create -q -f qcow2 -b middle.qcow2 -F qcow2 top.qcow2
  qemu-img snapshot -c untouched top.qcow2
  change_note top.qcow2 "3: in the second overlay, before its snapshot 'changed'"
  qemu-img snapshot -c changed top.qcow2
  change_note top.qcow2 "4: in the second overlay, now"
}

# Prints note.txt of the flat disk $1: through a loop mount as root, else through debugfs.
read_note() {
  if [ "$(id -u)" = 0 ]; then
    mount -o ro,noload,loop,offset=1048576 "$1" inside &&
      printf '%-42s %s\n' "$1" "$(sed 's/ *$//' inside/note.txt)" &&
      cmp inside/bin/ls tree/bin/ls &&
      umount inside
  else
    printf '%-42s %s\n' "$1" \
      "$(debugfs -R 'cat /note.txt' "$1?offset=1048576" 2>/dev/null | sed 's/ *$//')"
  fi
}

demo() {
  demo_tools || return 1
  work=$(mktemp -d "${TMPDIR:-/tmp}/qcowfs-demo.XXXXXX") || return 1
  trap demo_cleanup EXIT
  trap 'exit 1' INT TERM
  cd "$work" || return 1
  set -e
  qcowfs=$home/qcowfs

  say "a disk with GPT and ext4, put into base.qcow2 (compressed), two overlays, two snapshots"
  make_disk
  make_chain
  ls -ls -- *.qcow2
  sha256sum -- *.qcow2 >images.sha256

  say "what the image says of itself"
  show "$qcowfs" info --backing-chain top.qcow2
  say "which file holds which part of the disk (the first lines)"
  printf '$ %s map --output=json top.qcow2\n' "$qcowfs"
  "$qcowfs" map --output=json top.qcow2 >map.json
  head -n 5 map.json

  say "mounted: the flat disk, every snapshot, every layer"
  show "$qcowfs" mount top.qcow2 mnt
  show "$qcowfs" mounts
  show ls -lsR mnt
  say "the flat disk is the one QEMU sees"
  qemu-img convert -O raw top.qcow2 expected.raw
  show sha256sum expected.raw mnt/disk.raw
  cmp expected.raw mnt/disk.raw

  say "note.txt of the ext4 inside, at every stage"
  read_note mnt/disk.raw
  for disk in mnt/snapshots/*/disk.raw mnt/layers/*/disk.raw; do
    read_note "$disk"
  done

  say "unmounted; the images are as they were"
  show "$qcowfs" umount mnt
  show sha256sum --check images.sha256
  set +e
}
