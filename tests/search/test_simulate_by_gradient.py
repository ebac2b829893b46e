"""`jaxnas simulate sf|relax|…`, searches by gradient, as a user calls it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from search_cells import separable

from jaxnas.search.chance import best_of_random
from jaxnas.search.methods import METHODS as ALL
from jaxnas.spaces import nb201

METHODS = [name for name, method in ALL.items() if method.estimator]
Call = Callable[..., tuple[int, str, str]]


def rewards(seed: int = 0) -> np.ndarray:
    """Percent [15625], a sum over edges, with one best cell."""
    return 100 * separable(seed) / 6


def test_methods_that_read_the_whole_table_are_marked() -> None:
    for name in METHODS:
        method = ALL[name]
        assert method.estimator is not None
        assert method.whole_table == (method.estimator(method.settings).mixing == "weights")


@pytest.fixture
def call(call: Call) -> Call:
    """Runs `jaxnas simulate` in this process, in an empty folder: exit status, stdout, stderr."""
    return partial(call, "simulate")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    columns: dict[str, np.ndarray] = {"cell": np.arange(nb201.NUM_CELLS)}
    for number, dataset in enumerate(("cifar10", "cifar100")):
        for split, epochs in (("valid", 12), ("valid", 200), ("test", 200)):
            columns[f"{dataset}_{split}_{epochs}"] = 0.9 * rewards(number) + epochs / 40
        columns[f"{dataset}_seconds_12"] = np.full(nb201.NUM_CELLS, 10.0)
    path = tmp_path / "table.npz"
    np.savez(path, **columns)
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("method", METHODS)
def test_every_method(call: Call, table: Path, method: str) -> None:
    arguments = [method, "--oracle", table, "--dataset", "cifar10", "--queries", 60, "--runs", 3]
    status, out, err = call(*arguments, "--out", "run")
    assert (status, err) == (0, "")
    assert "60 queries, learning rate 0.1, 3 runs, seed 0" in out
    soft = method in ("snas", "st", "darts")
    assert ("reads the whole table" in out) == soft
    rows = {row["method"]: row for row in rows_of(Path("run/table.csv")) if not row["source"]}
    spent = {"ram": 50}.get(method, 60)
    found = rows[f"{method}, most probable cell"]
    chance = rows["random search, best trained"]
    assert float(chance["queries"]) == spent
    assert float(chance["seconds"]) == 10 * spent
    assert float(chance["test"]) == pytest.approx(
        float(best_of_random(rewards(), 0.9 * rewards() + 5, spent)[0])
    )
    assert (f"{method}, best trained" in rows) == (not soft)
    assert found["seconds"] == ("" if soft else f"{10.0 * spent}")
    assert "optimum" in rows
    curves = rows_of(Path("run/curves.csv"))
    assert int(float(curves[-1]["queries"])) == spent
    assert float(curves[-1]["mode_test"]) == pytest.approx(float(found["test"]))
    assert (curves[0]["best_test"] == "") == soft
    assert Path("run/curves.png").read_bytes()[:4] == b"\x89PNG"
    before = {path.name: path.read_bytes() for path in Path("run").iterdir()}
    assert len(before) == 3
    if method == "sf":
        assert call(*arguments, "--out", "run")[:2] == (status, out)
        assert {path.name: path.read_bytes() for path in Path("run").iterdir()} == before


def test_two_data_sets_searched_on_one(call: Call, table: Path) -> None:
    status, out, _ = call(
        "sf", "--oracle", table, "--dataset", "cifar10", "--dataset", "cifar100",
        "--search-on", "cifar10", "--queries", 50, "--runs", 2, "--out", "run",
    )  # fmt: skip
    assert status == 0
    assert out.count(": searched on cifar10, 50 queries") == 2
    curves = rows_of(Path("run/curves.csv"))
    by_dataset = {
        name: [row for row in curves if row["dataset"] == name] for name in ("cifar10", "cifar100")
    }
    first, second = by_dataset.values()
    assert [row["entropy"] for row in first] == [row["entropy"] for row in second]
    assert [row["mode_test"] for row in first] != [row["mode_test"] for row in second]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ram", "--queries", 24], "24 queries are too few: one estimate takes 25"),
        (["ram", "--edges-per-step", 7], "edges_per_step: expected 1 to 6, the edges, got 7"),
        (["sf", "--queries", 0], "--queries"),
        (["sf", "--learning-rate", 0], "--learning-rate"),
        (["sf", "--learning-rate", "nan"], "--learning-rate: expected a finite number above 0"),
        (["snas", "--temperature", 0, 1], "--temperature"),
        (["gdas", "--temperature", 1, -1], "--temperature"),
        (["st", "--temperature", "nan", 1], "--temperature: expected a finite number from 1e-06"),
        (["st", "--temperature", 1, "inf"], "--temperature: expected a finite number from 1e-06"),
        (["sf", "--dataset", "imagenet16-120"], "table.npz has no imagenet16-120"),
        (["sf", "--oracle", "no.npz"], "no.npz does not exist"),
        (["sf", "--out", "/proc/run"], "/proc/run: expected a place where files can be kept"),
        (["sf", "--out", "table.npz"], "table.npz: expected a folder"),
        (["best"], "No such command 'best'"),
    ],
)
def test_bad_arguments(call: Call, table: Path, arguments: list[object], words: str) -> None:
    method, *rest = arguments
    usual = ["--oracle", table, "--dataset", "cifar10", "--runs", 1, "--out", "run"]
    status, out, err = call(method, *(usual if method != "best" else []), *rest)
    assert (status, out) == (2, "")
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    assert words in err
    assert not Path("run").exists()
