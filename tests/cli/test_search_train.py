"""`jaxnas search gt-nas --train`: the whole of it on real images, and what it chooses."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from conftest import little_digits

from jaxnas import training
from jaxnas.cli import choice_report, search_training
from jaxnas.cli.choice_report import Benchmark
from jaxnas.cli.main import run
from jaxnas.cli.terminal import messages as errors
from jaxnas.spaces import nb201, selection
from jaxnas.training import Choice, Epoch, Trained

Result = tuple[int, str, str]
Call = Callable[..., Result]

TINY = ["--channels", 4, "--cells-per-stage", 1, "--batch-size", 64, "--score-batch-size", 8]
TINY += ["--epochs", 1, "--devices", 1, "--no-cache"]


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Call:
    """Runs `jaxnas search gt-nas` in an empty folder with images: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    np.savez("images.npz", **little_digits())

    def called(*arguments: object) -> Result:
        status = run(["search", "gt-nas", *map(str, arguments)])
        return status, *capsys.readouterr()

    return called


def write_table(without: int = -1) -> dict[str, np.ndarray]:
    """Writes table.npz: accuracies of all cells but one."""
    random = np.random.default_rng(0)
    cells = np.delete(np.arange(nb201.NUM_CELLS), without) if without >= 0 else None
    cells = np.arange(nb201.NUM_CELLS) if cells is None else cells
    names = [f"cifar10_{split}_200" for split in ("valid", "test")]
    made = {name: random.uniform(10, 90, len(cells)) for name in names}
    np.savez("table.npz", cell=cells, **made)
    return made


def rows_of(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def best_of_different_functions(order: list[int], k: int) -> list[int]:
    heads: dict[int, int] = {}
    for cell in order:
        heads.setdefault(int(nb201.representatives()[cell]), cell)
    return list(heads.values())[:k]


def test_scores_picks_trains_and_chooses(call: Call) -> None:
    """Each step recomputed from the files that the stages leave."""
    truth = write_table()
    arguments = ["--train", "images.npz", "-s", 4, "-k", 2, "-k", 1, "--seed", 3, "--out", "run"]
    arguments += [*TINY, "--oracle", "table.npz", "--dataset", "cifar10"]
    status, out, err = call(*arguments)
    assert status == 0

    sample = list(selection.draw(4, 3))
    scores = pq.read_table("run/scores/scores.parquet").to_pylist()
    assert {row["cell"] for row in scores} == set(sample)
    assert {row["seed"] for row in scores} == {3}
    score_of = {row["cell"]: row["gradient_kernel"] for row in scores}
    defined = [cell for cell in sample if not math.isnan(score_of[cell])]
    ranked = sorted(defined, key=lambda cell: -score_of[cell])
    picked = best_of_different_functions(ranked, 2)
    drawn = best_of_different_functions(sample, 2)
    assert set(picked) & set(drawn)  # one that is trained once

    trained = {
        row["cell"]: row for row in pq.read_table("run/trained/accuracies.parquet").to_pylist()
    }
    assert set(trained) == set(picked) | set(drawn)
    found = rows_of("run/candidates.csv")
    assert {int(row["cell"]) for row in found} == set(trained)
    for row in found:
        cell = int(row["cell"])
        assert row["rank"] == (str(picked.index(cell) + 1) if cell in picked else "")
        assert row["drawn"] == (str(drawn.index(cell) + 1) if cell in drawn else "")
        assert float(row["gradient_kernel"]) == score_of[cell]
        assert float(row["valid"]) == trained[cell]["valid"]
        assert float(row["test"]) == trained[cell]["test"]
        assert float(row["benchmark_cifar10_test"]) == truth["cifar10_test_200"][cell]
    valids = [float(row["valid"]) for row in found]
    assert valids == sorted(valids, reverse=True)

    rows = rows_of("run/chosen.csv")
    groups = [picked[:1], picked, drawn[:1], drawn]
    assert [row["method"] for row in rows[:4]] == [
        "top 1 of 4 by gradient_kernel", "top 2 of 4 by gradient_kernel",
        "1 random of 4", "2 random of 4",
    ]  # fmt: skip
    for row, cells in zip(rows[:4], groups, strict=True):
        best = max(cells, key=lambda cell: trained[cell]["valid"])
        assert (int(row["cell"]), int(row["trained"])) == (best, len(cells))
        assert float(row["test"]) == trained[best]["test"]
        expected = np.mean([trained[cell]["test"] for cell in cells])
        assert float(row["mean_test"]) == pytest.approx(expected)
        assert float(row["benchmark_cifar10_valid"]) == truth["cifar10_valid_200"][best]
        expected = truth["cifar10_test_200"][cells].mean()
        assert float(row["mean_benchmark_cifar10_test"]) == pytest.approx(expected)
        assert row["method"] in out
    assert float(rows[4]["benchmark_cifar10_test"]) == truth["cifar10_test_200"][sample].max()
    assert rows[4]["cell"] == rows[4]["test"] == ""
    assert Path("run/curves.png").read_bytes().startswith(b"\x89PNG")

    before = [Path(f"run/{name}.csv").read_bytes() for name in ("chosen", "candidates")]
    status, again, err = call(*arguments)
    assert (status, again) == (0, out)
    assert err.splitlines() == ["nothing is left to score", "nothing is left to train"]
    assert [Path(f"run/{name}.csv").read_bytes() for name in ("chosen", "candidates")] == before


def trained(cell: int, valid: float, test: float) -> Trained:
    """What came of a training of 2 s; it diverged in its second epoch where `valid` is NaN."""
    diverged = math.isnan(valid)
    epoch = Epoch(1, 0.1, 1.0, 50.0, 99.0 if diverged else valid, 2.0)
    status, step = ("diverged", 7) if diverged else ("ok", None)
    return Trained(str(cell), nb201.index_to_arch(cell), 1, 0, status, (epoch,), test, step)


def test_trainings_with_other_settings_are_refused_before_scoring(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = tuple(trained(cell, 50, 40) for cell in selection.draw(2, 0))
    monkeypatch.setattr(training, "train", lambda *_, **__: outcome)
    arguments = ["--train", "images.npz", "-k", 1, "--by", "params", "--no-random", "--out", "run"]
    assert call(*arguments, *TINY, "-s", 2)[0] == 0
    status, _, err = call(*arguments, *TINY, "-s", 9, "--epochs", 2)
    assert (status, err.count("\n")) == (2, 1)
    assert "holds trainings with epochs 1; this run asks for 2" in err


def test_stopped_between_two_stages(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """A larger sample later scores what is missing; without an oracle and without chance."""
    arguments = ["--train", "images.npz", "-k", 1, *TINY, "--by", "params", "--no-random"]

    def stopped(*_: Any, **__: Any) -> None:
        raise errors.Stopped(15)

    with monkeypatch.context() as patch:
        patch.setattr(training, "train", stopped)
        status, out, err = call(*arguments, "-s", 3)
    assert (status, out) == (143, "")
    assert err.endswith("stopped; the same command goes on from here\n")
    folder = Path("runs/gt-nas-images")
    assert (folder / "scores" / "scores.parquet").exists()
    assert not (folder / "chosen.csv").exists()
    patched = lambda cells, **_: tuple(trained(cell, 50, 40) for cell in cells)  # noqa: E731
    monkeypatch.setattr(training, "train", patched)
    assert call(*arguments, "-s", 5)[0] == 0
    (row,) = rows_of(str(folder / "chosen.csv"))
    params = nb201.num_params(nb201.cell_ops(), 10, 4, 1)
    assert params[int(row["cell"])] == params[list(selection.draw(5, 0))].max()
    assert row["method"] == "top 1 of 5 by params"
    assert "benchmark_cifar10_test" not in row


def test_the_choice_is_by_validation_and_never_a_diverged_one() -> None:
    nan = math.nan
    cells = (trained(5, nan, nan), trained(4, 60, 10), trained(3, 61, 20), trained(2, 61, 90))
    choice = Choice("x", cells)
    assert choice.chosen is cells[2]
    assert choice.diverged == 1
    assert choice.test == pytest.approx((40, np.std([10, 20, 90])))
    assert choice.seconds == 8
    none = Choice("y", cells[:1])
    assert none.chosen is None
    assert math.isnan(none.test[0])
    accuracy = np.arange(nb201.NUM_CELLS) % 90.0
    benchmark = Benchmark(np.arange(10), {("cifar10", s): accuracy for s in ("valid", "test")})
    rows = choice_report.choice_rows([choice, none], benchmark)
    assert [row["cell"] for row in rows] == [3, None, None]
    assert [row["benchmark_cifar10_test"] for row in rows] == [3, None, 9]
    assert [row["mean_benchmark_cifar10_test"] for row in rows] == [3.5, 5, 4.5]


def test_all_candidates_diverge(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends, and says so."""
    outcome = tuple(trained(cell, math.nan, math.nan) for cell in selection.draw(2, 0))
    monkeypatch.setattr(training, "train", lambda *_, **__: outcome)
    arguments = ["--train", "images.npz", "-s", 2, "-k", 1, "--by", "params", "--no-random"]
    status, out, err = call(*arguments, *TINY, "--out", "run")
    assert status == 0
    assert "diverged: not finite after step 7" in err
    (row,) = rows_of("run/chosen.csv")
    assert (row["diverged"], row["cell"], row["test"], row["mean_test"]) == ("1", "", "", "")
    assert "top 1 of 2 by params" in out


@pytest.mark.parametrize(
    ("given", "images"), [(["--train"], "digits"), (["--train", "a/b.npz"], "a/b.npz")]
)
def test_images_of_the_option(
    call: Call, monkeypatch: pytest.MonkeyPatch, given: list[str], images: str
) -> None:
    tasks = []
    monkeypatch.setattr(search_training, "run", lambda task, *_, **__: tasks.append(task))
    assert call(*given, "-s", 50)[0] == 0
    (task,) = tasks
    assert (task.images, task.s, task.ks, task.by) == (images, 50, (20, 40), "gradient_kernel")
    assert task.folder == Path("runs") / f"gt-nas-{Path(images).stem}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--runs", 3], ["--runs is of a search in a table"]),
        (["--scores", "x"], ["--scores is of a search in a table"]),
        (["--oracle", "table.npz"], ["both --oracle and --dataset"]),
        (["--dataset", "cifar10"], ["both --oracle and --dataset"]),
        (["-k", 9], ["-k 9: expected at most 8"]),
        (["--by", "gradient_kernal"], ["gradient_kernal", "gradient_kernel"]),
        (["--by", "all"], ['no proxy "all"']),
        (["--batch-size", 4000], ["batch of 4000", "training images"]),
        (["--valid-fraction", 0], ["--valid-fraction 0", "chosen"]),
        (["--score-batch-size", 4000], ["4000"]),
        (["--out", "images.npz"], ["images.npz is a file"]),
        (["--oracle", "table.npz", "--dataset", "cifar100"], ["table.npz has no cifar100"]),
        (["--oracle", "table.npz", "--dataset", "cifar10"], ["1 of the 8 cells", "cell "]),
    ],
)
def test_refused_before_anything_is_scored(
    call: Call, arguments: list[object], words: list[str]
) -> None:
    write_table(without=selection.draw(8, 0)[5])
    out = [] if "--out" in arguments else ["--out", "run"]
    common = ["--train", "images.npz", "-s", 8, *([] if "-k" in arguments else ["-k", 2])]
    status, printed, err = call(*common, *TINY, *out, *arguments)
    assert (status, printed) == (2, "")
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err
    assert not Path("run").exists()


def test_options_of_training_without_it(call: Call) -> None:
    for option in (["--epochs", 3], ["--no-random"], ["--devices", 1]):
        status, _, err = call("--oracle", "x", "--dataset", "cifar10", *option)
        assert status == 2
        assert f"{option[0]} is of a search that trains" in err.replace("--random", "--no-random")
    assert "Missing option '--oracle'" in call("--dataset", "cifar10")[2]
