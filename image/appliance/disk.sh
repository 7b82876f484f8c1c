# Sourced: kernel, initramfs, unified kernel image, and the disk. Sizes in MiB.

ESP_MIB=128
ROOT_MIB=96
# Grown to the end of the disk at the first start.
DATA_MIB=64
# What must be there before the root is: the disk, and the filesystems of root and data. Those that a kernel has
# built in, or has not, are left out.
INITRAMFS_MODULES=(
  virtio_pci virtio_mmio virtio_blk virtio_net virtio_rng sdhci_pci sdhci_iproc sdhci_acpi bcm2835 mmc_block nvme
  ahci sd_mod usb_storage uas xhci_pci xhci_plat_hcd squashfs ext4 vfat nls_ascii nls_cp437 i6300esb softdog
)

# unpack_kernel WORK META
unpack_kernel() {
  local work=$1 package
  package=$(kernel_package "$work" "$2")
  fetch_alone "$work" "$package" busybox-static e2fsck-static systemd-boot-efi
  mkdir -p "$work/alone/tree"
  for package in "$work"/alone/*.deb; do dpkg-deb -x "$package" "$work/alone/tree"; done
  kernel=$(basename "$work"/alone/tree/boot/vmlinuz-*)
  kernel=${kernel#vmlinuz-}
}

# What no box of this kind has: pictures, sound, radio, racks.
MODULES_WITHOUT=(
  sound drivers/{gpu,media,infiniband,isdn,staging,scsi,target,video,bluetooth,hid,iio,nfc,comedi,firewire,ptp}
  drivers/net/{wireless,can,hamradio,fddi,ppp,wan} drivers/net/ethernet/{mellanox,chelsio,qlogic,cavium,sfc,netronome}
  drivers/net/ethernet/{huawei,hisilicon,brocade,emulex,pensando,fungible}
  net/{bluetooth,mac80211,wireless,can,nfc,sctp,rds,tipc,batman-adv,ceph,9p,dccp,decnet,l2tp,openvswitch,rxrpc,smc}
  fs/{btrfs,xfs,ceph,cifs,smb,nfs,nfsd,ocfs2,gfs2,jfs,f2fs,ntfs3,reiserfs,afs,9p,orangefs,dlm,ubifs,jffs2,udf,coda}
)

# add_modules WORK ROOT: the kernel's modules, for udev to choose from.
add_modules() {
  local work=$1 root=$2 from=$1/alone/tree/lib/modules/$kernel folder
  for folder in "${MODULES_WITHOUT[@]}"; do rm -rf "$from/kernel/$folder"; done
  depmod -b "$work/alone/tree" "$kernel"
  mkdir -p "$root/usr/lib/modules"
  cp -a "$from" "$root/usr/lib/modules/"
}

# make_initramfs WORK SQUASHFS OUT
make_initramfs() {
  local work=$1 squashfs=$2 out=$3 tree=$1/initramfs.tree module file
  mkdir -p "$tree"/{bin,dev,proc,sys,newroot,modules}
  cp "$work/alone/tree/bin/busybox" "$tree/bin/"
  cp "$work/alone/tree/sbin/e2fsck.static" "$tree/bin/e2fsck"
  cp "$here/initramfs/init" "$tree/init"
  head -c 96 "$squashfs" | sha256sum | cut -d ' ' -f 1 > "$tree/root.superblock"
  : > "$tree/modules/list"
  for module in "${INITRAMFS_MODULES[@]}"; do
    { modprobe -d "$work/alone/tree" -S "$kernel" --show-depends "$module" 2> /dev/null || true; } \
      | awk '$1 == "insmod" { print $2 }' | while read -r file; do
        grep -qxF "$(basename "$file")" "$tree/modules/list" && continue
        cp "$file" "$tree/modules/"
        basename "$file" >> "$tree/modules/list"
      done
  done
  find "$tree" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  (cd "$tree" && find . | sort | cpio --quiet -o -H newc --reproducible -R 0:0 | zstd -q -19 -T1) > "$out"
}

# make_kernel_image WORK OUT: stub, what it is, its command line, initramfs and kernel in one EFI program.
make_kernel_image() {
  local work=$1 out=$2
  local initramfs_at=$((0x40000)) linux_at
  printf '%s' "console=$CONSOLE panic=10 quiet" > "$work/cmdline"
  # Close together: the firmware wants one piece of memory for all of it, and small boxes have little.
  linux_at=$(((initramfs_at + $(stat -c %s "$work/initramfs") + 0xffff) & ~0xffff))
  aarch64-linux-gnu-objcopy \
    --add-section .osrel="$work/root/usr/lib/os-release" --change-section-vma .osrel=0x20000 \
    --add-section .cmdline="$work/cmdline" --change-section-vma .cmdline=0x30000 \
    --add-section .initrd="$work/initramfs" --change-section-vma .initrd="$(printf %#x $initramfs_at)" \
    --add-section .linux="$work/alone/tree/boot/vmlinuz-$kernel" --change-section-vma .linux="$(printf %#x $linux_at)" \
    "$work/alone/tree/usr/lib/systemd/boot/efi/linuxaa64.efi.stub" "$out"
  # objcopy notes the time in the head of the program, and a checksum over it all, which firmware does not look at.
  python3 - "$out" << 'PYTHON'
import struct, sys
with open(sys.argv[1], "r+b") as file:
    file.seek(0x3C)
    head, = struct.unpack("<I", file.read(4))
    file.seek(head)
    assert file.read(4) == b"PE\0\0"
    for noted in 8, 88:
        file.seek(head + noted)
        file.write(bytes(4))
PYTHON
}

# make_esp WORK OUT: systemd-boot, which counts the tries of an entry, and the entry of root A.
make_esp() {
  local work=$1 esp=$2
  truncate -s "${ESP_MIB}M" "$esp"
  mkfs.vfat --invariant -F 32 -n ESP "$esp" > /dev/null
  printf 'timeout 0\neditor no\n' > "$work/loader.conf"
  printf 'title Skerry %s\nsort-key skerry\nversion 1\nefi /EFI/skerry/a.efi\n' "$VERSION" > "$work/skerry-a.conf"
  mmd -i "$esp" ::EFI ::EFI/BOOT ::EFI/skerry ::loader ::loader/entries
  mcopy -i "$esp" "$work/alone/tree/usr/lib/systemd/boot/efi/systemd-bootaa64.efi" ::EFI/BOOT/BOOTAA64.EFI
  mcopy -i "$esp" "$out.efi" ::EFI/skerry/a.efi
  mcopy -i "$esp" "$work/loader.conf" ::loader/loader.conf
  mcopy -i "$esp" "$work/skerry-a.conf" ::loader/entries/skerry-a.conf
}

# make_disk WORK OUT
make_disk() {
  local work=$1 disk=$2 size
  size=$(stat -c %s "$disk.root")
  [ "$size" -le $((ROOT_MIB << 20)) ] || { echo "the root has $size bytes, its partition $ROOT_MIB MiB" >&2; return 1; }
  make_esp "$work" "$work/esp"
  truncate -s "${DATA_MIB}M" "$work/data"
  E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mkfs.ext4 -q -F -L skerry -U 5be77e9a-0000-4000-8000-000000000004 \
    -E hash_seed=5be77e9a-0000-4000-8000-000000000005,lazy_itable_init=0,lazy_journal_init=0 "$work/data"
  rm -f "$disk"
  truncate -s $((ESP_MIB + 2 * ROOT_MIB + DATA_MIB + 2))M "$disk"
  sfdisk -q "$disk" << TABLE
label: gpt
label-id: 5be77e9a-0000-4000-8000-000000000000
size=${ESP_MIB}MiB, type=U, name=esp, uuid=5be77e9a-0000-4000-8000-000000000010
size=${ROOT_MIB}MiB, type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE, name=skerry-a, uuid=5be77e9a-0000-4000-8000-000000000011
size=${ROOT_MIB}MiB, type=B921B045-1DF0-41C3-AF44-4C6F280D3FAE, name=skerry-b, uuid=5be77e9a-0000-4000-8000-000000000012
size=${DATA_MIB}MiB, type=L, name=skerry-data, uuid=5be77e9a-0000-4000-8000-000000000013
TABLE
  local starts
  mapfile -t starts < <(sfdisk -J "$disk" | python3 -c \
    'import json,sys; [print(p["start"]) for p in json.load(sys.stdin)["partitiontable"]["partitions"]]')
  dd if="$work/esp" of="$disk" seek="${starts[0]}" bs=512 conv=notrunc,sparse status=none
  dd if="$disk.root" of="$disk" seek="${starts[1]}" bs=512 conv=notrunc,sparse status=none
  dd if="$work/data" of="$disk" seek="${starts[3]}" bs=512 conv=notrunc,sparse status=none
}
