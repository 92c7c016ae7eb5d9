"""The examples run on parts of their tables, and secret fits score as those of plain NumPy do."""

import importlib
import pathlib

import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
#: What of an example is run: rows of the table, and fewer steps.
REDUCED = {
    "regressions": {"rows": 300},
    "clusters": {"rows": 200, "steps": 4},
    "boosted_trees": {"rows": 300, "trees": 3, "depth": 2, "bins": 6},
    "network": {"rows": 200, "epochs": 5, "hidden": (4,)},
}


@pytest.fixture(autouse=True)
def examples_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))


@pytest.mark.parametrize("name", REDUCED)
def test_secret_fits_score_as_plain_ones(name, capsys):
    scores = importlib.import_module(name).main(**REDUCED[name])
    assert len(capsys.readouterr().out.splitlines()) == len(scores) > 0
    for secret, plain in scores:
        assert secret == pytest.approx(plain, abs=1e-3)


def test_every_example_is_run():
    helpers = {"plain", "tables"}
    assert {path.stem for path in EXAMPLES.glob("*.py")} - helpers == set(REDUCED)
    assert sum(path.stat().st_size for path in (EXAMPLES / "data").iterdir()) < 300_000
