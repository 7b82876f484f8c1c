#!/usr/bin/env python3
"""Three appliances that form a cluster, with the same settings but for their own names; one loses its power, then all.

    tests/appliance/cluster.py IMAGE KUBECTL

The machines are emulated, behind one switch. Nothing that a client was told is written may be lost.
"""

import json
import sys
import tempfile
from pathlib import Path

from machine import Machine, Switch, run, seeded

MEMBERS = 3
# While a member is without power, and before all are: this many objects.
WRITES = 5


class Cluster:
    def __init__(self, image, folder, kubectl):
        self.folder, self.kubectl = Path(folder), kubectl
        self.switch = Switch(MEMBERS)
        servers = ",".join(f"https://{cable.address}:6443" for cable in self.switch.cables)
        self.machines, self.written = [], []
        for cable in self.switch.cables:
            place = self.folder / str(cable.number)
            place.mkdir()
            machine = Machine(image, place, cable=cable)
            machine.write_to_card("skerry.yaml", f'token: "a-token-of-the-test"\nserver: "{servers}"\n'
                                  f'node-name: "box-{cable.number}"\nnode-ip: "{cable.address}"\n'
                                  'tls-san: ["127.0.0.1"]\n')
            self.machines.append(machine)
        self.machines[0].write_to_card("kubeconfig.yaml", "")

    def end(self):
        for machine in self.machines:
            if machine.process:
                machine.cut_power()
        self.switch.end()

    def take_kubeconfig(self):
        first = self.machines[0]
        self.handed = first.wait("the kubeconfig is on the card", lambda: first.read_from_card("kubeconfig.yaml"))

    def kube(self, number, *words):
        """kubectl at the member with that number."""
        file = self.folder / f"{number}.yaml"
        server = f"    server: https://127.0.0.1:{self.machines[number].api}"
        lines = [server if line.strip().startswith("server:") else line for line in self.handed.splitlines()]
        file.write_text("\n".join(lines) + "\n")
        return run(self.kubectl, "--kubeconfig", str(file), "--request-timeout=60s", *words)

    def serving(self):
        """The addresses that the API is served at, as the first member knows them."""
        found = json.loads(self.kube(0, "get", "endpointslices", "kubernetes", "-o", "json"))
        return sorted(address for end in found["endpoints"] for address in end["addresses"])

    def write(self, number, count):
        """Objects made at a member; what is not acknowledged is asked for again until the machine's deadline."""
        for _ in range(count):
            name = f"object-{len(self.written)}"
            text = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
            (self.folder / "object.json").write_text(text)
            self.machines[number].wait(f"{name} is written", lambda: self.kube(
                number, "apply", "--server-side", "-f", str(self.folder / "object.json")))
            self.written.append(name)

    def has_all(self, number):
        """Whether that member serves everything that was acknowledged, from its own state."""
        listed = self.kube(number, "get", "configmaps", "-o", "name")
        return set(self.written) <= {line.removeprefix("configmap/") for line in listed.splitlines()}


def main():
    image, kubectl = sys.argv[1:]
    chance = seeded()
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(image, folder, kubectl)
        try:
            drive(cluster, chance)
        finally:
            cluster.end()


def drive(cluster, chance):
    for machine in cluster.machines:
        machine.power_on()
        machine.wait(f"member {machine.cable.number} is ready", machine.is_ready)
    cluster.take_kubeconfig()
    everywhere = [cable.address for cable in cluster.switch.cables]
    cluster.machines[0].wait("all serve the API", lambda: cluster.serving() == everywhere)
    for number in range(MEMBERS):
        cluster.write(number, 1)
    print(f"{MEMBERS} machines, one cluster", flush=True)

    lost = chance.randrange(MEMBERS)
    others = [number for number in range(MEMBERS) if number != lost]
    cluster.machines[lost].cut_power()
    for number in others:
        cluster.write(number, WRITES)
    cluster.machines[lost].power_on()
    back = cluster.machines[lost]
    back.wait("the member that lost its power has caught up", lambda: back.is_ready() and cluster.has_all(lost))
    print(f"member {lost} lost its power, the others went on, and it is back", flush=True)

    cluster.write(lost, WRITES)
    for machine in cluster.machines:
        machine.cut_power()
    for machine in cluster.machines:
        machine.power_on()
    for number, machine in enumerate(cluster.machines):
        machine.wait(f"member {number} is back", lambda: machine.is_ready() and cluster.has_all(number))
    cluster.write(lost, 1)
    print(f"all lost their power and came back: {len(cluster.written)} acknowledged objects, none lost")


if __name__ == "__main__":
    main()
