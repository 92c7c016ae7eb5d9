#!/usr/bin/env python3
"""Runs SPU 0.9.5 and Tacit in turn on the same two cores of this machine and writes both columns.

    python3 mpc/benches/compare_spu/compare.py --write

Needs Python 3.10 or 3.11, a Rust toolchain, and the network once, for SPU's environment (about 1 GB, made in the
user's cache directory). Without --write it prints the table; with it, the table goes into docs/benchmarks.md. Only the
standard library is used here; what needs SPU runs in its environment (spu_driver.py).
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DOCUMENT = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- compare_spu: begin -->", "<!-- compare_spu: end -->"
PACKAGES = ["spu==0.9.5", "jax==0.4.34", "jaxlib==0.4.34"]
CORES = {0, 1}
WAN = [40, 100]

# What is compared: operation, shape, the width that Tacit's ranges are declared with (none: what the numbers need),
# the link as milliseconds there and back and Mbit/s (none: loopback).
CASES = [
    ("lt", [1_000_000], 40, None),
    ("lt", [1_000_000], 64, None),
    ("eq", [100_000], 40, None),
    ("eq", [100_000], 64, None),
    ("where", [100_000], None, None),
    ("max", [100_000], 40, None),
    ("argmax", [100_000], 40, None),
    ("sort", [10_000], 40, None),
    ("mul", [100_000], None, None),
    ("mul", [1_000_000], None, None),
    ("div", [100_000], None, None),
    ("matmul", [128, 128, 128], None, None),
    ("matmul", [512, 512, 512], None, None),
    ("matmul", [10_000, 100, 1], None, None),
    ("linreg", [10_000, 10, 100], None, None),
    ("logreg", [10_000, 10, 10], None, None),
    ("sum", [1_000_000], None, None),
    ("exp", [100_000], None, None),
    ("log", [100_000], None, None),
    ("sqrt", [100_000], None, None),
    ("sigmoid", [100_000], None, None),
    ("psi", [100_000], None, None),
    ("lt", [100_000], 40, WAN),
    ("lt", [100_000], 64, WAN),
    ("mul", [100_000], None, WAN),
]
# The same where Tacit's nodes have made what can be made before the run; SPU makes nothing.
READY = [
    ("mul", [1_000_000], None, None),
    ("matmul", [128, 128, 128], None, None),
    ("lt", [100_000], 40, WAN),
    ("mul", [100_000], None, WAN),
]
# Shorter runs are not held against each other: what they take is the calling, not the computing.
LEAST_SECONDS = 0.001
# Measured for Tacit's memory alone.
LARGE = [
    ("lt", [10_000_000], 40, None),
    ("sum", [10_000_000], None, None),
    ("where", [10_000_000], None, None),
    ("mul", [10_000_000], None, None),
    ("sort", [1_000_000], 40, None),
]


def main():
    options = arguments()
    os.sched_setaffinity(0, CORES & os.sched_getaffinity(0) or os.sched_getaffinity(0))
    tacit = options.tacit or build()
    python = environment(options.cache)
    journal = Journal(options.resume)
    wanted = lambda cases: [case for case in cases if not options.only or case[0] in options.only]
    version = hashlib.sha256(pathlib.Path(tacit).read_bytes()).hexdigest()
    rows = []
    for case, ready in [(case, False) for case in wanted(CASES)] + [(case, True) for case in wanted(READY)]:
        case = scaled(case, options.scale)
        op, shape, _, link = case
        title = f"{name(case)}{', made before' if ready else ''}"
        # SPU has one width, so that cases which differ in Tacit's share its figures.
        theirs = journal.figures(f"SPU    {name(case)}", ["SPU", op, shape, link, options.runs],
                                 lambda: spu(python, case, options.runs))
        ours = journal.figures(f"Tacit  {title}", [version, *case, options.runs, *(["ready"] if ready else [])],
                               lambda: measured(tacit, case, options.runs, ready))
        rows.append((title, theirs, ours))
    large = []
    for case in wanted(LARGE if options.large else []):
        case = scaled(case, options.scale)
        large.append((case, journal.figures(f"Tacit  {name(case)}", [version, *case, 1], lambda: measured(tacit, case, 1))))
    text = document(rows, large, options)
    if options.write:
        write(text)
    else:
        print(text)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=operations, metavar="OP,...", help="the operations to compare, by commas")
    parser.add_argument("--runs", type=positive, default=3, help="measured runs of each case, of which the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="a factor for the work of each case, to try the script quickly")
    parser.add_argument("--large", action="store_true", help="measure Tacit's memory on 10 million cells too")
    parser.add_argument("--tacit", type=binary, help="the binary to measure; built with --release by default")
    cache = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    parser.add_argument("--cache", type=pathlib.Path, default=pathlib.Path(cache) / "tacit" / "spu-0.9.5",
                        help="where SPU's environment is made")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {DOCUMENT.relative_to(ROOT)}")
    parser.add_argument("--resume", type=pathlib.Path, metavar="FILE",
                        help="keep each finished measurement in FILE, and take from it what is there already of the same "
                        "binary since this machine was started")
    return parser.parse_args()


def operations(text):
    known = {case[0] for case in CASES}
    asked = text.split(",")
    for operation in asked:
        if operation not in known:
            raise argparse.ArgumentTypeError(f"there is no {operation!r} to compare; choose of {', '.join(sorted(known))}")
    return asked


def positive(text):
    runs = int(text)
    if runs < 1:
        raise ValueError
    return runs


def binary(text):
    path = pathlib.Path(text)
    if not os.access(path, os.X_OK) or not path.is_file():
        raise argparse.ArgumentTypeError(f"{text} is no program that can be run; build it with `cargo build --release --bin tacit`")
    return path.resolve()


class Journal:
    """Finished measurements, a JSON object a line, each written as soon as it is there."""

    def __init__(self, path):
        self.path, self.figures_of = path, {}
        # What was measured before the machine was started anew may have been measured on another one.
        self.boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        if path and path.exists():
            for line in path.read_text().splitlines():
                entry = json.loads(line)
                if entry["boot"] == self.boot:
                    self.figures_of[json.dumps(entry["case"])] = entry["figures"]

    def figures(self, title, case, measure):
        key = json.dumps(case)
        if key not in self.figures_of:
            print(title, file=sys.stderr, flush=True)
            self.figures_of[key] = measure()
            if self.path:
                with self.path.open("a") as file:
                    file.write(json.dumps({"boot": self.boot, "case": case, "figures": self.figures_of[key]}) + "\n")
        return self.figures_of[key]


def build():
    """The path of Tacit's binary, built as it is released."""
    subprocess.run(["cargo", "build", "--release", "-p", "tacit-node", "--bin", "tacit"], cwd=ROOT, check=True)
    query = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    metadata = json.loads(subprocess.run(query, cwd=ROOT, check=True, capture_output=True).stdout)
    return pathlib.Path(metadata["target_directory"]) / "release" / "tacit"


def environment(directory):
    """The Python of SPU's environment, made if it is not there."""
    python = directory / "bin" / "python"
    ready = python.exists() and subprocess.run([python, "-c", "import spu"], capture_output=True).returncode == 0
    if not ready:
        subprocess.run([sys.executable, "-m", "venv", directory], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
    return python


def scaled(case, scale):
    """A case of about so many times as many steps."""
    op, shape, bits, link = case
    return (op, [max(1, round(size * scale ** (1 / len(shape)))) for size in shape], bits, link)


def name(case):
    op, shape, bits, link = case
    over = f" over {link[0]} ms, {link[1]} Mbit/s" if link else ""
    width = f", {bits} bits" if bits else ""
    return f"{op} {'x'.join(map(str, shape))}{width}{over}"


def spu(python, case, runs):
    """SPU's figures in the form of Tacit's."""
    op, shape, _, link = case
    request = json.dumps({"op": op, "shape": shape, "runs": runs, "wan": link})
    ran = subprocess.run([python, HERE / "spu_driver.py", request], capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"SPU failed on {name(case)}:\n{ran.stdout[-2000:]}{ran.stderr[-2000:]}")
    report = json.loads(ran.stdout.splitlines()[-1])
    parties = report["parties"]
    walls = [max(pair) for pair in zip(*(party["walls"] for party in parties))]
    steady = statistics.median(walls[1:])
    # The alignment does not tell its traffic.
    sent = [statistics.mean(party["sent"][1:]) if party["sent"] else None for party in parties]
    return {
        "wall_s": steady,
        "walls_s": walls[1:],
        "cpu_s": [statistics.mean(party["cpus"][1:]) for party in parties],
        "bytes": sent,
        "max_error": report["max_error"],
        "setup_s": max(party["setup"] for party in parties) + max(0.0, walls[0] - steady),
        "peak_bytes": [party["peak_bytes"] for party in parties],
    }


def measured(tacit, case, runs, ready=False):
    """What `tacit bench` says."""
    op, shape, bits, link = case
    command = [tacit, "bench", "--op", op, "--runs", str(runs), "--json"]
    command += ["--shape", ",".join(map(str, shape))] if len(shape) > 1 else ["--n", str(shape[0])]
    command += ["--bits", str(bits)] if bits else []
    command += ["--wan", f"{link[0]},{link[1]}"] if link else []
    command += ["--offline-ready"] if ready else []
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode != 0:
        raise SystemExit(f"Tacit failed on {name(case)}:\n{ran.stderr[-2000:]}")
    return json.loads(ran.stdout.splitlines()[-1])


def seconds(value):
    return f"{value:.3g}"


def megabytes(values):
    return "-" if None in values else f"{sum(values) / 1e6:.3g}"


def document(rows, large, options):
    """The generated part of the page."""
    lines = [conditions(options), ""]
    lines += [
        "| operation | SPU s | Tacit s | SPU / Tacit | SPU CPU s | Tacit CPU s | SPU MB | Tacit MB | SPU error "
        "| Tacit error (bound) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for title, theirs, ours in rows:
        walls = theirs["wall_s"], ours["wall_s"]
        ratio = f"**{walls[0] / walls[1]:.2f}**" if min(walls) >= LEAST_SECONDS else "-"
        bound = "none" if ours["error_bound"] is None else f"{ours['error_bound']:.1e}"
        cells = [
            title,
            seconds(theirs["wall_s"]),
            seconds(ours["wall_s"]),
            ratio,
            seconds(sum(theirs["cpu_s"])),
            seconds(sum(ours["cpu_s"])),
            megabytes(theirs["bytes"]),
            megabytes(ours["bytes"]),
            f"{theirs['max_error']:.1e}",
            f"{ours['max_error']:.1e} ({bound})",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "| set-up, memory | SPU set-up s | Tacit set-up s | SPU peak MB | Tacit peak MB |", "|---|---|---|---|---|"]
    peak = lambda report: " / ".join("-" if value is None else f"{value / 1e6:.0f}" for value in report["peak_bytes"])
    for title, theirs, ours in rows:
        cells = [title, seconds(theirs["setup_s"]), seconds(ours["setup_s"]), peak(theirs), peak(ours)]
        lines.append("| " + " | ".join(cells) + " |")
    for case, ours in large:
        lines.append("| " + " | ".join([name(case), "-", seconds(ours["setup_s"]), "-", peak(ours)]) + " |")
    return "\n".join(lines) + "\n"


def conditions(options):
    """What the figures belong to."""
    model = platform.processor() or platform.machine()
    try:
        with open("/proc/cpuinfo") as file:
            model = next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True)
    cores = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
    load = os.getloadavg()[0]
    today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    asked = " ".join(part for part in [
        f"--only {','.join(options.only)}" if options.only else "",
        f"--runs {options.runs}" if options.runs != 3 else "",
        f"--scale {options.scale}" if options.scale != 1.0 else "",
        "--large" if options.large else "",
    ] if part)
    return (
        f"{today}, Tacit {commit.stdout.strip() or 'of unknown commit'}; {model}, {os.cpu_count()} cores, both parties "
        f"of each on cores {cores}; Linux {platform.release()}; load {load:.1f} at the end; median of {options.runs} "
        f"runs{f'; `{asked}`' if asked else ''}."
    )


def write(text):
    page = DOCUMENT.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


if __name__ == "__main__":
    main()
