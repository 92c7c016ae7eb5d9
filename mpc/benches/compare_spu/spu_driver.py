"""Measures one operation of SPU 0.9.5: two processes over loopback, all inputs secret-shared, protocol CHEETAH
(no dealer), a ring of 64 bits, 18 binary digits behind the point.

Started by compare.py with the Python of SPU's environment and one case as JSON; prints one JSON object as its last
line. The first run of a session sets up oblivious transfer and is reported apart; the others are what counts.
"""

import json
import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time

import relay

FRACTION_BITS = 18
# What SPU's profile says of a run's traffic.
LINK_DETAILS = re.compile(r"Link details: total send bytes (\d+), recv bytes (\d+), send actions (\d+)")
PATIENCE_MS = 3_600_000


def inputs(case):
    """The inputs, drawn evenly from the same intervals as Tacit's."""
    import numpy as np

    random = np.random.default_rng(1)
    even = lambda shape, low, high: random.uniform(low, high, shape).astype(np.float32)
    op, shape = case["op"], case["shape"]
    n = shape[0]
    if op == "matmul":
        rows, inner, columns = shape
        return [even((rows, inner), -2, 2), even((inner, columns), -2, 2)]
    if op in ("linreg", "logreg"):
        x, y = regression_data(random, *shape[:2])
        return [x, y if op == "linreg" else (y > 0).astype(np.float32)]
    if op == "eq":
        return [random.integers(0, 4, n).astype(np.float32) for _ in range(2)]
    if op == "div":
        return [even(n, -50, 50), even(n, 0.5, 100)]
    if op == "where":
        return [random.random(n) < 0.5, even(n, -50, 50), even(n, -50, 50)]
    if op in ("exp", "sigmoid"):
        return [even(n, -8, 8)]
    if op in ("log", "sqrt"):
        return [even(n, 0.5, 100)]
    count = 1 if op in ("sum", "max", "argmax", "sort") else 2
    return [even(n, -50, 50) for _ in range(count)]


def regression_data(random, rows, features):
    """Features that are sums of two even parts, and targets of fixed weights with noise, as Tacit's are."""
    import numpy as np

    part = lambda bound, *shape: random.uniform(-bound, bound, shape)
    x = part(1.25, rows, features) + part(1.25, rows, features)
    y = x @ part(1, features) + part(1 / 16, rows) + part(1 / 16, rows)
    return [x.astype(np.float32), y.astype(np.float32)]


def regression(op, shape):
    """Tacit's descent for SPU and in plain arithmetic: the factor of each step is the largest power of two of at most
    1 / (2 (rows + features)), or four times that for a logistic one. For SPU the loop is written out, which sends a little
    less than `jax.lax.fori_loop` and takes no longer."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    rows, features, steps = shape
    logistic = op == "logreg"
    factor = 2.0 ** -(2 * (rows + features) - 1).bit_length() * (4 if logistic else 1)

    def descend(x, y, w, link):
        for _ in range(steps):
            w = w - factor * (x.T @ (link(x @ w) - y))
        return w

    secret_link = jax.nn.sigmoid if logistic else lambda z: z
    plain_link = (lambda z: 1 / (1 + np.exp(-z))) if logistic else lambda z: z
    secret = lambda x, y: descend(x, y, jnp.zeros(features, dtype=jnp.float32), secret_link)
    plain = lambda x, y: descend(x, y, np.zeros(features), plain_link)
    return secret, plain


def functions(case):
    """The operation for SPU, and in plain arithmetic in double precision."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    op = case["op"]

    double = lambda f: lambda *arrays: f(*(a.astype(np.float64) if a.dtype == np.float32 else a for a in arrays))
    both = {
        "mul": (lambda a, b: a * b, lambda a, b: a * b),
        "lt": (lambda a, b: a < b, lambda a, b: a < b),
        "eq": (lambda a, b: a == b, lambda a, b: a == b),
        "div": (lambda a, b: a / b, lambda a, b: a / b),
        "matmul": (lambda a, b: jnp.matmul(a, b), lambda a, b: a @ b),
        "max": (lambda a: jnp.max(a), lambda a: a.max()),
        "argmax": (lambda a: jnp.argmax(a), lambda a: a.argmax()),
        "sort": (lambda a: jnp.sort(a), lambda a: np.sort(a)),
        "where": (lambda c, a, b: jnp.where(c, a, b), lambda c, a, b: np.where(c, a, b)),
        "sum": (lambda a: jnp.sum(a), lambda a: a.sum()),
        "exp": (lambda a: jnp.exp(a), lambda a: np.exp(a)),
        "log": (lambda a: jnp.log(a), lambda a: np.log(a)),
        "sqrt": (lambda a: jnp.sqrt(a), lambda a: np.sqrt(a)),
        "sigmoid": (lambda a: jax.nn.sigmoid(a), lambda a: 1 / (1 + np.exp(-a))),
    }
    if op in ("linreg", "logreg"):
        both[op] = regression(op, case["shape"])
    secret, plain = both[op]
    return secret, double(plain)


def config(profile):
    from spu import libspu

    config = libspu.RuntimeConfig(
        protocol=libspu.ProtocolKind.CHEETAH, field=libspu.FieldType.FM64, fxp_fraction_bits=FRACTION_BITS
    )
    config.enable_pphlo_profile = profile
    return config


def link(rank, addresses):
    from spu import libspu

    description = libspu.link.Desc()
    description.recv_timeout_ms = PATIENCE_MS
    description.http_timeout_ms = PATIENCE_MS
    for place, address in enumerate(addresses):
        description.add_party(f"party{place}", address)
    return libspu.link.create_brpc(description, rank)


def measured(context, runs, once):
    """Wall and processor seconds of each run, from a barrier to the end of this party's work."""
    walls, cpus = [], []
    for run in range(runs + 1):
        context.barrier()
        wall, cpu = time.perf_counter(), time.process_time()
        once(run)
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
        context.barrier()
    return walls, cpus


def quietly(pipe, party, *arguments):
    """Runs a party with its native log in a file, and sends its report with the traffic that the log tells."""
    with tempfile.TemporaryFile() as log:
        for stream in (1, 2):
            os.dup2(log.fileno(), stream)
        try:
            report = party(pipe, *arguments)
        except Exception as error:  # Whatever it is, the coordinator prints it.
            pipe.send({"error": repr(error)})
            return
        log.seek(0)
        found = LINK_DETAILS.findall(log.read().decode(errors="replace"))
        report["sent"] = [int(sent) for sent, _, _ in found]
        report["messages"] = [int(messages) for _, _, messages in found]
        # The unit is kilobytes on Linux.
        report["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        pipe.send(report)


def operation_party(pipe, rank, addresses, runs):
    from spu import api, libspu

    task = pipe.recv()
    context = link(rank, addresses)
    context.barrier()
    start = time.perf_counter()
    runtime = api.Runtime(context, config(True))
    context.barrier()
    setup = time.perf_counter() - start
    for name, (meta, chunks) in task["inputs"].items():
        share = libspu.Share()
        share.meta, share.share_chunks = meta, chunks
        runtime.set_var(name, share)
    program = libspu.Executable(
        name="bench", input_names=list(task["inputs"]), output_names=task["outputs"], code=task["code"]
    )
    walls, cpus = measured(context, runs, lambda _: runtime.run(program))
    shares = [runtime.get_var(name) for name in task["outputs"]]
    context.stop_link()
    return {"setup": setup, "walls": walls, "cpus": cpus, "outputs": [(s.meta, s.share_chunks) for s in shares]}


def alignment_party(pipe, rank, addresses, runs, directory):
    from spu import psi

    context = link(rank, addresses)
    counts = []

    def once(run):
        file = psi.SourceType.SOURCE_TYPE_FILE_CSV
        settings = psi.PsiExecuteConfig(
            # As Tacit's, for both parties. The fastest protocol that it has.
            protocol_conf=psi.PsiProtocolConfig(
                protocol=psi.PsiProtocol.PROTOCOL_RR22, receiver_rank=0, broadcast_result=True
            ),
            input_params=psi.InputParams(
                type=file, path=f"{directory}/keys{rank}.csv", selected_keys=["id"], keys_unique=True
            ),
            output_params=psi.OutputParams(type=file, path=f"{directory}/common{rank}.{run}.csv"),
        )
        counts.append(psi.psi_execute(settings, context).intersection_count)

    walls, cpus = measured(context, runs, once)
    context.stop_link()
    return {"setup": 0.0, "walls": walls, "cpus": cpus, "count": counts[-1]}


def start(party, case, *arguments):
    """Two processes of a party each, with a pipe to each; over the relay where the case has a link."""
    spawn = multiprocessing.get_context("spawn")
    ports = relay.free_ports(2)
    own = [f"127.0.0.1:{port}" for port in ports]
    relays = []
    seen = [list(own), list(own)]
    if case.get("wan"):
        entries = relay.free_ports(2)
        relays.append(spawn.Process(target=relay.serve, args=(*case["wan"], list(zip(entries, ports))), daemon=True))
        relays[0].start()
        for rank in range(2):
            seen[rank][1 - rank] = f"127.0.0.1:{entries[1 - rank]}"
    pipes, processes = [], []
    for rank in range(2):
        here, there = spawn.Pipe()
        process = spawn.Process(
            target=quietly, args=(there, party, rank, seen[rank], case["runs"], *arguments), daemon=True
        )
        process.start()
        pipes.append(here)
        processes.append(process)
    return pipes, processes + relays


def collect(pipes, processes):
    reports = []
    for pipe in pipes:
        report = pipe.recv()
        if "error" in report:
            raise SystemExit(report["error"])
        reports.append(report)
    for process in processes:
        process.terminate()
        process.join()
    return reports


def operation(case):
    import numpy as np
    from spu import api, libspu
    from spu.utils import frontend

    arrays = inputs(case)
    secret, plain = functions(case)
    names = [f"in{place}" for place in range(len(arrays))]
    visibility = libspu.Visibility.VIS_SECRET
    program, _ = frontend.compile(
        frontend.Kind.JAX, secret, arrays, {}, names, [visibility] * len(arrays),
        lambda outputs: [f"out{place}" for place in range(len(outputs))],
    )
    io = api.Io(2, config(False))
    shares = [io.make_shares(np.asarray(array), visibility) for array in arrays]
    pipes, processes = start(operation_party, case)
    outputs = list(program.output_names)
    for rank, pipe in enumerate(pipes):
        own = {name: (share[rank].meta, share[rank].share_chunks) for name, share in zip(names, shares)}
        pipe.send({"inputs": own, "outputs": outputs, "code": program.code})
    reports = collect(pipes, processes)
    parts = []
    for report in reports:
        meta, chunks = report.pop("outputs")[0]
        share = libspu.Share()
        share.meta, share.share_chunks = meta, chunks
        parts.append(share)
    expected = np.asarray(plain(*arrays))
    result = np.asarray(io.reconstruct(parts)).reshape(expected.shape)
    error = np.abs(result.astype(np.float64) - expected.astype(np.float64))
    return reports, float(error.max())


def alignment(case):
    import numpy as np

    count = case["shape"][0]
    random = np.random.default_rng(2)
    key = lambda: random.bytes(16).hex()
    common = [key() for _ in range(count // 2)]
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as directory:
        for rank in range(2):
            keys = common + [key() for _ in range(count - len(common))]
            random.shuffle(keys)
            with open(f"{directory}/keys{rank}.csv", "w") as file:
                file.write("\n".join(["id", *keys]) + "\n")
        reports = collect(*start(alignment_party, case, directory))
    return reports, float(abs(reports[0]["count"] - len(common)))


def main():
    case = json.loads(sys.argv[1])
    reports, error = (alignment if case["op"] == "psi" else operation)(case)
    print(json.dumps({"parties": reports, "max_error": error}))


if __name__ == "__main__":
    main()
