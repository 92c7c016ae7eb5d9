"""Rounds of `kill -9` at random points of jobs, imports and budget changes, and what has to hold afterwards."""

import http.client
import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nodes import NOISY, OWN, Refused, count_program, pair_of_nodes, until, write_accounts, write_customers

#: Counts within 50 cost little of a budget of epsilon 100.
WITHIN = 50
ENDS = ("finished", "failed", "refused", "cancelled")


class Told:
    """What the nodes have acknowledged."""

    def __init__(self):
        self.jobs, self.versions, self.grants = [], {}, 0


def faults(binary, parent, rounds):
    """Kills either node in each round; in the end nothing that was acknowledged is lost and no budget is paid twice."""
    shop, bank = pair_of_nodes(binary, parent)
    customers, accounts = Path(parent) / "customers.csv", Path(parent) / "accounts.csv"
    write_customers(customers, 2_000)
    write_accounts(accounts, 2_000)
    told = Told()
    told.versions["customers"] = shop.add_table("customers", customers, NOISY)["version"]
    told.versions["accounts"] = bank.add_table("accounts", accounts, OWN)["version"]
    killed = {shop.name: 0, bank.name: 0}
    for number in range(rounds):
        with ThreadPoolExecutor() as pool:
            at_shop = pool.submit(table, told, shop, customers) if number % 3 == 0 else pool.submit(grant, told, shop)
            work = {bank: pool.submit(job, told, bank), shop: at_shop}
            time.sleep(random.uniform(0, 0.6))
            victim = random.choice((shop, bank))
            killed[victim.name] += 1
            victim.kill()
        for node, done in work.items():
            excuse(done.exception(), node is victim)
        victim.start()
        until("both are connected", lambda: shop.connected() and bank.connected())
    settle(shop, bank)
    assert told.jobs and told.grants, f"{len(told.jobs)} jobs and {told.grants} grants were acknowledged: nothing was tried"
    check(shop, bank, told)
    for node in (shop, bank):
        node.stop()
    return {"rounds": rounds, "killed": killed, "jobs": len(told.jobs), "grants": told.grants, "imports": told.versions["customers"]}


def excuse(error, was_killed):
    """Work may fail whose node was killed under it, and what needs the peer if that was."""
    of_peer = isinstance(error, Refused) and error.code.startswith("PEER_")
    if error and not of_peer and not (was_killed and isinstance(error, (OSError, Refused, http.client.HTTPException))):
        raise error


def job(told, bank):
    told.jobs.append(bank.submit(count_program(WITHIN)))


def table(told, shop, csv):
    told.versions["customers"] = shop.add_table("customers", csv, NOISY)["version"]


def grant(told, shop):
    shop.post("/v1/budget/grant", {"dataset": "customers", "organisation": "banque", "epsilon": 0.01, "reason": "load"})
    told.grants += 1


def settle(shop, bank):
    """Waits until every job has ended on both sides, with the same state."""

    def same():
        ours, theirs = ({job["id"]: job["state"] for job in node.get("/v1/jobs")} for node in (shop, bank))
        known = ours.keys() & theirs.keys()
        return all(ours[one] == theirs[one] and ours[one] in ENDS for one in known) and all(
            state in ENDS for state in (ours | theirs).values()
        )

    until("both sides show the same ends", same)


def check(shop, bank, told):
    known = {job["id"] for job in bank.get("/v1/jobs")}
    lost = [one for one in told.jobs if one not in known]
    assert not lost, f"acknowledged jobs are gone: {lost}"
    version = next(one["version"] for one in shop.get("/v1/datasets") if one["name"].endswith("customers"))
    assert version >= told.versions["customers"], f"version {told.versions['customers']} was acknowledged, {version} is there"
    ledger = shop.get("/v1/budget/ledger")
    grants = sum(entry["kind"] == "granted" for entry in ledger)
    assert grants >= told.grants, f"{told.grants} grants were acknowledged, {grants} are there"
    by_job = {}
    for entry in ledger:
        if "job" in entry:
            by_job.setdefault(entry["job"], []).append(entry["kind"])
    for one, kinds in by_job.items():
        assert kinds in (["reserved", "spent"], ["reserved", "released"]), f"job {one}: {kinds}"
    ends = {job["id"]: job["state"] for job in shop.get("/v1/jobs")}
    for one, state in ends.items():
        if state == "finished":
            assert by_job.get(one) == ["reserved", "spent"], f"job {one} finished and cost {by_job.get(one)}"
    for node in (shop, bank):
        node.get("/v1/log/check")
