#!/usr/bin/env python3
"""The image as users run it: alone, by README's line, and as three members, by the compose file.

    tests/docker/members.py IMAGE KUBECTL COMPOSE_FILE

An engine must answer; what is started here has names of its own, and is removed. Nothing that was acknowledged is lost.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

DEADLINE = 120
# What `docker stop` may take: leadership is handed over, the state is flushed.
STOP_SECONDS_MAX = 5
# The limit under which members must live, whatever they are asked.
MEMORY = "64m"
# A flood: so many clients list so many objects of so many bytes, for so long.
CLIENTS, OBJECTS, OBJECT_BYTES, FLOOD_SECONDS = 24, 60, 100_000, 15
OURS = f"skerry-test-{os.getpid()}"


def run(*words, **options):
    done = subprocess.run(words, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout, done.stderr)
    return done.stdout


def until(what, condition):
    """Waits until `condition` gives something; returns it."""
    deadline = time.monotonic() + DEADLINE
    while True:
        try:
            last = condition()
            if last:
                return last
        except subprocess.CalledProcessError as error:
            last = error.stderr
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {DEADLINE} s: {what}\n{last}")
        time.sleep(0.2)


class Server:
    """A container, and the way in by its published port."""

    def __init__(self, name, port, kubectl, folder):
        self.name, self.port, self.kubectl = name, port, kubectl
        self.kubeconfig = Path(folder) / f"{name}.yaml"

    def inspect(self, what):
        return json.loads(run("docker", "inspect", "-f", "{{json " + what + "}}", self.name))

    def wait_healthy(self):
        until(f"{self.name} is healthy", lambda: self.inspect(".State.Health.Status") == "healthy")

    def take_kubeconfig(self):
        place = f"{self.name}:/var/lib/skerry/kubeconfig/skerry.yaml"
        until("its kubeconfig is there", lambda: run("docker", "cp", place, str(self.kubeconfig)) or True)

    def kube(self, *words, **options):
        return run(self.kubectl, "--kubeconfig", str(self.kubeconfig), "--server", f"https://127.0.0.1:{self.port}",
                   "--request-timeout=30s", *words, **options)

    def put(self, name, data):
        """A ConfigMap, asked for until it is acknowledged."""
        body = json.dumps({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
        until(f"{name} is written at {self.name}", lambda: self.kube(
            "apply", "--server-side", "--force-conflicts", "-f", "-", input=body))

    def names(self):
        return set(self.kube("get", "configmaps", "-o", "name").split())

    def stop(self):
        """By SIGTERM: in time, and as if nothing were the matter."""
        begin = time.monotonic()
        run("docker", "stop", "--time", "60", self.name)
        took = time.monotonic() - begin
        assert took < STOP_SECONDS_MAX, f"{self.name} took {took:.1f} s to stop"
        assert self.inspect(".State.ExitCode") == 0, self.inspect(".State")
        return took


def alone(image, kubectl, folder):
    server = Server(f"{OURS}-alone", 6443, kubectl, folder)
    # As in image/README.md.
    run("docker", "run", "-d", "--name", server.name, "--read-only", "--cap-drop", "ALL",
        "-v", f"{OURS}-alone:/var/lib/skerry", "-p", "6443:6443", image, "server")
    server.wait_healthy()
    server.take_kubeconfig()
    server.put("kept", {"a": "b"})
    assert server.inspect(".Config.User") == "65534:65534"
    changed = run("docker", "diff", server.name)
    assert not changed, f"written outside the volume: {changed}"
    took = server.stop()
    run("docker", "start", server.name)
    until("it has what it had", lambda: "configmap/kept" in server.names())
    print(f"one server: healthy, read-only, stopped in {took:.1f} s, and back with all it had", flush=True)
    run("docker", "rm", "-f", server.name)


def start(compose, image, kubectl, folder):
    """Starts what the file says, each member with as little memory as it must do with."""
    network = f"{OURS}-members"
    subnet = compose["networks"]["members"]["ipam"]["config"][0]["subnet"]
    run("docker", "network", "create", "--subnet", subnet, network)
    servers = {}
    for name, service in compose["services"].items():
        options = ["--read-only"] if service["read_only"] else []
        options += [word for drop in service["cap_drop"] for word in ("--cap-drop", drop)]
        options += [word for option in service["security_opt"] for word in ("--security-opt", option)]
        for variable, value in service["environment"].items():
            value = "a-token-of-the-test" if variable == "SKERRY_TOKEN" else value
            options += ["-e", f"{variable}={value}"]
        options += [word for volume in service["volumes"] for word in ("-v", f"{OURS}-{volume}")]
        options += [word for port in service["ports"] for word in ("-p", port)]
        address = service["networks"]["members"]["ipv4_address"]
        port = int(service["ports"][0].split(":")[0])
        server = Server(f"{OURS}-{name}", port, kubectl, folder)
        run("docker", "run", "-d", "--name", server.name, "--memory", MEMORY, "--network", network, "--ip", address,
            *options, image, "server")
        server.network, server.address = network, address
        servers[name] = server
    for server in servers.values():
        server.wait_healthy()
        server.take_kubeconfig()
    first = next(iter(servers.values()))
    slices = ["get", "endpointslices", "kubernetes", "-o", "jsonpath={.endpoints[*].addresses[0]}"]
    wanted = {server.address for server in servers.values()}
    until("all serve the API", lambda: set(first.kube(*slices).split()) == wanted)
    return servers


def together(image, kubectl, compose, folder):
    servers = start(compose, image, kubectl, folder)
    one, two, three = servers.values()
    written = []

    def write(server, name):
        server.put(name, {"a": "b"})
        written.append(f"configmap/{name}")

    def has_all(server):
        until(f"{server.name} has everything", lambda: set(written) <= server.names())

    for number, server in enumerate(servers.values()):
        write(server, f"first-{number}")
    print(f"{len(servers)} members, one cluster", flush=True)

    run("docker", "network", "disconnect", three.network, three.name)
    write(one, "while-cut-off-1")
    write(two, "while-cut-off-2")
    run("docker", "network", "connect", "--ip", three.address, three.network, three.name)
    has_all(three)
    three.wait_healthy()
    print("one was cut off from the network, the others went on, and it is back", flush=True)

    run("docker", "kill", two.name)
    write(one, "while-killed-1")
    write(three, "while-killed-2")
    run("docker", "start", two.name)
    has_all(two)
    two.wait_healthy()
    print("one was killed, the others went on, and it is back", flush=True)

    flood(servers)
    for server in servers.values():
        state = server.inspect(".State")
        assert state["Running"] and not state["OOMKilled"], state
        assert server.inspect(".RestartCount") == 0
        has_all(server)
    size = OBJECTS * OBJECT_BYTES >> 20
    print(f"{CLIENTS} clients that listed {size} MB at once: all live within {MEMORY}", flush=True)

    took = max(server.stop() for server in (three, one))
    run("docker", "start", three.name, one.name)
    for server in servers.values():
        has_all(server)
    print(f"stopped within {took:.1f} s, {len(written)} acknowledged objects, none lost", flush=True)


def flood(servers):
    """Clients that all want everything at once; what is refused is refused in words."""
    first = next(iter(servers.values()))
    for number in range(OBJECTS):
        first.put(f"large-{number}", {"large": "x" * OBJECT_BYTES})
    end = time.monotonic() + FLOOD_SECONDS
    answers = {"ok": 0, "refused": 0}

    def client(server):
        while time.monotonic() < end:
            done = subprocess.run(
                [server.kubectl, "--kubeconfig", str(server.kubeconfig), "--server", f"https://127.0.0.1:{server.port}",
                 "get", "--raw", "/api/v1/namespaces/default/configmaps"], capture_output=True)
            answers["ok" if done.returncode == 0 else "refused"] += 1

    members = list(servers.values())
    clients = [threading.Thread(target=client, args=(members[number % len(members)],)) for number in range(CLIENTS)]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert answers["ok"] > 0, answers
    first.kube("delete", "configmaps", *[f"large-{number}" for number in range(OBJECTS)])


def clean_up():
    for kind, remove in (("container", ["rm", "-f"]), ("network", ["rm"]), ("volume", ["rm"])):
        listed = ["--all"] if kind == "container" else []
        field = "{{.Names}}" if kind == "container" else "{{.Name}}"
        names = run("docker", kind, "ls", *listed, "--filter", f"name={OURS}", "--format", field).split()
        if names:
            run("docker", kind, *remove, *names)


def main():
    image, kubectl, file = sys.argv[1:]
    compose = yaml.safe_load(Path(file).read_text())
    with tempfile.TemporaryDirectory() as folder:
        try:
            alone(image, kubectl, folder)
            together(image, kubectl, compose, folder)
        except BaseException:
            names = run("docker", "ps", "--all", "--filter", f"name={OURS}", "--format", "{{.Names}}").split()
            for name in names:
                told = subprocess.run(["docker", "logs", "--tail", "20", name], capture_output=True, text=True)
                print(f"--- {name}\n{told.stdout}{told.stderr}", file=sys.stderr)
            raise
        finally:
            clean_up()


if __name__ == "__main__":
    main()
