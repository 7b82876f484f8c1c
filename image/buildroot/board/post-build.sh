#!/bin/sh
# Makes the root of Buildroot the appliance's: what a read-only root needs in place, and which units start. Files
# come from the overlays, first of all image/appliance/root; image/appliance/root.sh does the same for Debian's packages.
#
#   post-build.sh TARGET_DIR BOARD      called by Buildroot, perhaps several times on the same tree
set -eu
root=$1
here=$(dirname "$0")
units=$root/usr/lib/systemd/system
masked=$root/etc/systemd/system
version=$(sed -n 's/^SKERRY_VERSION = //p' "$here/../package/skerry/skerry.mk")
version=${SKERRY_IMAGE_VERSION:-$version}

mkdir -p "$root/data" "$root/efi" "$root/etc/skerry" "$root/var"
# skerry-settings.service finds the settings at each start.
ln -sfn /run/skerry-settings/config.yaml "$root/etc/skerry/config.yaml"
ln -sfn /run/skerry-settings/config.yaml.d "$root/etc/skerry/config.yaml.d"
# The initramfs binds the one of the data partition over it.
: > "$root/etc/machine-id"

printf 'NAME=Skerry\nID=skerry\nID_LIKE=buildroot\nVERSION_ID=%s\nPRETTY_NAME="Skerry %s"\n' "$version" "$version" \
  > "$root/usr/lib/os-release"
ln -sfn ../usr/lib/os-release "$root/etc/os-release"

# Units without [Install]. Buildroot runs `systemctl preset-all`, which makes all that is below /etc anew: where the
# distribution keeps its links, they stay.
want() {
  mkdir -p "$units/$1"
  ln -sfn "$2" "$units/$1/${2##*/}"
}
want local-fs.target.wants /etc/systemd/system/data-grow.service
want multi-user.target.wants /etc/systemd/system/skerry-handout.service
want boot-complete.target.requires /etc/systemd/system/skerry-ready.service
# A machine without keyboard, whose /var is forgotten: nobody logs in, nothing is noted there. The loader on the ESP is
# written by whoever flashes it, and by no start.
for unit in getty.target systemd-update-done.service systemd-firstboot.service systemd-machine-id-commit.service \
  systemd-random-seed.service systemd-pstore.service systemd-boot-random-seed.service systemd-boot-update.service; do
  ln -sfn /dev/null "$masked/$unit"
done
