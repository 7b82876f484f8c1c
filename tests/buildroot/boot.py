#!/usr/bin/env python3
"""An image of the Buildroot tree is flashed, started, and updated.

    tests/buildroot/boot.py IMAGE UPDATE KUBECTL

The machine is emulated. IMAGE trusts the key that UPDATE, of version 0.0.2, is signed with.
"""

import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "appliance"))

from machine import Machine, run  # noqa: E402
from update import WAITING, entries  # noqa: E402

SETTINGS = 'token: "a-token-of-the-test"\nnode-name: "box"\r\ntls-san: ["127.0.0.1"]\n'
# Debian's kernel, which has its drivers and its modules in the initramfs, wants more than Buildroot's.
MEMORY_MIB = 384


def main():
    image, update, kubectl = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, folder, size_mib=700)
        machine.write_to_card("skerry.yaml", SETTINGS)
        machine.write_to_card("kubeconfig.yaml", "")
        try:
            drive(machine, Path(folder), update, kubectl)
        finally:
            if machine.process:
                machine.cut_power()


def drive(machine, folder, update, kubectl):
    machine.power_on(MEMORY_MIB)
    machine.wait("the API is ready", machine.is_ready)
    print(f"first start: ready {time.monotonic() - machine.since:.0f} s after power-on", flush=True)
    handed = machine.wait("the kubeconfig is on the card", lambda: machine.read_from_card("kubeconfig.yaml"))
    server = f"    server: https://127.0.0.1:{machine.api}"
    lines = [server if line.strip().startswith("server:") else line for line in handed.splitlines()]
    kubeconfig = folder / "kubeconfig.yaml"
    kubeconfig.write_text("\n".join(lines) + "\n")
    kube = [kubectl, "--kubeconfig", str(kubeconfig)]
    run(*kube, "create", "configmap", "flashed", "--from-literal=by=dd")
    machine.cut_power()
    first_id = machine.read_data("/host/machine-id")
    assert len(first_id[0].strip()) == 32, first_id

    machine.write_data(update, WAITING)
    machine.power_on(MEMORY_MIB)
    machine.wait("the new root was found good", lambda: entries(machine) == ["skerry-a.conf", "skerry-b.conf"])
    machine.wait("the new root is ready", machine.is_ready)
    assert run(*kube, "get", "configmap", "flashed", "-o", "jsonpath={.data.by}") == "dd"
    assert "title Skerry 0.0.2\n" in machine.read_from_card("loader/entries/skerry-b.conf")
    machine.cut_power()
    assert machine.read_data("/host/machine-id") == first_id
    print("an update was tried and stays; state and machine-id are what they were")


if __name__ == "__main__":
    main()
