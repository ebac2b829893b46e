"""`jaxnas search gt-nas`: the whole of it on real images, and what it refuses."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from commands import NB201, Call, Result
from small import little_digits

from jaxnas import training
from jaxnas.cli.terminal import stopping
from jaxnas.spaces import nb201
from jaxnas.training import Epoch, Trained

TINY = ["--channels", 4, "--depth", 1, "--batch-size", 64, "--score-batch-size", 8]
TINY += ["--epochs", 1, "--devices", 1, "--no-cache"]


@pytest.fixture
def search(call: Call) -> Call:
    """Runs `jaxnas search gt-nas` in an empty folder with images: exit status, stdout, stderr."""
    np.savez("images.npz", **little_digits())

    def called(*arguments: object) -> Result:
        return call("search", "gt-nas", *arguments)

    return called


def write_table(without: str = "") -> dict[str, dict[str, float]]:
    """Writes table.npz: accuracies of all cells but one; gives them by arch."""
    random = np.random.default_rng(0)
    cells = np.array([n for n in range(NB201.size) if not without or NB201.arch(n) != without])
    names = [f"cifar10_{split}_200" for split in ("valid", "test")]
    made = {name: random.uniform(10, 90, len(cells)) for name in names}
    np.savez("table.npz", cell=cells, **made)
    archs = [NB201.arch(int(cell)) for cell in cells]
    return {name: dict(zip(archs, made[name].tolist(), strict=True)) for name in names}


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def best_of_different_functions(order: list[str], k: int) -> list[str]:
    heads: dict[str, str] = {}
    for arch, function in zip(order, NB201.functions(order), strict=True):
        heads.setdefault(function, arch)
    return list(heads.values())[:k]


def assert_nothing_is_left(search: Call, arguments: list[object], printed: str) -> None:
    """The same command again computes nothing, and prints and writes the same."""
    files = [Path(f"run/{name}.csv") for name in ("chosen", "candidates")]
    before = [path.read_bytes() for path in files]
    status, out, err = search(*arguments)
    assert (status, out) == (0, printed)
    assert err.splitlines() == ["nothing is left to score", "nothing is left to train"]
    assert [path.read_bytes() for path in files] == before


def test_it_scores_picks_trains_and_chooses(search: Call) -> None:
    """Each step recomputed from the files that the stages leave."""
    truth = write_table()
    arguments = ["--dataset", "images.npz", "-s", 4, "-k", 2, "-k", 1, "--seed", 3, "--out", "run"]
    arguments += [*TINY, "--oracle", "table.npz"]
    status, out, _ = search(*arguments)
    assert status == 0

    sample = list(NB201.draw(4, 3))
    scores = pq.read_table("run/scores/scores.parquet").to_pylist()
    assert {row["arch"] for row in scores} == set(sample)
    assert {row["seed"] for row in scores} == {3}
    score_of = {row["arch"]: row["gradient_kernel"] for row in scores}
    defined = [arch for arch in sample if not math.isnan(score_of[arch])]
    ranked = sorted(defined, key=lambda arch: -score_of[arch])
    picked = best_of_different_functions(ranked, 2)
    drawn = best_of_different_functions(sample, 2)
    assert set(picked) & set(drawn)  # one that is trained once

    trained = {
        row["arch"]: row for row in pq.read_table("run/trained/accuracies.parquet").to_pylist()
    }
    assert set(trained) == set(picked) | set(drawn)
    found = rows_of("run/candidates.csv")
    assert {row["arch"] for row in found} == set(trained)
    for row in found:
        arch = row["arch"]
        assert NB201.arch(int(row["cell"])) == arch
        assert row["rank"] == (str(picked.index(arch) + 1) if arch in picked else "")
        assert row["drawn"] == (str(drawn.index(arch) + 1) if arch in drawn else "")
        assert float(row["gradient_kernel"]) == score_of[arch]
        assert float(row["valid"]) == trained[arch]["valid"]
        assert float(row["test"]) == trained[arch]["test"]
        assert float(row["benchmark_cifar10_test"]) == truth["cifar10_test_200"][arch]
    valids = [float(row["valid"]) for row in found]
    assert valids == sorted(valids, reverse=True)

    rows = rows_of("run/chosen.csv")
    groups = [picked[:1], picked, drawn[:1], drawn]
    assert [row["method"] for row in rows[:4]] == [
        "top 1 of 4 by gradient_kernel", "top 2 of 4 by gradient_kernel",
        "1 random of 4", "2 random of 4",
    ]  # fmt: skip
    for row, archs in zip(rows[:4], groups, strict=True):
        best = max(archs, key=lambda arch: trained[arch]["valid"])
        assert (row["arch"], int(row["trained"])) == (best, len(archs))
        assert float(row["test"]) == trained[best]["test"]
        expected = np.mean([trained[arch]["test"] for arch in archs])
        assert float(row["mean_test"]) == pytest.approx(expected)
        assert float(row["benchmark_cifar10_valid"]) == truth["cifar10_valid_200"][best]
        expected = np.mean([truth["cifar10_test_200"][arch] for arch in archs])
        assert float(row["mean_benchmark_cifar10_test"]) == pytest.approx(expected)
        assert row["method"] in out
    highest = max(truth["cifar10_test_200"][arch] for arch in sample)
    assert float(rows[4]["benchmark_cifar10_test"]) == highest
    assert rows[4]["arch"] == rows[4]["test"] == ""
    assert Path("run/curves.png").read_bytes().startswith(b"\x89PNG")
    assert_nothing_is_left(search, arguments, out)


def trained(arch: str, valid: float, test: float) -> Trained:
    """What came of a training of 2 s; it diverged in its second epoch where `valid` is NaN."""
    diverged = math.isnan(valid)
    epoch = Epoch(1, 0.1, 1.0, 50.0, 99.0 if diverged else valid, 2.0)
    status, step = ("diverged", 7) if diverged else ("ok", None)
    cell = nb201.arch_to_index(arch)
    return Trained(arch, cell, str(cell), 1, 0, status, (epoch,), test, step)


def test_trainings_with_other_settings_are_refused_before_scoring(
    search: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = tuple(trained(arch, 50, 40) for arch in NB201.draw(2, 0))
    monkeypatch.setattr(training, "train", lambda *_, **__: outcome)
    arguments = ["--dataset", "images.npz", "-k", 1, "--by", "params", "--no-random"]
    assert search(*arguments, *TINY, "--out", "run", "-s", 2)[0] == 0
    status, _, err = search(*arguments, *TINY, "--out", "run", "-s", 9, "--epochs", 2)
    assert (status, err.count("\n")) == (2, 1)
    assert "holds trainings with epochs 1; this run asks for 2" in err


def test_stopped_between_two_stages(search: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger sample later scores what is missing; without an oracle and without chance."""
    arguments = ["--dataset", "images.npz", "-k", 1, *TINY, "--by", "params+flops", "--no-random"]

    def stopped(*_: Any, **__: Any) -> None:
        raise stopping.Stopped(15)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", stopped)
        status, out, err = search(*arguments, "-s", 3)
    assert (status, out) == (143, "")
    assert err.endswith("stopped; the same command goes on from here\n")
    folder = Path("runs/gt-nas-images")
    assert (folder / "scores" / "scores.parquet").exists()
    assert not (folder / "chosen.csv").exists()
    patched = lambda archs, **_: tuple(trained(arch, 50, 40) for arch in archs)  # noqa: E731
    monkeypatch.setattr(training, "train", patched)
    assert search(*arguments, "-s", 5)[0] == 0
    (row,) = rows_of(str(folder / "chosen.csv"))
    params = nb201.num_params(nb201.cell_ops(), 10, 4, 1)
    flops = nb201.num_flops(nb201.cell_ops(), 10, 8, 4, 1)
    cells = NB201.indices(NB201.draw(5, 0))
    assert cells is not None
    best = max(cells.tolist(), key=lambda cell: (params[cell], flops[cell]))
    assert int(row["cell"]) == best
    assert row["method"] == "top 1 of 5 by params+flops"
    assert "benchmark_cifar10_test" not in row


def test_all_candidates_diverge(search: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, and says so."""
    outcome = tuple(trained(arch, math.nan, math.nan) for arch in NB201.draw(2, 0))
    monkeypatch.setattr(training, "train", lambda *_, **__: outcome)
    arguments = ["--dataset", "images.npz", "-s", 2, "-k", 1, "--by", "params", "--no-random"]
    status, out, err = search(*arguments, *TINY, "--out", "run")
    assert status == 0
    assert "diverged: not finite after step 7" in err
    (row,) = rows_of("run/chosen.csv")
    assert (row["diverged"], row["cell"], row["test"], row["mean_test"]) == ("1", "", "", "")
    assert "top 1 of 2 by params" in out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-k", 9], ["k: expected at most 8, the number s", "got 9"]),
        (["--by", "gradient_kernal"], ["gradient_kernal", "gradient_kernel"]),
        (["--by", "all"], ["'all'"]),
        (["--by", "js+"], ["'js+'", "empty name"]),
        (["--by", "js+js"], ["js twice"]),
        (["--batch-size", 4000], ["batch_size", "training images", "4000"]),
        (["--valid-fraction", 0], ["valid_fraction: expected more than 0", "chosen"]),
        (["--score-batch-size", 4000], ["4000"]),
        (["--out", "images.npz"], ["images.npz: expected a folder"]),
        (["--oracle", "table.npz"], ["1 of the 8 cells", "cell "]),
        (["--oracle", "table.npz", "--space", "darts", "--valid-fraction", 0.2, "--depth", 3,
          "--auxiliary-weight", 0], ["oracle: expected accuracies of space darts", "nb201"]),
        (["--space", "darts"], ["valid_fraction: expected more than 0"]),
    ],
)  # fmt: skip
def test_refused_before_anything_is_scored(
    search: Call, arguments: list[object], words: list[str]
) -> None:
    write_table(without=NB201.draw(8, 0)[5])
    out = [] if "--out" in arguments else ["--out", "run"]
    common = ["--dataset", "images.npz", "-s", 8, *([] if "-k" in arguments else ["-k", 2])]
    status, printed, err = search(*common, *TINY, *out, *arguments)
    assert (status, printed) == (2, "")
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not Path("run").exists()
