"""Real nodes for the load and fault scripts: processes of the `tacit` binary, spoken to by their API."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

PATIENCE = 60.0
#: How a node is made that all others are on the same machine as.
ON_LOOPBACK = ("--host", "127.0.0.1", "--port", "0", "--allow-loopback")
#: The processes of nodes that run.
running = set()

SHOP = """
version = 1
[query]
organisations = ["banque"]
venues = ["two-party"]
alignment = ["revealed"]
approval = "auto"
jobs_per_day = 10000
concurrent_jobs = 64
[release]
receivers = ["banque"]
{minimum}
subset_masks = 8
{privacy}
[columns.id]
uses = ["join"]
[columns.frequency]
uses = ["filter", "count"]
"""
EXACT = SHOP.format(minimum="minimum_rows = 10", privacy="")
NOISY = SHOP.format(minimum="", privacy="[privacy]\nepsilon = 100")
OWN = """
version = 1
[query]
organisations = []
venues = ["two-party"]
alignment = ["revealed"]
concurrent_jobs = 64
[release]
receivers = []
[columns.id]
uses = ["join"]
[columns.balance]
uses = ["filter", "count"]
"""


class Refused(Exception):
    """The node said no; `code` says why."""

    def __init__(self, status, body):
        super().__init__(f"{status}: {body}")
        self.code = body.get("code", "") if isinstance(body, dict) else ""


class Node:
    """A node of an organisation, with a directory and perhaps a process."""

    def __init__(self, binary, parent, name, log="warn", prefix=(), made=ON_LOOPBACK):
        """`prefix` is the command that runs the binary elsewhere, such as in a network namespace."""
        self.name, self.dir, self.log = name, Path(parent) / name, log
        self.words = [*prefix, binary, "--dir", self.dir]
        self.process = None
        self.run("init", "--name", name, *made)

    def run(self, *arguments):
        done = subprocess.run([*self.words, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"{self.name}: tacit {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def start(self):
        (self.dir / "api.address").unlink(missing_ok=True)
        with open(self.dir / "node.log", "a") as log:
            environment = dict(os.environ, TACIT_LOG=self.log)
            words = [*self.words, "node", "--set", "api_calls_per_second=10000"]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
        running.add(self.process)
        until(f"{self.name} answers", self.answers)
        return self

    def answers(self):
        try:
            return self.get("/v1/status")
        except (OSError, Refused):
            return None

    def kill(self):
        self.process.kill()
        self.gone()

    def stop(self):
        self.process.terminate()
        self.gone()

    def gone(self):
        self.process.wait()
        running.discard(self.process)
        self.process = None

    def memory_mb(self):
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        values = {line.split(":")[0]: line.split()[1] for line in text.splitlines() if line.startswith("Vm")}
        return {"now": int(values["VmRSS"]) / 1024, "most": int(values["VmHWM"]) / 1024}

    def processor_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def get(self, path):
        return self.call("GET", path)

    def post(self, path, body=None):
        return self.call("POST", path, json.dumps(body).encode(), "application/json")

    def call(self, method, path, body=None, media_type=None):
        address = (self.dir / "api.address").read_text().strip()
        token = (self.dir / "api.token").read_text().strip()
        headers = {"authorization": f"Bearer {token}"}
        if media_type:
            headers["content-type"] = media_type
        request = urllib.request.Request(f"http://{address}{path}", data=body, headers=headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=600) as answer:
                return json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read()
            try:
                raise Refused(error.code, json.loads(text)) from None
            except json.JSONDecodeError:
                raise Refused(error.code, text) from None

    def add_table(self, name, csv, policy):
        """Imports a CSV file with the key `id`; returns what the node says of it."""
        ticket = self.post("/v1/imports", {"name": name, "format": "csv", "policy": policy, "key": "id"})
        with open(csv, "rb") as data:
            return self.call("PUT", f"/v1/imports/{ticket['id']}/data", data, "application/octet-stream")

    def submit(self, program):
        return self.post("/v1/jobs?again=true", {"program": program, "purpose": "load"})["id"]

    def ended(self, job):
        """A job once it has ended, by long polls."""
        state, deadline = "proposed", time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            detail = self.get(f"/v1/jobs/{job}/watch?known={state}&seconds=10")
            state = detail["state"]
            if state in ("finished", "failed", "refused", "cancelled"):
                return detail
        raise TimeoutError(f"{self.name}: job {job} stays {state}")

    def pair(self, other):
        """Pairs another node with this one, which confirms at once."""
        ticket = self.post("/v1/peers/invitations", {"valid_seconds": 600, "auto_confirm": True})["ticket"]
        other.post("/v1/peers", {"ticket": ticket})

    def connected(self, count=1):
        return sum(peer["connected"] for peer in self.get("/v1/peers")) >= count


def end_all():
    """Ends the nodes that still run, as after an error."""
    for process in running:
        process.kill()
        process.wait()
    running.clear()


def until(what, ready):
    """Asks again and again until there is an answer."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = ready()
        if answer:
            return answer
        time.sleep(0.005)
    raise TimeoutError(f"waited too long until {what}")


def pair_of_nodes(binary, parent, log="warn"):
    """A shop and a bank, paired and connected."""
    shop, bank = (Node(binary, parent, name, log).start() for name in ("maison", "banque"))
    shop.pair(bank)
    for node in (shop, bank):
        until(f"{node.name} is connected", node.connected)
    return shop, bank


def write_customers(path, rows):
    with open(path, "w") as file:
        file.write("id,frequency\n")
        file.writelines(f"c{i:09},{i % 9}\n" for i in range(rows))


def write_accounts(path, rows):
    with open(path, "w") as file:
        file.write("id,balance\n")
        file.writelines(f"c{i:09},{i * 97 % 10000}.50\n" for i in range(rows))


def count_program(within=None):
    """How many frequent customers have a balance above 100."""
    output = {"name": "number", "value": 10}
    if within:
        output["within"] = str(within)
    column = lambda name: {"op": "column", "table": 2, "column": name}  # noqa: E731
    number = lambda value: {"op": "full", "element": {"type": "int64"}, "shape": [], "value": str(value)}  # noqa: E731
    return {
        "version": 1,
        "nodes": [
            {"op": "load", "dataset": "maison/customers"},
            {"op": "load", "dataset": "banque/accounts"},
            {"op": "join", "left": 0, "right": 1, "left_on": "id", "right_on": "id", "alignment": "revealed"},
            column("frequency"),
            number(2),
            {"op": "binary", "function": "greater", "left": 3, "right": 4},
            column("balance"),
            number(100),
            {"op": "binary", "function": "greater", "left": 6, "right": 7},
            {"op": "binary", "function": "and", "left": 5, "right": 8},
            {"op": "reduce", "function": "sum", "value": 9},
        ],
        "outputs": [output],
    }
