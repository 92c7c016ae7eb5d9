"""The README's example runs and prints what NumPy says."""

from __future__ import annotations

import pathlib
import re

import numpy as np
import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"


def test_the_example_runs(capsys):
    example = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(example.group(1), str(README), "exec"), {})  # noqa: S102
    mean, most, many, _ = (float(line) for line in capsys.readouterr().out.split())
    hourly = np.array([52_000.0, 61_500.0, 48_250.0]) / np.array([1_600, 1_720, 1_540])
    assert abs(mean - hourly.mean()) < 1e-4 and abs(most - hourly.max()) < 1e-4 and many == (hourly > 33).sum()


def test_what_is_listed_is_numpys():
    import operator

    import tacit

    names = tacit.supported()
    assert len(names) == len(set(names)) > 200
    for name in names:
        assert callable(operator.attrgetter(name)(np)), name
        assert tacit.about(name) == tacit.about(operator.attrgetter(name)(np)) != ""
    assert "2**-26" in tacit.about(np.linalg.solve) and "error" in tacit.about(np.exp)
    for name, instead in [
        ("unique", "tacit.numpy.unique"),
        ("linalg.svd", "tacit.supported"),
        ("gcd", "tacit.supported"),
    ]:
        with pytest.raises(NotImplementedError, match=instead):
            tacit.about(name)


def test_every_public_name_is_documented():
    import tacit
    import tacit.numpy as tnp

    for name in ["solve", "inv", "lstsq", "unique", "filter", "top_k", "one_hot", *vars(tacit.tables)["__all__"]]:
        assert (getattr(tnp, name, None) or getattr(tacit.tables, name)).__doc__, name
    for name in tacit.__all__:
        found = getattr(tacit, name)
        assert name.startswith("_") or name.isupper() or found.__doc__, name
    for name, member in vars(tacit.Array).items():
        assert name.startswith("_") or not callable(member) or member.__doc__, name
