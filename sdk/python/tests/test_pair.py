"""Two processes on one machine, over TCP."""

from __future__ import annotations

import concurrent.futures
import socket
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import tacit

PRELUDE = """
import os, sys
import numpy as np
import tacit

party, port, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
where = {"listen": f"127.0.0.1:{port}"} if party == 0 else {"peer": f"127.0.0.1:{port}"}
own = lambda who, data: data if party == who else None
open_session = lambda **more: tacit.Pair(party=party, key=key, timeout=60, connect_timeout=60, **{**where, **more})
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(script, keys=None, parties=(0, 1)):
    """The script at both parties; gives what each wrote."""
    port = str(free_port())
    keys = keys or [tacit.new_key()] * 2
    source = PRELUDE + textwrap.dedent(script)
    start = lambda place: subprocess.Popen(
        [sys.executable, "-c", source, str(parties[place]), port, keys[place]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    processes = [start(0), start(1)]
    results = []
    for process in processes:
        try:
            out, err = process.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            for other in processes:
                other.kill()
            raise
        assert process.returncode == 0, err
        results.append(out.strip())
    return results


def test_two_processes_compute_together():
    zero, one = run(
        """
        with open_session() as s:
            x = s.array(own(0, np.array([[1.5, 2.0], [4.0, -1.0]])), party=0)
            y = s.array(own(1, np.array([2.0, 0.5])), party=1)
            print(x.shape, y.dtype, s.party, end=" ")
            print((x @ y).reveal().tolist(), np.sum(x * y).reveal_to(0), np.max(x > y).reveal_to(1), end=" ")
            share = (x * y).to_share()
            again = s.from_share(share)
            print(again.sum(axis=0).reveal().tolist())
        """
    )
    assert zero == "(2, 2) float64 0 [4.0, 7.5] 11.5 None [11.0, 0.5]"
    assert one == "(2, 2) float64 1 [4.0, 7.5] None True [11.0, 0.5]"


def test_another_key_is_told_on_both_sides():
    script = """
    try:
        open_session()
    except ConnectionError as error:
        print(error.code, error)
    """
    zero, one = run(script, [tacit.new_key(), tacit.new_key()])
    assert zero.startswith("CHANNEL_KEY") and "party 1 has another key" in zero
    assert one.startswith("CHANNEL_KEY") and "party 0 has another key" in one


def test_programs_that_differ_are_told_on_both_sides_and_the_session_goes_on():
    script = """
    with open_session() as s:
        x = s.array(own(0, np.arange(3)), party=0)
        y = x + 1 if party == 0 else x * 2
        try:
            y.reveal()
        except ConnectionError as error:
            print(error.code, "same order" in str(error), end=" ")
        print((x + 5).reveal().tolist())
    """
    assert run(script) == ["PLAN_MISMATCH True [5, 6, 7]"] * 2


def test_data_beyond_their_range_are_told_on_both_sides_and_the_session_goes_on():
    script = """
    with open_session() as s:
        try:
            s.array(own(0, np.array([1, 2**30])), party=0)
        except (ValueError, ConnectionError) as error:
            print(error.code, end=" ")
        print(s.array(own(1, np.array([1, 2])), party=1).sum().reveal())
    """
    assert run(script) == ["INPUT_SCHEMA 3", "PEER_INPUT 3"]


def test_a_party_that_leaves_ends_the_wait_of_the_other():
    script = """
    s = open_session()
    x = s.array(own(0, np.arange(3)), party=0)
    if party == 0:
        os._exit(0)
    try:
        x.reveal()
    except ConnectionError as error:
        print(error.code, "with party 0: " in str(error) and "during plan" in str(error))
    try:
        x.reveal()
    except ConnectionError as error:
        print(error.code)
    """
    zero, one = run(script)
    first, named, second = one.split()
    assert (
        zero == "" and first in ("CHANNEL_TRUNCATED", "CHANNEL_CLOSED") and (named, second) == ("True", "SESSION_ENDED")
    )


def test_both_may_be_reachable_and_keys_may_be_in_files(tmp_path):
    key = tmp_path / "pair.key"
    key.write_text(tacit.new_key() + "\n")
    other = free_port()
    script = f"""
    import pathlib
    ends = [f"127.0.0.1:{{port}}", "127.0.0.1:{other}"]
    s = open_session(listen=ends[party], peer=ends[1 - party], key=pathlib.Path({str(key)!r}))
    print(s.array(own(1, np.array(2.5)), party=1).reveal())
    s.close()
    """
    script = script.replace("open_session(", "tacit.Pair(party=party, ")
    assert run(script) == ["2.5", "2.5"]


def test_nobody_there_is_told_with_the_address():
    port = free_port()
    for ends, what in [
        ({"listen": f"127.0.0.1:{port}"}, "did not connect"),
        ({"peer": f"127.0.0.1:{port}"}, "not reached"),
    ]:
        with pytest.raises(TimeoutError, match=f"party 1 .*{what}|party 1 was {what}") as caught:
            tacit.Pair(party=0, key=tacit.new_key(), connect_timeout=0.2, **ends)
        assert str(port) in str(caught.value)


def test_what_a_pair_needs_is_said():
    for wrong, text in [
        (dict(party=0, key=tacit.new_key()), "listen"),
        (dict(party=2, key=tacit.new_key(), listen="127.0.0.1:0"), "party 2"),
        (dict(party=0, key="secret", listen="127.0.0.1:0"), "64 hexadecimal"),
        (dict(party=0, key=tacit.new_key(), listen="nowhere"), "host:port"),
        (dict(party=0, key=tacit.new_key(), listen="127.0.0.1:0", timeout=-1), "no time"),
    ]:
        with pytest.raises((ValueError, ConnectionError), match=text) as caught:
            tacit.Pair(**wrong)
        assert "secret" not in str(caught.value)


def test_secrets_do_not_branch_at_either_party():
    script = """
    with open_session() as s:
        x = s.array(own(0, np.arange(3)), party=0)
        try:
            if x.sum() > 2:
                pass
        except TypeError as error:
            print(error.code)
    """
    assert run(script) == ["SECRET_BRANCH"] * 2


def test_ctrl_c_ends_the_wait_for_a_silent_party():
    script = """
    import signal, threading
    # What is started in the background ignores the signal, and hands that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    s = open_session()
    x = s.array(own(0, np.arange(3)), party=0)
    if party == 0:
        sys.stdin.read()
        os._exit(0)
    try:
        threading.Timer(0.1, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        x.reveal()
    except KeyboardInterrupt:
        print("interrupted")
    """
    port, key = str(free_port()), tacit.new_key()
    command = lambda party: [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(party), port, key]
    with subprocess.Popen(command(0), stdin=subprocess.PIPE) as silent:
        waiting = subprocess.run(command(1), capture_output=True, text=True, timeout=60, check=True)
        silent.stdin.close()
    assert waiting.stdout.strip() == "interrupted"


def test_waits_leave_the_interpreter_to_other_threads():
    # Both parties in one interpreter: with its lock held, one would wait for the other for ever.
    key, address = tacit.new_key(), f"127.0.0.1:{free_port()}"

    def party(number):
        ends = {"listen": address} if number == 0 else {"peer": address}
        with tacit.Pair(party=number, key=key, timeout=60, **ends) as s:
            x = s.array(np.arange(100) if number == 0 else None, party=0)
            y = s.array(np.arange(100) if number == 1 else None, party=1)
            return int((x @ y).reveal())

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(party, (0, 1))) == [int(np.arange(100) @ np.arange(100))] * 2


def test_words_of_securenumpy_come_back_at_each_party(tmp_path):
    script = f"""
    import tacit.securenumpy as snp
    with open_session() as s:
        snp.set_vm(s)
        x = snp.array(own(0, np.array([[1.5, -2.0]])), 0) * snp.array(own(1, np.array([2.0, 8.0])), 1)
        path = {str(tmp_path)!r} + f"/{{party}}.npy"
        np.save(path, np.asarray(snp.to_share(x)))
        words = np.load(path)
        again = snp.fromshare(words)
        print(words.dtype, again.shape, np.round(again.reveal(), 3).tolist())
        large = snp.array(own(0, np.array([1500.0])), 0) * snp.array(own(1, np.array([2000.0])), 1)
        print(snp.fromshare(snp.to_share(large)).reveal().tolist())
        try:
            snp.fromshare(np.asarray(snp.to_share(large))).reveal()
        except OverflowError as error:
            print(error.code)
    """
    expected = "int64 (1, 2) [[3.0, -16.0]]\n[3000000.0]\nOUT_OF_RANGE"
    assert run(script) == [expected] * 2


def test_a_silent_party_and_the_step_are_named():
    script = """
    s = tacit.Pair(party=party, key=key, connect_timeout=60, timeout=60 if party == 0 else 2, **where)
    x = s.array(own(0, np.arange(3)), party=0)
    if party == 0:
        sys.stdin.read()
        os._exit(0)
    try:
        x.reveal()
    except TimeoutError as error:
        print(error.code, error)
    """
    port, key = str(free_port()), tacit.new_key()
    command = lambda party: [sys.executable, "-c", PRELUDE + textwrap.dedent(script), str(party), port, key]
    with subprocess.Popen(command(0), stdin=subprocess.PIPE) as silent:
        waiting = subprocess.run(command(1), capture_output=True, text=True, timeout=60, check=True)
        silent.stdin.close()
    assert waiting.stdout.startswith("PEER_TIMEOUT with party 0: the peer was silent for 2s during plan")
