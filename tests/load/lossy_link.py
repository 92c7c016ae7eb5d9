#!/usr/bin/env python3
"""Measures lanes over TCP and over QUIC between two nodes on a link with delay and loss.

    sudo tests/load/lossy_link.py TACIT [--delay-ms 20] [--loss 0.01] [--op mul] [--n 20000] [--runs 3] [--congestion reno]

TACIT is the binary. Two network namespaces are joined by `tests/system/link.py`, which delays and loses packets; a node
runs in each, and `tacit bench --peer` measures between them, once for each order of `data_transports`. Needs root, Linux,
iproute2 and Python 3. Prints a table of Markdown.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
LINK = HERE.parent / "system" / "link.py"
PATIENCE = 120


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL)


class Net:
    """Two namespaces on a link, and the nodes in them."""

    def __init__(self, options):
        self.names = [f"tacit-load-{os.getpid()}-{part}" for part in ("cable", "maison", "banque")]
        self.processes = []
        for name in self.names:
            run("ip", "netns", "add", name)
        cable, *hosts = self.names
        words = ["ip", "netns", "exec", cable, sys.executable, str(LINK), "first", "second"]
        words += [str(options.delay_ms), str(options.loss)]
        link = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.processes.append(link)
        assert link.stdout.readline() == "ready\n", "the link is there"
        for number, (host, device) in enumerate(zip(hosts, ("first", "second")), start=1):
            run("ip", "-n", cable, "link", "set", device, "netns", host)
            run("ip", "-n", host, "link", "set", "lo", "up")
            run("ip", "-n", host, "address", "add", f"203.0.113.{number}/24", "dev", device)
            run("ip", "-n", host, "link", "set", device, "up")
            if options.congestion:
                set_to = f"net.ipv4.tcp_congestion_control={options.congestion}"
                run("ip", "netns", "exec", host, "sysctl", "-q", "-w", set_to)

    def close(self):
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        for name in self.names:
            run("ip", "netns", "del", name, check=False)


class Node:
    def __init__(self, net, tacit, directory, place, name, peer, transports):
        self.name, self.directory = name, directory / name
        self.words = ["ip", "netns", "exec", net.names[place], tacit, "--dir", str(self.directory)]
        self.call("init", "--name", name)
        file = self.directory / "node.toml"
        ways = ", ".join(f'"{way}"' for way in transports)
        file.write_text(f'data_transports = [{ways}]\nbench_peers = ["{peer}"]\n' + file.read_text()
                        + "\n[idle]\nenabled = false\n")
        self.log = open(self.directory / "node.log", "w")
        net.processes.append(subprocess.Popen([*self.words, "node"], stdout=subprocess.DEVNULL, stderr=self.log))
        until(f"{name} answers", lambda: self.call("status", check=False).returncode == 0)

    def call(self, *words, check=True):
        return run(*self.words, *words, check=check)

    def json(self, *words):
        return [json.loads(line) for line in self.call("--json", *words).stdout.splitlines()]


def until(what, ready):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.1)
    raise SystemExit(f"waited too long until {what}")


def measure(options, transports):
    net = Net(options)
    try:
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            maison = Node(net, options.tacit, directory, 1, "maison", "banque", transports)
            banque = Node(net, options.tacit, directory, 2, "banque", "maison", transports)
            ticket = maison.json("peer", "invite", "--auto")[0]["ticket"]
            banque.call("peer", "accept", ticket)
            until("they are connected", lambda: all(
                peer["connected"] for node in (maison, banque) for peer in node.json("peer", "list")))
            sizes = ["--op", options.op, "--n", str(options.n), "--runs", str(options.runs)]
            report = banque.json("bench", "--peer", "maison", *sizes)
            return report[0]
    finally:
        net.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tacit")
    parser.add_argument("--delay-ms", type=float, default=20)
    parser.add_argument("--loss", type=float, default=0.01)
    parser.add_argument("--op", default="mul")
    parser.add_argument("--n", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--congestion", help="of TCP, one that the system allows everybody; its own by default")
    options = parser.parse_args()
    default = pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    print(f"{2 * options.delay_ms:g} ms there and back, {options.loss:.2%} lost each way, TCP with {options.congestion or default}\n")
    print("| lane | operation | n | seconds | MB both ways | Mbit/s |")
    print("| --- | --- | --- | --- | --- | --- |")
    for transports in (["tcp"], ["quic"]):
        report = measure(options, transports)
        carried = sum(report["bytes"])
        rate = carried * 8 / report["wall_s"] / 1e6
        print(f"| {transports[0]} | {report['op']} | {report['n']} | {report['wall_s']:.2f} | {carried / 1e6:.1f} | {rate:.0f} |",
              flush=True)


if __name__ == "__main__":
    main()
