"""An appliance in an emulated arm64 machine: its disk, its power switch, and the way in from outside."""

import json
import os
import random
import selectors
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

FIRMWARE = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd"
# Emulation on a busy machine is slow, and a hang is a failure all the same.
READY_SECONDS = 600
MIB = 1 << 20
SECTOR = 512
ESP_OFFSET = MIB
# What the partitions of the image are, in order.
DATA_PARTITION = 3


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def forwards(api, etcd, to=""):
    """Ports of this machine that lead to the API and the datastore of an emulated one."""
    return f"hostfwd=tcp:127.0.0.1:{api}-{to}:6443,hostfwd=tcp:127.0.0.1:{etcd}-{to}:2379"


class Cable:
    def __init__(self, number):
        """The place of the machine with that number, from 0, at a switch; addresses go to who asks first."""
        self.number = number
        self.address = f"10.0.2.{15 + number}"
        self.port, self.api, self.etcd = free_port(), free_port(), free_port()


class Switch:
    """A network of machines that come and go, with a router that gives them addresses and lets others in.

    The router is an emulator without a machine. It takes up all frames that it sees, whomever they are for: the
    switch learns who is where, and shows it none but its own. Machines have to ask for addresses in the order of
    their numbers.
    """

    def __init__(self, count):
        self.cables = [Cable(number) for number in range(count)]
        self.selector = selectors.DefaultSelector()
        # Where a frame for an address goes, and what has come of one that is not whole, by connection.
        self.places, self.pending = {}, {}
        router = free_port()
        for port in [router, *(cable.port for cable in self.cables)]:
            listener = socket.create_server(("127.0.0.1", port))
            self.selector.register(listener, selectors.EVENT_READ)
        threading.Thread(target=self._pass_frames, daemon=True).start()
        ways_in = ",".join(forwards(cable.api, cable.etcd, cable.address) for cable in self.cables)
        self.process = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "none", "-display", "none", "-monitor", "none", "-serial", "none",
             "-netdev", f"user,id=router,{ways_in}", "-netdev", "hubport,id=hub0,hubid=0,netdev=router",
             "-netdev", f"socket,id=line,connect=127.0.0.1:{router}",
             "-netdev", "hubport,id=hub1,hubid=0,netdev=line"], stdin=subprocess.DEVNULL)

    def end(self):
        self.process.kill()
        self.process.wait()

    def _pass_frames(self):
        while True:
            for key, _ in self.selector.select():
                if key.fileobj not in self.pending:
                    try:
                        connection, _ = key.fileobj.accept()
                    except OSError:
                        continue
                    self.pending[connection] = b""
                    self.selector.register(connection, selectors.EVENT_READ)
                    continue
                try:
                    received = key.fileobj.recv(1 << 16)
                except OSError:
                    received = b""
                if received:
                    self._take(key.fileobj, received)
                else:
                    self._unplug(key.fileobj)

    def _take(self, source, received):
        """Frames come with their length before them, in four bytes."""
        rest = self.pending[source] + received
        while len(rest) >= 4 and len(rest) >= 4 + int.from_bytes(rest[:4], "big"):
            end = 4 + int.from_bytes(rest[:4], "big")
            frame, rest = rest[:end], rest[end:]
            self.places[frame[10:16]] = source
            to = self.places.get(frame[4:10])
            for other in [to] if to else [other for other in self.pending if other is not source]:
                try:
                    other.sendall(frame)
                except OSError:
                    pass  # It is unplugged when that is read of it.
        if source in self.pending:
            self.pending[source] = rest

    def _unplug(self, connection):
        self.selector.unregister(connection)
        del self.pending[connection]
        self.places = {address: place for address, place in self.places.items() if place is not connection}
        connection.close()


class Machine:
    def __init__(self, image, folder, size_mib=512, options="", cable=None):
        """A card flashed with `image` and put into a machine with a disk of `size_mib`.

        It is alone in its network, or at a `cable` of a `Switch`.
        """
        self.folder = Path(folder)
        self.cable = cable
        self.disk = self.folder / "disk.img"
        self.console = self.folder / "console.log"
        run("cp", "--sparse=always", image, str(self.disk))
        run("truncate", "-s", f"{size_mib}M", str(self.disk))
        self.process = None
        self.api, self.etcd = (cable.api, cable.etcd) if cable else (free_port(), free_port())
        if options:
            entry = f"title Skerry\nsort-key skerry\nversion 1\nefi /EFI/skerry/a.efi\noptions {options}\n"
            self.write_to_card("loader/entries/skerry-a.conf", entry)

    def write_to_card(self, name, text):
        """What a laptop writes to the FAT partition while the machine is off."""
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            run("mcopy", "-o", "-i", f"{self.disk}@@{ESP_OFFSET}", file.name, f"::{name}")

    def read_from_card(self, name):
        return run("mtype", "-i", f"{self.disk}@@{ESP_OFFSET}", f"::{name}")

    def list_card(self, folder):
        """The names of files there; the machine may be running, and write."""
        listed = run("mdir", "-b", "-i", f"{self.disk}@@{ESP_OFFSET}", f"::{folder}")
        return [line.rpartition("/")[2] for line in listed.splitlines()]

    def read_data(self, *names):
        """Files of the data partition, read while the machine is off, from a copy whose journal is replayed."""
        start, size = self._data()
        with tempfile.NamedTemporaryFile(dir=self.folder) as copy:
            run("dd", f"if={self.disk}", f"of={copy.name}", "bs=1M", f"skip={start}", f"count={size}",
                "iflag=skip_bytes,count_bytes", "conv=sparse,notrunc", "status=none")
            subprocess.run(["e2fsck", "-fy", copy.name], capture_output=True)
            return [run("debugfs", "-R", f"cat {name}", copy.name) for name in names]

    def write_data(self, file, name):
        """Puts a file onto the data partition while the machine is off, as if it had come over the network."""
        start, size = self._data()
        with tempfile.NamedTemporaryFile(dir=self.folder) as copy:
            run("dd", f"if={self.disk}", f"of={copy.name}", "bs=1M", f"skip={start}", f"count={size}",
                "iflag=skip_bytes,count_bytes", "conv=sparse,notrunc", "status=none")
            subprocess.run(["e2fsck", "-fy", copy.name], capture_output=True)
            folder = name.rpartition("/")[0]
            run("debugfs", "-w", "-f", "-", copy.name, input=f"mkdir {folder}\nwrite {file} {name}\n")
            found = run("debugfs", "-R", f"stat {name}", copy.name)
            assert f"Size: {Path(file).stat().st_size}" in found, found
            run("dd", f"if={copy.name}", f"of={self.disk}", "bs=1M", f"seek={start}", "oflag=seek_bytes",
                "conv=notrunc", "status=none")

    def _data(self):
        """Where the data partition begins and how long it is, in bytes."""
        table = json.loads(run("sfdisk", "-J", str(self.disk)))["partitiontable"]["partitions"]
        part = table[DATA_PARTITION]
        return part["start"] * SECTOR, part["size"] * SECTOR

    def power_on(self, memory_mib=256):
        if self.cable:
            network = f"socket,id=net,connect=127.0.0.1:{self.cable.port}"
        else:
            network = f"user,id=net,{forwards(self.api, self.etcd)}"
        mac = f"52:54:00:00:00:{self.cable.number if self.cable else 0:02x}"
        console = open(self.console, "ab")
        self.process = subprocess.Popen(
            ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-smp", "2", "-m", str(memory_mib),
             "-accel", "tcg,thread=multi", "-nographic", "-bios", FIRMWARE,
             "-drive", f"if=none,id=disk,file={self.disk},format=raw", "-device", "virtio-blk-pci,drive=disk",
             "-device", "virtio-rng-pci", "-netdev", network,
             "-device", f"virtio-net-pci,netdev=net,mac={mac},romfile="],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        self.since = time.monotonic()

    def wait(self, what, condition, seconds=READY_SECONDS):
        """Waits until `condition` gives something; returns it."""
        deadline = time.monotonic() + seconds
        while True:
            if self.process.poll() is not None:
                raise SystemExit(f"the machine has stopped before: {what}\n{self.last_words()}")
            try:
                found = condition()
            except (OSError, subprocess.CalledProcessError):
                found = None
            if found:
                return found
            if time.monotonic() > deadline:
                raise SystemExit(f"not within {seconds} s: {what}\n{self.last_words()}")
            time.sleep(0.5)

    def is_ready(self):
        answer = subprocess.run(
            ["curl", "-sk", "--max-time", "10", f"https://127.0.0.1:{self.api}/readyz"], capture_output=True, text=True)
        return answer.stdout == "ok"

    def cut_power(self):
        self.process.kill()
        self.process.wait()

    def last_words(self):
        lines = self.console.read_text(errors="replace").splitlines()
        return "\n".join(lines[-40:])


def seeded():
    """Chance that can be had again: the seed is printed, and taken from SKERRY_SEED."""
    seed = int(os.environ.get("SKERRY_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"SKERRY_SEED={seed}", flush=True)
    return random.Random(seed)
