# Sourced: the root's tree and its squashfs.

# What the root is made of; apt adds what these depend on. systemd-boot: what says of a root on trial that it is good.
ROOT_PACKAGES=(systemd systemd-boot systemd-resolved systemd-timesyncd udev kmod mount dosfstools busybox-static netbase ca-certificates)
# What only installing and administrating needs, or nobody here: the image is replaced as a whole, never changed.
ROOT_WITHOUT=(
  'usr/share/[!d]*' 'usr/share/d[!b]*' 'usr/lib/*/perl*' 'usr/lib/*/gconv' usr/lib/udev/hwdb.bin usr/lib/udev/hwdb.d
  'usr/bin/*perl*' usr/lib/systemd/catalog usr/lib/dpkg usr/lib/apt usr/lib/locale usr/lib/modules-load.d
  usr/lib/systemd/tests usr/lib/systemd/boot usr/lib/cryptsetup usr/sbin/e2scrub* usr/lib/tmpfiles.d/legacy.conf
  'var/*' 'usr/lib/debug' etc/init.d etc/cron* etc/apt etc/dpkg etc/default etc/pam.d etc/security
)

# unpack_root WORK ROOT
unpack_root() {
  local work=$1 root=$2 package folder
  fetch_with_dependencies "$work" "${ROOT_PACKAGES[@]}"
  mkdir -p "$root"/{usr/{bin,sbin,lib},dev,proc,sys,run,tmp,var,data,efi,etc}
  # As Debian has it: what packages put into /bin goes to /usr/bin.
  for folder in bin sbin lib; do ln -s "usr/$folder" "$root/$folder"; done
  for package in "$work"/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x --keep-directory-symlink -C "$root"
  done
  (cd "$root" && shopt -s nullglob && for entry in "${ROOT_WITHOUT[@]}"; do rm -rf $entry; done)
  # Scripts of systemd and of ours want a shell and some tools; busybox is all of them.
  for tool in sh cat cmp mkdir mv rm sync tr; do
    [ -e "$root/usr/bin/$tool" ] || ln -s busybox "$root/usr/bin/$tool"
  done
}

# add_skerry ROOT BINARY VERSION
add_skerry() {
  local root=$1 binary=$2 version=$3 units=$1/etc/systemd/system unit
  install -m 755 "$binary" "$root/usr/bin/skerry"
  install -D -m 644 -t "$root/usr/lib/systemd/system" "$top/systemd/skerry.service"
  install -D -m 644 "$top/systemd/skerry.sysusers" "$root/usr/lib/sysusers.d/skerry.conf"
  cp -a "$here/root/." "$root/"
  chown -R 0:0 "$root" 2> /dev/null || true
  printf 'NAME=Skerry\nID=skerry\nID_LIKE=debian\nVERSION_ID=%s\nPRETTY_NAME="Skerry %s"\n' "$version" "$version" \
    > "$root/usr/lib/os-release"
  ln -sf ../usr/lib/os-release "$root/etc/os-release"
  # The initramfs binds the one of the data partition over it.
  : > "$root/etc/machine-id"
  echo skerry > "$root/etc/hostname"
  printf '127.0.0.1 localhost\n::1 localhost\n' > "$root/etc/hosts"
  ln -sf /run/systemd/resolve/resolv.conf "$root/etc/resolv.conf"
  mkdir -p "$root/etc/skerry"
  ln -s /run/skerry-settings/config.yaml "$root/etc/skerry/config.yaml"
  ln -s /run/skerry-settings/config.yaml.d "$root/etc/skerry/config.yaml.d"
  enable() { mkdir -p "$units/$2.wants"; ln -sf "$1" "$units/$2.wants/"; }
  enable /usr/lib/systemd/system/skerry.service multi-user.target
  enable /usr/lib/systemd/system/systemd-networkd.service multi-user.target
  # A server that starts before there is an address takes the loopback's for its own, and listens nowhere else.
  enable /usr/lib/systemd/system/systemd-networkd-wait-online.service network-online.target
  enable /usr/lib/systemd/system/systemd-timesyncd.service sysinit.target
  enable /usr/lib/systemd/system/systemd-resolved.service sysinit.target
  enable /etc/systemd/system/data-grow.service local-fs.target
  enable /etc/systemd/system/skerry-handout.service multi-user.target
  enable /etc/systemd/system/skerry-update.path multi-user.target
  mkdir -p "$units/boot-complete.target.requires"
  ln -s /etc/systemd/system/skerry-ready.service "$units/boot-complete.target.requires/"
  ln -s /usr/lib/systemd/system/multi-user.target "$units/default.target"
  # A machine without keyboard: nobody logs in.
  for unit in getty.target systemd-update-utmp.service systemd-update-utmp-runlevel.service systemd-update-done.service \
    systemd-firstboot.service systemd-machine-id-commit.service systemd-random-seed.service systemd-pstore.service; do
    ln -sf /dev/null "$units/$unit"
  done
  systemd-sysusers --root="$root" 2> /dev/null
  rm -f "$root"/etc/*-
}

# make_squashfs ROOT OUT
make_squashfs() {
  rm -f "$2"
  # mksquashfs takes its times from SOURCE_DATE_EPOCH.
  mksquashfs "$1" "$2" -noappend -comp zstd -Xcompression-level 19 -all-root -no-progress -quiet > /dev/null
}
