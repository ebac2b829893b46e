"""`jaxnas evaluate` as a user calls it, its pictures, and the real table."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pytest
from score_tables import (
    ACCURACY,
    ARCHS,
    CELLS,
    CONNECTED,
    SETTINGS,
    rows,
    score_table,
)

from jaxnas import evaluation, plots
from jaxnas.cli.main import run
from jaxnas.results import SCORES_FILE, Folder, Record, Request
from jaxnas.results.table import write_table
from jaxnas.spaces import nb201


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs `jaxnas evaluate` in this process, in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "300")

    def called(folder: object, **options: object) -> tuple[int, str, str]:
        given = {
            "oracle": "truth.npz",
            "dataset": "cifar10",
            "split": "test",
            "epochs": 200,
            "out": "report",
            **options,
        }
        pairs = [[f"--{name}", str(value)] for name, value in given.items() if value is not None]
        status = run(["evaluate", str(folder), *itertools.chain(*pairs)])
        return status, *capsys.readouterr()

    return called


def write_run(table: pa.Table, path: str = "run") -> Path:
    Path(path).mkdir()
    write_table(table, Path(path) / SCORES_FILE)
    return Path(path)


def write_truth(**columns: Any) -> None:
    np.savez("truth.npz", cell=CELLS, **(columns or {"cifar10_test_200": ACCURACY}))


def test_a_report_of_a_run(call: Any) -> None:
    write_truth()
    cells = np.arange(1100)
    kernel = np.exp(ACCURACY[cells] / 9)
    kernel[~CONNECTED[cells]] = np.nan
    table = score_table(cells, 2, gradient_kernel=[kernel, kernel * 1.5], js=-np.ones((2, 1100)))
    status, out, err = call(write_run(table))
    assert (status, err) == (0, "")
    for words in ("gradient_kernel, mean of 2 seeds", "tensor_count", "random", "1,100 cells"):
        assert words in out
    pictures = {path.name for path in Path("report").glob("*.png")}
    assert pictures == {
        "gradient_kernel.png", "monotonicity.png", "monotonicity_of_familiar_functions.png",
        "picked.png", "scores_and_accuracy.png", "slope.png",
    }  # fmt: skip
    assert not list(Path("report").glob(".*"))
    conditions = json.loads(Path("report/evaluation.json").read_text())
    assert (conditions["dataset"], conditions["split"], conditions["epochs"]) == (
        "cifar10", "test", 200,
    )  # fmt: skip
    assert conditions["seeds"] == [0, 1]
    assert conditions["cells"] == 1100
    assert conditions["best_accuracy"] == ACCURACY[cells].max()
    read = pyarrow.csv.read_csv("report/evaluation.csv").to_pylist()
    expected = evaluation.evaluate(table, ACCURACY).table.to_pylist()
    assert [row["score"] for row in read] == [row["score"] for row in expected]
    for found, row in zip(read, expected, strict=True):
        for name, value in row.items():
            assert found[name] == (None if str(value) == "nan" else value), name
    js = next(row for row in read if row["score"] == "js")
    assert js["kendall_all"] is None


def test_a_scored_run_is_evaluated_with_its_seconds(call: Any) -> None:
    settings = SETTINGS
    write_truth()
    function = nb201.representatives()
    cells = np.flatnonzero((function == CELLS) & CONNECTED)[:30]
    archs = tuple(ARCHS[cells].tolist())
    with Folder.open("run", settings) as folder:
        folder.request(Request(archs, (0,), ("js",)))
        folder.append(
            Record(arch, 0, {"js": ACCURACY[cell]}, {"js": 0.25})
            for arch, cell in zip(archs, cells, strict=True)
        )
    write_table(score_table(cells, js=ACCURACY[cells]), Path("run") / SCORES_FILE)
    status, _, err = call("run")
    assert (status, err) == (0, "")
    read = {row["score"]: row for row in pyarrow.csv.read_csv("report/evaluation.csv").to_pylist()}
    assert read["js"]["kendall_all"] == 1
    assert read["js"]["seconds_per_cell"] == 0.25
    assert read["params"]["seconds_per_cell"] is None

    with Folder.open("run", settings) as folder:
        folder.request(Request((*archs, ARCHS[5000]), (0,), ("js",)))
    assert_refused(call("run"), "not finished", "jaxnas score")
    (Path("run") / SCORES_FILE).unlink()
    assert_refused(call("run"), "not finished", "jaxnas score")


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_bad_input_gets_one_line(call: Any) -> None:
    write_truth()
    good = write_run(score_table(np.arange(50), js=np.arange(50.0)))
    assert_refused(call("nowhere"), "nowhere has no scores.parquet", "--out")
    assert_refused(call(good, out="truth.npz"), "truth.npz: expected a folder", "got a file")
    assert_refused(call(good, oracle="none.npz"), "none.npz")
    assert_refused(call(good, dataset="cifar100"), "cifar100 test 200-epoch")
    assert_refused(call(good, split=None), "--split")
    assert_refused(call(good, epochs=90), "90", "12", "200")
    few = write_run(score_table(np.arange(9), js=np.arange(9.0)), "few")
    assert_refused(call(few), "only 9 cells", "at least 10")
    lacking = np.where(CELLS == 7, np.nan, ACCURACY)
    write_truth(cifar10_test_200=lacking)
    assert_refused(call(good), "1 of the 50 scored cells", "cell 7")
    write_truth()
    twice = write_run(
        pa.concat_tables([score_table(np.arange(20), js=np.arange(20.0))] * 2), "twice"
    )
    assert_refused(call(twice), "with seed 0 2 times")
    strange = write_run(score_table(np.arange(20)).drop_columns(["function"]), "strange")
    assert_refused(call(strange), "no function")
    (good / SCORES_FILE).write_bytes(b"PAR1 and no more")
    assert_refused(call(good), "is damaged", "Parquet")
    assert not Path("report").exists()


def test_combinations_of_a_run(call: Any) -> None:
    write_truth()
    good = write_run(score_table(np.arange(50), js=np.arange(50.0)))
    status, out, _ = call(good, combine="js+params")
    assert status == 0
    assert "js+params" in out
    assert "js+params" in Path("report/evaluation.csv").read_text()
    assert_refused(call(good, combine="js+"), "an empty name", "js+params")
    assert_refused(call(good, combine="js+pjs"), "score 'pjs'", "the table has js")


@pytest.mark.parametrize("cells", [10, pytest.param(400, marks=pytest.mark.slow)])
def test_pictures_of_any_scores(tmp_path: Path, cells: int) -> None:
    random = np.random.default_rng(0)
    table = score_table(
        np.arange(cells),
        within=random.random(cells),
        wide=np.exp(9 * random.normal(size=cells)),
        gradient_kernel=np.where(np.arange(cells) % 2, random.normal(size=cells), np.nan),
        same=np.ones(cells),
        none=np.full(cells, np.nan),
    )
    found = evaluation.evaluate(table, ACCURACY, resamples=5)
    before = dict(mpl.rcParams)
    first = [path.read_bytes() for path in plots.plot_evaluation(found, tmp_path, "accuracy (%)")]
    second = [path.read_bytes() for path in plots.plot_evaluation(found, tmp_path, "accuracy (%)")]
    assert len(first) == 6
    assert first == second
    assert all(picture.startswith(b"\x89PNG") for picture in first)
    assert dict(mpl.rcParams) == before


NB201 = Path(__file__).parents[3] / "shared" / "data" / "nb201.npz"


@pytest.mark.skipif(not NB201.exists(), reason="the benchmark's accuracies are not here")
def test_baselines_of_the_real_table_are_those_published() -> None:
    """NASWOT (Mellor et al., ICML 2021), table 2: random 86.61 ± 13.46 (test), of all cells."""
    with np.load(NB201) as file:
        accuracy = file["cifar10_test_200"].astype(np.float64)
        valid = file["cifar10valid_val_200"].astype(np.float64)
    table = score_table(CELLS)
    found = rows(evaluation.evaluate(table, accuracy, resamples=2))
    assert found["random"]["picked_500x10"] == pytest.approx(86.61, abs=1.5)
    assert found["random"]["picked_500x10_std"] == pytest.approx(13.46, abs=1.5)
    assert found["params"]["picked_500x100"] == pytest.approx(93.22, abs=0.15)
    assert found["params"]["picked_500x1000"] == pytest.approx(93.47, abs=0.15)
    connected = score_table(CELLS[CONNECTED])
    found = rows(evaluation.evaluate(connected, valid, resamples=2))
    # As measured for the project's definitions.
    for name, tau in {"tensor_count": 0.57, "num_tensors": 0.56, "params": 0.54}.items():
        assert found[name]["kendall_all"] == pytest.approx(tau, abs=0.005)
