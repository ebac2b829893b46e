"""The picture of a table of scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
import scipy.stats  # type: ignore[import-untyped]
from commands import NB201, SETTINGS
from hypothesis import given
from hypothesis import strategies as st

from jaxnas import plots
from jaxnas.plots import distributions
from jaxnas.spaces import nb201


def scores_table(count: int, **scores: Any) -> pa.Table:
    cells = np.arange(count)
    connected = nb201.is_connected(nb201.cell_ops()[cells])
    status = ["ok" if ok else "disconnected" for ok in connected]
    rows = {
        "cell": cells, "arch": [NB201.arch(int(cell)) for cell in cells],
        "function": nb201.representatives()[cells],
        "seed": np.zeros(count, np.int64), "status": status,
    }  # fmt: skip
    metadata = {b"jaxnas.settings": json.dumps(SETTINGS).encode()}
    return pa.table({**rows, **scores}).replace_schema_metadata(metadata)


@pytest.mark.parametrize("count", [1, 5, 400])
def test_picture_of_any_scores(tmp_path: Path, count: int) -> None:
    random = np.random.default_rng(0)
    wide = np.exp(5 * random.normal(size=count))
    table = scores_table(
        count,
        params=np.arange(count),
        rises=wide,
        falls=-wide,
        both=wide * random.choice([-1, 1], count),
        same=np.ones(count),
        zero=np.zeros(count),
        few=np.where(np.arange(count) % 2, np.inf, 1e300),
        none=np.full(count, np.nan),
        absent=pa.nulls(count, pa.float64()),
        tails=np.r_[random.normal(size=count - 1), 1e9],
    )
    before = dict(mpl.rcParams)
    plots.plot_scores(table, tmp_path / "a.png", "title")
    plots.plot_scores(table, tmp_path / "b.png", "title")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert dict(mpl.rcParams) == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}


def test_function_scores_average_the_seeds_of_the_first_architecture() -> None:
    table = pa.table(
        {
            "cell": [4, 4, 9, 9, 7, 8],
            "arch": ["e", "e", "j", "j", "h", "i"],
            "function": [4, 4, 4, 4, 7, 8],
            "seed": [0, 1, 0, 1, 0, 0],
            "js": pa.array([1.0, 3.0, 50.0, 60.0, float("inf"), None]),
        }
    )
    scores = plots.function_scores(table, "js")
    assert scores.functions.tolist() == [4, 7]
    assert scores.values.tolist() == [2.0, np.inf]


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=30))
def test_rank_correlation_is_spearmans(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, np.float64).T
    functions = np.arange(len(x))
    a = plots.Scores(np.r_[functions, 100, 101], np.r_[x, np.nan, 5])
    b = plots.Scores(np.r_[functions, 100], np.r_[y, 3])
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        assert np.isnan(plots.rank_correlation(a, b))
    else:
        expected = scipy.stats.spearmanr(x, y).statistic
        np.testing.assert_allclose(plots.rank_correlation(a, b), expected, atol=1e-12)


def test_headline_counts_cells_functions_and_disconnected() -> None:
    count = 200
    table = scores_table(count, js=np.zeros(count))
    connected = nb201.is_connected(nb201.cell_ops()[:count])
    functions = len(set(nb201.representatives()[:count][connected].tolist()))
    left_out = count - int(connected.sum())
    shown = distributions._counted(table, table.filter(pa.array(connected)))
    assert shown == (
        f"200 cells: {functions} functions shown, {left_out} disconnected cells left out"
    )
