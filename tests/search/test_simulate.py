"""`jaxnas simulate gt-nas|random|…`, as a user and as Python call it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import scipy.stats
from search_cells import ARCHS, CONNECTED, FUNCTIONS, INDEX, by_arch

from jaxnas import oracle
from jaxnas import search as s
from jaxnas.reports import simulation as reports
from jaxnas.spaces import nb201

Call = Callable[..., tuple[int, str, str]]
METHODS = ["gt-nas", "random", "rea", "reinforce", "bohb"]
OPS = nb201.cell_ops()


@pytest.fixture
def call(call: Call) -> Call:
    """Runs `jaxnas simulate` in this process, in an empty folder: exit status, stdout, stderr."""
    return partial(call, "simulate")


def columns(seed: int = 0) -> dict[str, np.ndarray]:
    """Accuracies that rise with the parameters, of two data sets."""
    random = np.random.default_rng(seed)
    params = nb201.num_params(OPS)
    base = 90 * params / params.max()
    made: dict[str, np.ndarray] = {"cell": np.arange(nb201.NUM_CELLS)}
    for dataset in ("cifar10", "cifar100"):
        for split, epochs in (("valid", 12), ("valid", 200), ("test", 200)):
            noise = random.uniform(0, 10, nb201.NUM_CELLS)
            made[f"{dataset}_{split}_{epochs}"] = base + noise
        made[f"{dataset}_seconds_12"] = random.uniform(50, 150, nb201.NUM_CELLS)
    return made


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "table.npz"
    np.savez(path, **columns())
    return path


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def write_scores(folder: Path, cells: np.ndarray, **scores: np.ndarray) -> Path:
    """A folder as a run leaves it, as far as a search reads it."""
    folder.mkdir()
    names = {
        "cell": pa.array(cells),
        "arch": [ARCHS[cell] for cell in cells],
        "function": FUNCTIONS[cells],
        "seed": np.arange(len(cells)) - np.searchsorted(cells, cells),
        "status": np.where(CONNECTED[cells], "ok", "disconnected"),
    }
    arrays = {name: pa.array(values, from_pandas=False) for name, values in scores.items()}
    pq.write_table(with_settings(pa.table(names | arrays)), folder / "scores.parquet")
    return folder


def with_settings(table: pa.Table, space: str = "nb201") -> pa.Table:
    """A table that says how it was scored."""
    settings = {"space": space, "channels": 16, "depth": 5, "num_classes": 10, "image_size": 32}
    return table.replace_schema_metadata({"jaxnas.settings": json.dumps(settings)})


@pytest.mark.parametrize("method", METHODS)
def test_one_table_a_data_set(call: Call, table: Path, method: str) -> None:
    arguments = [method, "--oracle", table, "--dataset", "cifar10", "--dataset", "cifar100"]
    arguments += ["--runs", 4, "--seed", 3, "--out", "run.d"]
    arguments += ["--by", "params", "-s", 50, "-k", 5] if method == "gt-nas" else []
    status, out, err = call(*arguments)
    assert (status, err) == (0, "")
    assert out.count("4 runs, seed 3") == 2
    for words in ("validation", "optimum", "one random cell", "NAS-Bench-201", "KNAS, top 40"):
        assert out.count(words) >= 2
    rows = rows_of(Path("run.d/table.csv"))
    assert {row["dataset"] for row in rows} == {"cifar10", "cifar100"}
    optimum = next(row for row in rows if row["method"] == "optimum")
    assert float(optimum["test"]) == columns()["cifar10_test_200"].max()
    assert optimum["test_std"] == optimum["queries"] == ""
    published = [row for row in rows if row["source"]]
    assert len(published) == 2 * len(s.published("cifar10"))
    own = rows[0]
    assert not own["source"]
    assert 0 < float(own["seconds"]) <= 12000
    first = Path("run.d/table.csv").read_bytes()
    assert call(*arguments)[:2] == (status, out)
    assert Path("run.d/table.csv").read_bytes() == first


def test_the_row_is_what_the_library_finds(call: Call, table: Path) -> None:
    """Also that a data set is searched on one table and reported from another."""
    call(
        "rea", "--oracle", table, "--dataset", "cifar100", "--search-on", "cifar10",
        "--budget", 2500, "--runs", 3, "--seed", 7, "--out", "run.d",
    )  # fmt: skip
    made = columns()
    query = s.tabular(made["cifar10_valid_12"], made["cifar10_seconds_12"])
    traces = [
        s.search(s.regularized_evolution(np.random.default_rng((7, i))), query, 2500)
        for i in range(3)
    ]
    test = made["cifar100_test_200"][[INDEX[trace.best] for trace in traces]]
    row = rows_of(Path("run.d/table.csv"))[0]
    assert row["method"] == "REA"
    assert float(row["test"]) == pytest.approx(test.mean(), rel=1e-12)
    assert float(row["test_std"]) == pytest.approx(test.std(), rel=1e-12)
    assert float(row["seconds"]) == pytest.approx(np.mean([t.seconds for t in traces]), rel=1e-12)
    assert float(row["queries"]) == pytest.approx(np.mean([len(t.archs) for t in traces]))


def test_gt_nas_by_the_scores_of_a_folder(call: Call, table: Path) -> None:
    cells = np.arange(100, 400)
    random = np.random.default_rng(0)
    scores = random.random(len(cells))
    scores[::3] = np.nan
    masked = pa.array(scores, mask=np.arange(len(cells)) >= 200)
    write_scores(Path("run"), cells, gradient_kernel=masked)
    arguments = ["gt-nas", "--oracle", table, "--dataset", "cifar10", "--scores", "run"]
    assert call(*arguments, "-s", 100, "-k", 8, "--runs", 3, "--out", "run.d")[0] == 0
    made = columns()
    score = dict(zip(cells[:200].tolist(), scores[:200].tolist(), strict=True))
    query = s.tabular(made["cifar10_valid_12"], made["cifar10_seconds_12"])
    found = []
    for number in range(3):
        sample = s.draw(np.random.default_rng((0, number)), ARCHS[100:300], 100)
        found.append(s.search(s.gt_nas(sample, by_arch(score), 8), query))
        assert not np.isnan([score[INDEX[arch]] for arch in found[-1].archs]).any()
    row = rows_of(Path("run.d/table.csv"))[0]
    assert row["method"] == "top 8 of 100 by gradient_kernel"
    best = made["cifar10_test_200"][[INDEX[trace.best] for trace in found]]
    assert float(row["test"]) == pytest.approx(best.mean(), rel=1e-12)
    assert float(row["queries"]) == 8
    # Baselines see the cells that are scored, and no others.
    optimum = next(row for row in rows_of(Path("run.d/table.csv")) if row["method"] == "optimum")
    assert float(optimum["valid"]) == made["cifar10_valid_200"][100:300].max()
    assert_refused(call(*arguments, "-s", 201), "201 cells", "1 to 200")
    assert_refused(call(*arguments, "-s", 100, "-k", 99), "k = 99: expected 1 to ")
    assert_refused(call(*arguments, "--by", "js"), "score 'js'", "the table has gradient_kernel")


def test_scores_of_several_seeds_are_averaged(call: Call, table: Path) -> None:
    """One seed alone would pick another cell; a NaN of one seed is a NaN."""
    cells = np.repeat(np.arange(10, 60), 2)
    scores = np.zeros(len(cells))
    scores[[4, 5]] = 6, 6  # cell 12: the mean is 6
    scores[[8, 9]] = 10, 0  # cell 14: 5
    scores[[6, 7]] = 99, np.nan  # cell 13: none
    write_scores(Path("run"), cells, js=scores)
    arguments = ["gt-nas", "--oracle", table, "--dataset", "cifar10", "--scores", "run"]
    call(*arguments, "--by", "js", "-s", 50, "-k", 1, "--runs", 2, "--out", "run.d")
    row = rows_of(Path("run.d/table.csv"))[0]
    assert float(row["valid"]) == columns()["cifar10_valid_200"][12]
    assert float(row["valid_std"]) == 0


def test_a_search_with_too_little_time(call: Call, table: Path) -> None:
    for method in METHODS[1:]:
        result = call(
            method, "--oracle", table, "--dataset", "cifar10", "--budget", 49, "--out", "x"
        )
        assert_refused(result, "a budget of 49 s is too small")
        assert not Path("x").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--dataset", "svhn"], ["--dataset: expected one of cifar10", "got 'svhn'"]),
        ([], ["Missing option '--dataset'"]),
        (["--dataset", "imagenet16-120"], ["table.npz has no imagenet16-120"]),
        (["--dataset", "cifar10", "--runs", 0], ["--runs"]),
        (["--dataset", "cifar10", "--budget", 0], ["--budget"]),
        (["--dataset", "cifar10", "--seed", -1], ["--seed"]),
        (["--dataset", "cifar10", "--out", "/proc/run"], ["/proc/run", "can be kept"]),
        (["--dataset", "cifar10", "--oracle", "no.npz"], ["no.npz does not exist"]),
    ],
)
def test_bad_arguments(call: Call, table: Path, arguments: list[str], words: list[str]) -> None:
    assert_refused(call("random", "--oracle", table, *arguments), *words)


def test_gt_nas_without_scores(call: Call, table: Path) -> None:
    arguments = ["gt-nas", "--oracle", table, "--dataset", "cifar10"]
    assert_refused(call(*arguments), "by gradient_kernel: expected scores too")
    assert_refused(call(*arguments, "--scores", "absent"), "absent has no scores.parquet")
    write_scores(Path("run"), np.arange(50), js=np.full(50, np.nan))
    assert_refused(
        call(*arguments, "--scores", "run", "--by", "js", "-s", 50, "-k", 1),
        "k = 1: expected 1 to 0",
    )


@pytest.mark.parametrize("column", ["cifar10_valid_12", "cifar10_test_200", "cifar10_seconds_12"])
def test_a_table_with_missing_cells(call: Call, column: str) -> None:
    made = columns()
    made[column][[5, 9]] = np.nan
    np.savez("gaps.npz", **made)
    result = call("random", "--oracle", "gaps.npz", "--dataset", "cifar10", "--runs", 1)
    assert_refused(result, "gaps.npz lacks the cifar10", "2 of the 15,625 cells", "cell 5")


# From Python.


def test_one_call_does_what_the_command_does(call: Call, table: Path) -> None:
    seen: list[tuple[str, int, int]] = []
    found = s.simulate(
        "bohb",
        oracle.read(table),
        ["cifar10", "cifar100"],
        search_on="cifar10",
        runs=3,
        seed=4,
        budget=3000,
        progress=lambda *told: seen.append(told),
    )
    datasets = ["--dataset", "cifar10", "--dataset", "cifar100", "--search-on", "cifar10"]
    arguments = ["--runs", 3, "--seed", 4, "--budget", 3000, "--out", "run.d"]
    status, out, _ = call("bohb", "--oracle", table, *datasets, *arguments)
    assert status == 0
    for report in reports.reports(found):
        assert report.title in out
    reports.write(found, Path("mine"))
    assert Path("mine/table.csv").read_bytes() == Path("run.d/table.csv").read_bytes()
    assert seen[:4] == [("cifar10, BOHB", done, 3) for done in range(4)]


def test_combinations_pick_too(table: Path) -> None:
    """js+params over a table that has no params, against the ranks of functions."""
    cells = np.arange(300)
    js = np.random.default_rng(0).random(300)
    scores = with_settings(
        pa.table(
            {
                "cell": cells,
                "arch": ARCHS[:300],
                "function": FUNCTIONS[:300],
                "seed": np.zeros(300, int),
                "status": ["ok"] * 300,
                "js": js,
            }
        )
    )
    known = oracle.read(table)
    found = s.simulate(
        "gt-nas", known, "cifar10", runs=1, scores=scores, by="js+params", s=300, k=(1,)
    )
    heads, group = np.unique(FUNCTIONS[:300], return_index=True, return_inverse=True)[1:]
    values = [js[heads], nb201.num_params(OPS[heads])]
    total = sum(np.log(scipy.stats.rankdata(v) / len(heads)) for v in values)
    best = np.flatnonzero(total[group] == total.max())
    row = found.searched[0].summaries[0]
    assert row.method == "top 1 of 300 by js+params"
    assert row.valid in known.accuracy("cifar10", "valid", 200)[best]
    with pytest.raises(ValueError, match="by js\\+params: expected scores too"):
        s.simulate("gt-nas", known, "cifar10", by="js+params")
    with pytest.raises(ValueError, match="scores: expected a table of NAS-Bench.* of the DARTS"):
        s.simulate("gt-nas", known, "cifar10", by="js", scores=with_settings(scores, "darts"))


@pytest.mark.parametrize(
    ("method", "settings", "words"),
    [
        ("random_search", {}, "method 'random_search': expected one of 12 known names"),
        ("rea", {"queries": 7}, "rea: expected settings among budget, got queries"),
        ("rea", {"budget": 0}, "budget: expected a finite number above 0 up to 1e\\+09, got 0"),
        ("rea", {"runs": 0}, "runs: expected a whole number from 1 to 1000000, got 0"),
        ("gt-nas", {"by": "params", "k": ()}, "k: expected at least one value in a sequence"),
        ("sf", {"queries": 0}, "queries: expected a whole number from 1 to 100000000, got 0"),
        ("ram", {"edges_per_step": 0}, "edges_per_step: expected a whole number from 1 to "),
        ("st", {"temperature": (1, 0)}, "temperature: expected a finite number from 1e-06 "),
    ],
)
def test_wrong_settings_get_one_sentence(
    table: Path, method: str, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words) as error:
        s.simulate(method, oracle.read(table), "cifar10", **settings)
    assert "\n" not in str(error.value)
