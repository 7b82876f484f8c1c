#!/usr/bin/env python3
"""The Buildroot tree holds together, as far as that is seen without Buildroot:

    tests/buildroot/quick.py

Every symbol of ours that a defconfig sets is defined, every file that is named is there, the package's version is the
project's, hashes are whole, scripts have a syntax, and genimage draws the disk of image/appliance.
"""

import json
import re
import subprocess
import tempfile
import tomllib
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
TREE = PROJECT / "image/buildroot"
APPLIANCE = PROJECT / "image/appliance"
TARGETS = ["aarch64-unknown-linux-musl", "armv7-unknown-linux-musleabihf", "x86_64-unknown-linux-musl"]
FOLDER = "$(BR2_EXTERNAL_SKERRY_PATH)"
# More than a squashfs's superblock, less than its partition.
ROOT_BYTES = 1 << 20


def settings(file):
    """The symbols of a defconfig with their values; those that are not set have none."""
    found = {}
    for line in file.read_text().splitlines():
        on, off = re.fullmatch(r"(BR2_\w+)=(.*)", line), re.fullmatch(r"# (BR2_\w+) is not set", line)
        assert on or off, f"{file.name}: {line}"
        name = (on or off)[1]
        assert name not in found, f"{file.name}: {name} twice"
        found[name] = on[2].strip('"') if on else None
    return found


def every_symbol_is_defined_and_every_file_is_there(version):
    configs = [TREE / "Config.in", *TREE.glob("package/*/Config.in")]
    defined = {name for file in configs for name in re.findall(r"^(?:menu)?config (BR2_\w+)", file.read_text(), re.M)}
    for name in re.findall(r'^source "\$BR2_EXTERNAL_SKERRY_PATH/(.*)"', configs[0].read_text(), re.M):
        assert (TREE / name).is_file(), name
    defconfigs = sorted(TREE.glob("configs/*_defconfig"))
    assert len(defconfigs) == 2, defconfigs
    for file in defconfigs:
        found = settings(file)
        ours = {name for name in found if name.startswith("BR2_PACKAGE_SKERRY")}
        assert ours and ours <= defined, ours - defined
        for value in found.values():
            for path in re.findall(re.escape(FOLDER) + r"/(\S+)", value or ""):
                assert (TREE / path).exists(), f"{file.name}: {path}"
        board = TREE / "board" / found["BR2_ROOTFS_POST_SCRIPT_ARGS"]
        assert len((board / "cmdline").read_text().splitlines()) == 1, board
    recipe = (TREE / "package/skerry/skerry.mk").read_text()
    assert f"\nSKERRY_VERSION = {version}\n" in recipe, f"skerry.mk is not of version {version}"
    for path in re.findall(r"\$\(SKERRY_PROJECT\)/(\S+)", recipe):
        assert (PROJECT / path).is_file(), path


def hashes_are_those_of_all_binaries_of_this_version_or_none(version):
    lines = (TREE / "package/skerry/skerry.hash").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"sha256  [0-9a-f]{64}  skerry-\S+", line), line
    names = sorted(line.split()[2] for line in lines)
    assert names in ([], [f"skerry-{version}-{target}" for target in TARGETS]), names


def scripts_have_a_syntax():
    for file in sorted(TREE.glob("board/*.sh")):
        shell = "sh" if file.read_text().startswith("#!/bin/sh\n") else "bash"
        subprocess.run([shell, "-n", file], check=True)
        assert file.name == "initramfs.sh" or file.stat().st_mode & 0o111, f"{file} cannot be run"
    subprocess.run(["shellcheck", *sorted(TREE.glob("board/*.sh"))], check=True)


def drawn_by_the_appliance():
    """Names, types, identities, starts and sizes in MiB, of image/appliance/disk.sh."""
    text = (APPLIANCE / "disk.sh").read_text()
    sizes = dict(re.findall(r"^(\w+_MIB)=(\d+)$", text, re.M))
    types = {"U": "C12A7328-F81F-11D2-BA4B-00A0C93EC93B", "L": "0FC63DAF-8483-4772-8E79-3D69D8477DE4"}
    start, drawn = 1, []
    for size, kind, name, uuid in re.findall(r"^size=\$\{(\w+)\}MiB, type=(\S+), name=(\S+), uuid=(\S+)$", text, re.M):
        drawn.append((name, types.get(kind, kind), uuid.upper(), start, int(sizes[size])))
        start += int(sizes[size])
    assert len(drawn) == 4, text
    return drawn


def genimage_draws_the_disk_of_the_appliance():
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        esp = folder / "esp"
        (esp / "EFI/BOOT").mkdir(parents=True)
        (esp / "EFI/BOOT/BOOTAA64.EFI").write_bytes(b"MZ")
        (folder / "rootfs.squashfs").write_bytes(b"hsqs" * (ROOT_BYTES // 4))
        made = subprocess.run(
            ["genimage", "--rootpath", esp, "--tmppath", folder / "tmp", "--inputpath", folder, "--outputpath", folder,
             "--config", TREE / "board/genimage.cfg"], capture_output=True, text=True)
        assert made.returncode == 0, made.stderr
        disk = folder / "skerry.img"
        table = json.loads(subprocess.run(["sfdisk", "-J", disk], check=True, capture_output=True).stdout)
        mib = (1 << 20) // table["partitiontable"]["sectorsize"]
        found = [(part["name"], part["type"], part["uuid"], part["start"] / mib, part["size"] / mib)
                 for part in table["partitiontable"]["partitions"]]
        assert found == drawn_by_the_appliance(), found
        card = subprocess.run(["mdir", "-b", "-/", "-i", f"{disk}@@1M", "::"], check=True, capture_output=True, text=True)
        assert "::/EFI/BOOT/BOOTAA64.EFI" in card.stdout.splitlines(), card.stdout
        labels = [subprocess.run(["blkid", "-p", "-O", str(int(part[3]) << 20), "-s", "LABEL", "-o", "value", disk],
                                 capture_output=True, text=True).stdout.strip() for part in (found[0], found[3])]
        assert labels == ["ESP", "skerry"], labels
        with open(disk, "rb") as image:
            image.seek(int(found[1][3]) << 20)
            assert image.read(4) == b"hsqs", "root A does not begin with its squashfs"


def main():
    version = tomllib.loads((PROJECT / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    every_symbol_is_defined_and_every_file_is_there(version)
    hashes_are_those_of_all_binaries_of_this_version_or_none(version)
    scripts_have_a_syntax()
    genimage_draws_the_disk_of_the_appliance()
    print("the Buildroot tree holds together")


if __name__ == "__main__":
    main()
