#!/usr/bin/env python3
"""Measures lanes over TCP and over QUIC between two nodes on a link with delay and loss.

    sudo tests/load/lossy_link.py TACIT [--delay-ms 20] [--loss 0.01] [--op mul] [--n 20000] [--runs 3] [--congestion reno]

TACIT is the binary. Two network namespaces are joined by `tests/system/link.py`, which delays and loses packets; a node
runs in each, and `tacit bench --peer` measures between them, once for each order of `data_transports`. Needs root, Linux,
iproute2 and Python 3. Prints a table of Markdown.
"""

import argparse
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from nodes import Node, end_all, until

HERE = pathlib.Path(__file__).resolve().parent
LINK = HERE.parent / "system" / "link.py"


def run(*words, check=True):
    return subprocess.run(words, check=check, capture_output=True, text=True, stdin=subprocess.DEVNULL)


@contextlib.contextmanager
def hosts_on_a_link(options):
    """The names of two network namespaces on a link."""
    cable, *hosts = [f"tacit-load-{os.getpid()}-{part}" for part in ("cable", "maison", "banque")]
    with contextlib.ExitStack() as ends:
        for name in (cable, *hosts):
            run("ip", "netns", "add", name)
            ends.callback(run, "ip", "netns", "del", name, check=False)
        words = ["ip", "netns", "exec", cable, sys.executable, str(LINK), "first", "second"]
        words += [str(options.delay_ms), str(options.loss)]
        link = ends.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        ends.callback(link.kill)
        assert link.stdout.readline() == "ready\n", "the link is there"
        for number, (host, device) in enumerate(zip(hosts, ("first", "second")), start=1):
            run("ip", "-n", cable, "link", "set", device, "netns", host)
            run("ip", "-n", host, "link", "set", "lo", "up")
            run("ip", "-n", host, "address", "add", f"203.0.113.{number}/24", "dev", device)
            run("ip", "-n", host, "link", "set", device, "up")
            if options.congestion:
                set_to = f"net.ipv4.tcp_congestion_control={options.congestion}"
                run("ip", "netns", "exec", host, "sysctl", "-q", "-w", set_to)
        yield hosts


class HostNode(Node):
    """A node in a network namespace. Its API is not reached from here, so it is spoken to by its command line."""

    def __init__(self, binary, parent, host, name, peer, transports):
        super().__init__(binary, parent, name, prefix=("ip", "netns", "exec", host), made=())
        file = self.dir / "node.toml"
        ways = ", ".join(f'"{way}"' for way in transports)
        file.write_text(f'data_transports = [{ways}]\nbench_peers = ["{peer}"]\n' + file.read_text()
                        + "\n[idle]\nenabled = false\n")

    def answers(self):
        try:
            return self.run("status")
        except RuntimeError:
            return None

    def json(self, *words):
        return [json.loads(line) for line in self.run("--json", *words).splitlines()]


def measure(options, transports):
    with hosts_on_a_link(options) as (first, second), tempfile.TemporaryDirectory() as directory:
        try:
            maison = HostNode(options.tacit, directory, first, "maison", "banque", transports).start()
            banque = HostNode(options.tacit, directory, second, "banque", "maison", transports).start()
            ticket = maison.json("peer", "invite", "--auto")[0]["ticket"]
            banque.run("peer", "accept", ticket)
            until("they are connected", lambda: all(
                peer["connected"] for node in (maison, banque) for peer in node.json("peer", "list")))
            sizes = ["--op", options.op, "--n", str(options.n), "--runs", str(options.runs)]
            return banque.json("bench", "--peer", "maison", *sizes)[0]
        finally:
            end_all()


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
