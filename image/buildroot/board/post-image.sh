#!/bin/bash
# From Buildroot's images to one to flash: initramfs, unified kernel image, ESP, and the disk that genimage.cfg draws.
#
#   post-image.sh BINARIES_DIR BOARD    called by Buildroot, which sets TARGET_DIR, HOST_DIR and BUILD_DIR
#
#   BINARIES_DIR/skerry.img             the disk
#   BINARIES_DIR/skerry.img.efi, .root  kernel and root: what image/appliance/bundle.py makes an update of
set -euo pipefail
images=$1
board=$(realpath "$(dirname "$0")")/$2
here=$(dirname "$board")
appliance=$(realpath "$here/../../appliance")
# shellcheck source=/dev/null
. "$here/initramfs.sh"
# All that is made carries this time: 1980, when FAT begins, where Buildroot gives none.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-315532800}
export LC_ALL=C TZ=UTC PATH="$HOST_DIR/bin:$HOST_DIR/sbin:$PATH"

work=$BUILD_DIR/skerry-image
rm -rf "$work"
mkdir -p "$work"

ln -f "$images/rootfs.squashfs" "$images/skerry.img.root"
make_initramfs "$work/tree" "$appliance/initramfs/init" "$images/rootfs.squashfs" "$work/initramfs"
# In one file with its command line: what is started is what was built, and what an update brings.
ukify build --efi-arch aa64 --stub "$TARGET_DIR/usr/lib/systemd/boot/efi/linuxaa64.efi.stub" \
  --linux "$images/Image" --initrd "$work/initramfs" --cmdline "$(cat "$board/cmdline")" \
  --os-release "@$TARGET_DIR/usr/lib/os-release" --uname skerry --output "$images/skerry.img.efi"

# systemd-boot, which counts the tries of an entry, the entry of root A, and what the board's firmware wants.
esp=$work/esp
mkdir -p "$esp/EFI/BOOT" "$esp/EFI/skerry" "$esp/loader/entries"
cp "$images/efi-part/EFI/BOOT/bootaa64.efi" "$esp/EFI/BOOT/BOOTAA64.EFI"
cp "$images/skerry.img.efi" "$esp/EFI/skerry/a.efi"
version=$(sed -n 's/^VERSION_ID=//p' "$TARGET_DIR/usr/lib/os-release")
printf 'timeout 0\neditor no\n' > "$esp/loader/loader.conf"
printf 'title Skerry %s\nsort-key skerry\nversion 1\nefi /EFI/skerry/a.efi\n' "$version" \
  > "$esp/loader/entries/skerry-a.conf"
if [ -d "$images/rpi-firmware" ]; then
  cp -r "$images/rpi-firmware/." "$images/u-boot.bin" "$images"/*.dtb "$esp/"
fi
find "$esp" -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

export E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH
genimage --rootpath "$esp" --tmppath "$work/tmp" --inputpath "$images" --outputpath "$images" \
  --config "$here/genimage.cfg"
rm -f "$images/esp.vfat" "$images/data.ext4"
