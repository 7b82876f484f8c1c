#!/usr/bin/env python3
"""An appliance that is updated: to a good root, which stays, and to a bad one, which is left by itself.

    tests/appliance/update.py IMAGE GOOD.update BAD.update FORGED.update

The machine is emulated. IMAGE trusts the key that GOOD and BAD are signed with, not the one of FORGED.
"""

import sys
import tempfile

from machine import Machine

WAITING = "/skerry/update/apply.skerry"


def entries(machine):
    listed = machine.list_card("loader/entries")
    return sorted(name for name in listed if name.startswith("skerry-"))


def main():
    image, good, bad, forged = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(image, folder, size_mib=700)
        machine.write_to_card("skerry.yaml", 'token: "a-token-of-the-test"\n')
        try:
            drive(machine, good, bad, forged)
        finally:
            if machine.process:
                machine.cut_power()


def drive(machine, good, bad, forged):
    machine.power_on()
    machine.wait("the first root is ready", machine.is_ready)
    assert entries(machine) == ["skerry-a.conf"], entries(machine)
    machine.cut_power()

    machine.write_data(forged, WAITING)
    machine.power_on()
    refused = "its signature is not that of this machine's key"
    machine.wait("it says why", lambda: refused in machine.console.read_text(errors="replace"))
    machine.cut_power()
    assert entries(machine) == ["skerry-a.conf"], entries(machine)
    print("a forged update was refused", flush=True)

    machine.write_data(good, WAITING)
    machine.power_on()
    machine.wait("the good root was found good", lambda: entries(machine) == ["skerry-a.conf", "skerry-b.conf"])
    machine.wait("the good root is ready", machine.is_ready)
    machine.cut_power()
    print("a good update was tried and stays", flush=True)

    machine.write_data(bad, WAITING)
    machine.power_on()
    # It goes to root A, which does not run; B, which does, is what is gone back to.
    machine.wait("the bad root was tried and left", lambda: entries(machine) == ["skerry-a+0-1.conf", "skerry-b.conf"])
    machine.wait("the old root is ready again", machine.is_ready)
    machine.cut_power()
    print("a bad update was tried, and the old root came back by itself")


if __name__ == "__main__":
    main()
