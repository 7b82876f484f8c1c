#!/bin/bash
# Builds the appliance's disk image from Debian's packages and a static binary, the same to the byte each time:
#
#   image/appliance/build.sh BINARY OUT.img
#
#   OUT.img          GPT: ESP with systemd-boot and a unified kernel image, roots A and B, data; flash it with dd
#   OUT.img.root     the root alone (squashfs), OUT.img.efi its unified kernel image: what an update brings
#
# No emulator, no loop device, no root's rights: nothing that is unpacked is run.
#   SKERRY_KERNEL     Debian's kernel package [linux-image-arm64; linux-image-cloud-arm64 is enough for a VM]
#   SKERRY_VERSION    what the image calls itself [the binary's package version]
#   SKERRY_CONSOLE    the kernel's console [ttyAMA0]
#   SKERRY_UPDATE_KEY file with the public key that updates are signed with [none: no update is taken]
set -euo pipefail
here=$(realpath "$(dirname "$0")")
top=$(realpath "$here/../..")
binary=$(realpath "$1")
out=$(realpath -m "$2")
. "$top/tests/packages.sh"
. "$here/debian.sh"
. "$here/root.sh"
. "$here/disk.sh"

KERNEL=${SKERRY_KERNEL:-linux-image-arm64}
VERSION=${SKERRY_VERSION:-$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' "$top/Cargo.toml")}
CONSOLE=${SKERRY_CONSOLE:-ttyAMA0}
# All that is made carries this time: 1980, when FAT begins.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800}
export LC_ALL=C TZ=UTC

need_packages binutils-aarch64-linux-gnu cpio dosfstools e2fsprogs fdisk kmod mtools squashfs-tools systemd zstd
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

open_apt "$work"
unpack_root "$work" "$work/root"
add_skerry "$work/root" "$binary" "$VERSION"
[ -z "${SKERRY_UPDATE_KEY:-}" ] || install -m 644 "$SKERRY_UPDATE_KEY" "$work/root/usr/lib/skerry/update.pub"
unpack_kernel "$work" "$KERNEL"
add_modules "$work" "$work/root"
make_squashfs "$work/root" "$out.root"
make_initramfs "$work" "$out.root" "$work/initramfs"
make_kernel_image "$work" "$out.efi"
make_disk "$work" "$out"
ls -ls "$out" "$out.root" "$out.efi"
