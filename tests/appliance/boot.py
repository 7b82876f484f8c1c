#!/usr/bin/env python3
"""An image as a user flashes it: first start, clients from outside, and power that is cut while they write.

    tests/appliance/boot.py IMAGE ETCDCTL KUBECTL CUTS

The machine is emulated. Nothing that a client was told is written may be lost.
"""

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine import Machine, run, seeded

WRITERS = 4
# Between two cuts each writer is told of this many writes at least.
WRITES_MIN = 5
SETTINGS = 'token: "a-token-of-the-test"\nnode-name: "box"\r\ntls-san: ["127.0.0.1"]\n'


class Writer(threading.Thread):
    """Puts one key after the other until it is told to stop; knows what was acknowledged."""

    def __init__(self, etcdctl, name):
        super().__init__(daemon=True)
        self.etcdctl, self.name = etcdctl, name
        self.acknowledged, self.stopping = 0, False

    def run(self):
        while not self.stopping:
            key = f"{self.name}/{self.acknowledged:06}"
            put = subprocess.run([*self.etcdctl, "put", key, key], capture_output=True, text=True)
            if put.returncode == 0 and put.stdout == "OK\n":
                self.acknowledged += 1


def main():
    image, etcdctl, kubectl, cuts = *sys.argv[1:4], int(sys.argv[4])
    chance = seeded()
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, folder)
        machine.write_to_card("skerry.yaml", SETTINGS)
        machine.write_to_card("kubeconfig.yaml", "")
        try:
            drive(machine, Path(folder), etcdctl, kubectl, cuts, chance)
        finally:
            if machine.process:
                machine.cut_power()


def drive(machine, folder, etcdctl, kubectl, cuts, chance):
    machine.power_on()
    machine.wait("the API is ready", machine.is_ready)
    print(f"first start: ready {time.monotonic() - machine.since:.0f} s after power-on", flush=True)
    handed = machine.wait("the kubeconfig is on the card", lambda: machine.read_from_card("kubeconfig.yaml"))
    kubeconfig = folder / "kubeconfig.yaml"
    server = f"https://127.0.0.1:{machine.api}"
    lines = [f"    server: {server}" if line.strip().startswith("server:") else line for line in handed.splitlines()]
    kubeconfig.write_text("\n".join(lines) + "\n")
    kube = [kubectl, "--kubeconfig", str(kubeconfig)]
    run(*kube, "create", "configmap", "flashed", "--from-literal=by=dd")
    status = json.loads(run(*kube, "get", "configmap", "flashed", "-o", "json"))
    assert status["data"] == {"by": "dd"}, status
    machine.cut_power()

    names = ["ca.crt", "client.crt", "client.key"]
    files = machine.read_data("/skerry/tls/etcd/server-ca.crt", "/skerry/tls/etcd/client.crt",
                              "/skerry/tls/etcd/client.key", "/host/machine-id")
    first_id = files.pop()
    assert len(first_id.strip()) == 32, first_id
    for name, text in zip(names, files):
        (folder / name).write_text(text)
    ctl = [etcdctl, f"--endpoints=https://127.0.0.1:{machine.etcd}", f"--cacert={folder}/ca.crt",
           f"--cert={folder}/client.crt", f"--key={folder}/client.key", "--command-timeout=20s"]

    written = {}
    for cut in range(cuts):
        machine.power_on()
        machine.wait("it is ready again", machine.is_ready)
        check(ctl, written)
        writers = [Writer(ctl, f"{cut}/{name}") for name in range(WRITERS)]
        for writer in writers:
            writer.start()
        machine.wait("everybody writes", lambda: all(w.acknowledged >= WRITES_MIN for w in writers))
        time.sleep(chance.uniform(0, 2))  # the moment of the cut is the chance, not a wait for something
        machine.cut_power()
        for writer in writers:
            writer.stopping = True
        for writer in writers:
            writer.join()
            written[writer.name] = writer.acknowledged
        print(f"cut {cut + 1} after {sum(w.acknowledged for w in writers)} writes", flush=True)
    machine.power_on()
    machine.wait("it is ready after the last cut", machine.is_ready)
    check(ctl, written)
    assert run(*kube, "get", "configmap", "flashed", "-o", "jsonpath={.data.by}") == "dd"
    machine.cut_power()
    assert machine.read_data("/host/machine-id") == [first_id]
    print(f"{cuts} power cuts, {sum(written.values())} acknowledged writes, none lost")


def check(ctl, written):
    for name, count in written.items():
        found = run(*ctl, "get", "--prefix", "--keys-only", f"{name}/").split()
        wanted = [f"{name}/{number:06}" for number in range(count)]
        lost = set(wanted) - set(found)
        if lost:
            raise SystemExit(f"acknowledged and lost: {sorted(lost)}")


if __name__ == "__main__":
    main()
