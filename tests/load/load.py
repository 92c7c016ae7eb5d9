#!/usr/bin/env python3
"""Load and faults on real nodes of this machine: latency, throughput, imports, idle peers, and kill -9 at random points.

    python3 tests/load/load.py --binary target/release/tacit            # all of it, about half an hour
    python3 tests/load/load.py --binary target/ci/tacit --short         # what CI runs, two minutes, no targets of time

Prints one line for each figure, and one JSON object with --json. Ends with 1 where an invariant does not hold.
"""

import argparse
import json
import platform
import random
import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from faults import faults
from nodes import EXACT, OWN, Node, count_program, end_all, pair_of_nodes, until, write_accounts, write_customers


def latency(binary, parent, rounds):
    """Seconds from submit to result of a job on 100 rows, warm, one after another."""
    shop, bank = tables(binary, parent, 100)
    answer(bank)
    seconds = []
    for _ in range(rounds):
        begun = time.perf_counter()
        answer(bank)
        seconds.append(time.perf_counter() - begun)
    for node in (shop, bank):
        node.stop()
    return {"median_s": statistics.median(seconds), "p95_s": sorted(seconds)[int(0.95 * (len(seconds) - 1))]}


def throughput(binary, parent, jobs, clients):
    """Jobs a second on 100 rows, from so many callers at once."""
    shop, bank = tables(binary, parent, 100)
    answer(bank)
    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: answer(bank), range(jobs)))
    seconds = time.perf_counter() - begun
    used = {node.name: node.processor_seconds() for node in (shop, bank)}
    for node in (shop, bank):
        node.stop()
    return {"jobs_per_s": jobs / seconds, "processor_s": used}


def tables(binary, parent, rows):
    shop, bank = pair_of_nodes(binary, parent)
    customers, accounts = Path(parent) / "customers.csv", Path(parent) / "accounts.csv"
    write_customers(customers, rows)
    write_accounts(accounts, rows)
    shop.add_table("customers", customers, EXACT)
    bank.add_table("accounts", accounts, OWN)
    return shop, bank


def answer(bank):
    job = bank.submit(count_program())
    detail = bank.ended(job)
    if detail["state"] != "finished":
        raise AssertionError(f"job {job}: {detail['failure']}")
    return bank.get(f"/v1/jobs/{job}/result")


def imports(binary, parent, rows):
    """Rows a second of an import, and the memory that it takes."""
    node = Node(binary, parent, "maison").start()
    csv = Path(parent) / "customers.csv"
    write_customers(csv, rows)
    before, begun = node.memory_mb()["now"], time.perf_counter()
    made = node.add_table("customers", csv, EXACT)
    seconds = time.perf_counter() - begun
    assert made["rows"] == rows, made
    memory = node.memory_mb()
    node.stop()
    return {"rows_per_s": rows / seconds, "memory_mb": {"before": before, "most": memory["most"]}}


def peers(binary, parent, count):
    """What a node with so many paired peers costs while nothing happens: memory, and processor seconds a minute."""
    # The peers invite: a node has at most 64 tickets, redeemed or not, until they expire.
    hub = Node(binary, parent, "hub").start()
    alone = hub.memory_mb()["now"]
    others = []
    for place in range(count):
        other = Node(binary, parent, f"peer-{place:03}", log="error").start()
        other.pair(hub)
        others.append(other)
    until("all are connected", lambda: hub.connected(count))
    time.sleep(10)
    used = hub.processor_seconds()
    time.sleep(20)
    found = {"alone_mb": alone, "with_peers_mb": hub.memory_mb()["now"], "processor_s_per_minute": 3 * (hub.processor_seconds() - used)}
    for node in (hub, *others):
        node.kill()
    assert found["with_peers_mb"] <= IDLE_MB, f"{found} is more than {IDLE_MB} MB"
    return found


#: What a node with a hundred idle peers may hold, in MB.
IDLE_MB = 200

#: Name, full size, short size.
CASES = {
    "latency": (latency, (30,), (3,)),
    "throughput": (throughput, (400, 16), (12, 4)),
    "import": (imports, (10_000_000,), (50_000,)),
    "peers": (peers, (100,), (4,)),
    "faults": (faults, (200,), (6,)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True, type=Path, help="the `tacit` to load")
    parser.add_argument("--short", action="store_true", help="small sizes")
    parser.add_argument("--only", choices=CASES, action="append", help="one part; may be given again")
    parser.add_argument("--seed", type=int, default=20261127, help="of the random points of the faults")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    binary = arguments.binary.resolve()
    if not binary.is_file():
        parser.error(f"{arguments.binary} is no file; `cargo build --release --bin tacit` makes target/release/tacit")
    random.seed(arguments.seed)
    found = {}
    for name in arguments.only or CASES:
        measure, full, short = CASES[name]
        with tempfile.TemporaryDirectory(prefix="tacit-load-") as parent:
            try:
                found[name] = measure(binary, parent, *(short if arguments.short else full))
            finally:
                end_all()
        if not arguments.json:
            print(f"{name:<12}{json.dumps(found[name])}", flush=True)
    if arguments.json:
        print(json.dumps({"machine": platform.processor() or platform.machine(), "seed": arguments.seed, "found": found}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
