# Sourced by post-image.sh: the initramfs, which runs image/appliance's init with the root's own busybox and e2fsck.
# The drivers it needs are in the kernel (linux.fragment), so that its list of modules is empty.
# shellcheck shell=bash

# wanted_by ELF: the loader and the libraries that a program of the root names, one a line.
wanted_by() {
  "$readelf" -ld "$1" | sed -n 's/.*program interpreter: \(.*\)\]/\1/p; s/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# in_root NAME: where the root has this program or library.
in_root() {
  local name=${1##*/} folder
  for folder in "$TARGET_DIR"/usr/{bin,sbin,lib,lib64,lib/*-linux-gnu}; do
    [ ! -e "$folder/$name" ] || { echo "$folder/$name"; return; }
  done
  echo "the root has no $name" >&2
  return 1
}

# add_libraries TREE ELF: what a program needs to run, at the places where its loader looks.
add_libraries() {
  local tree=$1 name library
  for name in $(wanted_by "$2"); do
    [ ! -e "$tree/lib/${name##*/}" ] || continue
    library=$(in_root "$name")
    cp -L "$library" "$tree/lib/${name##*/}"
    add_libraries "$tree" "$tree/lib/${name##*/}"
  done
}

# make_initramfs TREE INIT SQUASHFS OUT
make_initramfs() {
  local tree=$1 init=$2 squashfs=$3 out=$4 name program
  readelf=$(find "$HOST_DIR/bin" -name '*aarch64*-readelf' | sort | head -n 1)
  [ -n "$readelf" ] || { echo "no readelf for aarch64 in $HOST_DIR/bin" >&2; return 1; }
  mkdir -p "$tree"/{bin,dev,lib,modules,newroot,proc,sys,usr}
  # Whatever the loader's own folders are called, they are this one.
  ln -s lib "$tree/lib64"
  ln -s ../lib "$tree/usr/lib"
  ln -s ../lib "$tree/usr/lib64"
  for name in busybox e2fsck; do
    program=$(in_root "$name")
    cp -L "$program" "$tree/bin/$name"
    add_libraries "$tree" "$tree/bin/$name"
  done
  cp "$init" "$tree/init"
  # The root is found by it.
  head -c 96 "$squashfs" | sha256sum | cut -d ' ' -f 1 > "$tree/root.superblock"
  : > "$tree/modules/list"
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  (cd "$tree" && find . | sort | cpio --quiet -o -H newc --reproducible -R 0:0 | gzip -9n) > "$out"
}
