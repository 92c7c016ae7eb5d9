#!/usr/bin/env python3
"""Measures what a node costs that is paired with many others while nobody asks anything.

    tests/load/idle_peers.py TACIT [--peers 100] [--seconds 60] [--limit-mb 200]

TACIT is the binary. One node and its peers run on loopback, a process each; the node's resident memory and processor time
are read over SECONDS after all are connected. Ends with code 1 if the memory is above the limit. Linux and Python 3.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PATIENCE = 120


class Node:
    def __init__(self, tacit, directory, name):
        self.words = [tacit, "--dir", str(directory / name)]
        self.call("init", "--name", name, "--host", "127.0.0.1", "--port", "0", "--allow-loopback")
        log = open(directory / name / "node.log", "w")
        self.process = subprocess.Popen([*self.words, "node"], stdout=subprocess.DEVNULL, stderr=log)
        until(f"{name} answers", lambda: self.call("status", check=False).returncode == 0)

    def call(self, *words, check=True):
        ran = subprocess.run([*self.words, *words], capture_output=True, text=True)
        if check and ran.returncode != 0:
            raise SystemExit(f"{words}: {ran.stderr}")
        return ran

    def json(self, *words):
        return [json.loads(line) for line in self.call("--json", *words).stdout.splitlines()]

    def resident_mb(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def until(what, ready):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.1)
    raise SystemExit(f"waited too long until {what}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tacit")
    parser.add_argument("--peers", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--limit-mb", type=float, default=200)
    options = parser.parse_args()
    nodes = []
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        try:
            hub = Node(options.tacit, directory, "hub")
            nodes.append(hub)
            alone = hub.resident_mb()
            for number in range(options.peers):
                if number % 10 == 0:
                    print(f"{number} peers", file=sys.stderr)
                peer = Node(options.tacit, directory, f"peer{number:04}")
                nodes.append(peer)
                # The peers invite: a node has at most 64 tickets, redeemed or not, until they expire.
                ticket = peer.json("peer", "invite", "--auto")[0]["ticket"]
                hub.call("peer", "accept", ticket)
            until("all are connected", lambda: sum(peer["connected"] for peer in hub.json("peer", "list")) == options.peers)
            began, spent = time.monotonic(), hub.cpu_seconds()
            time.sleep(options.seconds)
            spent, passed = hub.cpu_seconds() - spent, time.monotonic() - began
            resident = hub.resident_mb()
        finally:
            for node in nodes:
                node.process.kill()
            for node in nodes:
                node.process.wait()
    print(f"{options.peers} peers: {resident:.0f} MB resident ({alone:.0f} MB without peers), "
          f"{100 * spent / passed:.2f} % of a core over {passed:.0f} s")
    sys.exit(resident > options.limit_mb)


if __name__ == "__main__":
    main()
