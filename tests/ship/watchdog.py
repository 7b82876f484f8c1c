#!/usr/bin/env python3
"""What systemd would hear from a server, and that its watchdog tells the truth.

    tests/ship/watchdog.py BINARY

Plays systemd's side of sd_notify: READY, STATUS and WATCHDOG must come; while any one of the
server's threads (the API's, consensus, log, store) is held still by a debugger, WATCHDOG must not;
once it is let go, WATCHDOG comes again. Threads that are slow, as on a card that stalls, are fed
for. SIGTERM gives STOPPING and a clean end.
"""

import ctypes
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time

WATCHDOG_SECONDS = 3
SLOW_PERIODS = 5
# Longer than any machine needs, and bounded.
DEADLINE_SECONDS = 60
PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WAIT_ALL = 0x40000000  # __WALL: threads that are not our children


def ptrace(request, thread):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x}")


class Systemd:
    """The receiving end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)

    def next(self, timeout):
        self.socket.settimeout(timeout)
        try:
            return self.socket.recv(4096).decode().splitlines()
        except TimeoutError:
            return []

    def wait_for(self, wanted):
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            if any(line.startswith(wanted) for line in self.next(1)):
                return
        sys.exit(f"{wanted} did not come within {DEADLINE_SECONDS} s")

    def watchdogs_within(self, seconds):
        count, end = 0, time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            count += self.next(left).count("WATCHDOG=1")
        return count


def hold(thread):
    ptrace(PTRACE_SEIZE, thread)
    ptrace(PTRACE_INTERRUPT, thread)
    os.waitpid(thread, WAIT_ALL)


def threads(process):
    folder = f"/proc/{process}/task"
    return {open(f"{folder}/{tid}/comm").read().strip(): int(tid) for tid in os.listdir(folder)}


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        systemd = Systemd(folder)
        address = f"127.78.{random.randint(1, 250)}.{random.randint(1, 250)}"
        log = open(os.path.join(folder, "log"), "w")
        server = subprocess.Popen(
            [binary, "server", "--data-dir", f"{folder}/data", "--node-ip", address,
             "--node-name", "watched", "--write-kubeconfig", f"{folder}/skerry.yaml"],
            env={**os.environ, "NOTIFY_SOCKET": systemd.path,
                 "WATCHDOG_USEC": str(WATCHDOG_SECONDS * 1_000_000)},
            stderr=log)
        try:
            systemd.wait_for("READY=1")
            systemd.wait_for("STATUS=leader")
            systemd.wait_for("WATCHDOG=1")
            found = threads(server.pid)
            for name in (os.path.basename(binary)[:15], "consensus", "log", "store"):
                thread = found[name]
                hold(thread)
                # One that was due before the thread stood still may still come.
                systemd.watchdogs_within(WATCHDOG_SECONDS)
                lies = systemd.watchdogs_within(2 * WATCHDOG_SECONDS)
                ptrace(PTRACE_DETACH, thread)
                if lies:
                    sys.exit(f"{lies} x WATCHDOG=1 while the thread '{name}' stood still")
                systemd.wait_for("WATCHDOG=1")
                print(f"no watchdog while the thread '{name}' stood still, and again afterwards")
            # Far more often than not at a standstill, but moving: no reason to start again.
            fed, end = 0, time.monotonic() + SLOW_PERIODS * WATCHDOG_SECONDS
            while time.monotonic() < end:
                for name in ("log", "store"):
                    hold(found[name])
                systemd_hears = systemd.watchdogs_within(WATCHDOG_SECONDS / 4)
                for name in ("log", "store"):
                    ptrace(PTRACE_DETACH, found[name])
                fed += systemd_hears + systemd.watchdogs_within(WATCHDOG_SECONDS / 20)
            if fed < SLOW_PERIODS:
                sys.exit(f"{fed} x WATCHDOG=1 in {SLOW_PERIODS} periods on a disk that is slow but moves")
            print(f"{fed} x WATCHDOG=1 in {SLOW_PERIODS} periods on a disk that is slow but moves")
            server.send_signal(signal.SIGTERM)
            systemd.wait_for("STOPPING=1")
            if server.wait(DEADLINE_SECONDS) != 0:
                sys.exit(f"the server ended with {server.returncode}")
        finally:
            server.kill()
            server.wait()
    print("watchdog test passed")


if __name__ == "__main__":
    main()
