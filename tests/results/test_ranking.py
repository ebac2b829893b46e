"""Combinations of scores, and the best of a table."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results_cases import SETTINGS

from jaxnas.results import ResultsError, best
from jaxnas.results.manifest import canonical
from jaxnas.results.ranking import combine, default_score, parse_by, score_values


def table(rows: list[dict[str, Any]], *, with_settings: bool = True) -> pa.Table:
    """A table of rows (cell, function, seed, scores); the arch is the cell's number."""
    names = [name for name in rows[0] if name not in ("cell", "function", "seed")]
    columns: dict[str, Any] = {
        "cell": pa.array([row["cell"] for row in rows], pa.int64()),
        "arch": [f"a{row['cell']}" for row in rows],
        "function": pa.array([row["function"] for row in rows], pa.int64()),
        "seed": pa.array([row.get("seed", 0) for row in rows], pa.int64()),
        "status": ["ok"] * len(rows),
    }
    for name in names:
        columns[name] = pa.array([row[name] for row in rows], pa.float64())
    metadata = {"jaxnas.settings": canonical(SETTINGS)} if with_settings else None
    return pa.table(columns, metadata=metadata)


def by_a_plain_loop(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[int, float]:
    """Σ log(rank / n) of each cell, as one would write it on a blackboard."""
    cells = dict.fromkeys(row["cell"] for row in rows)
    function = {row["cell"]: row["function"] for row in rows}
    mean = {
        (cell, name): float(np.mean([row[name] for row in rows if row["cell"] == cell]))
        for cell in cells
        for name in names
    }
    ranked = [c for c in cells if all(math.isfinite(mean[c, name]) for name in names)]
    heads: dict[int, int] = {}
    for cell in ranked:
        heads.setdefault(function[cell], cell)
    value = dict.fromkeys(cells, math.nan)
    for cell in ranked:
        its = heads[function[cell]]
        total = 0.0
        for name in names:
            below = sum(mean[other, name] < mean[its, name] for other in heads.values())
            equal = sum(mean[other, name] == mean[its, name] for other in heads.values())
            total += math.log((below + (equal + 1) / 2) / len(heads))
        value[cell] = total
    return value


number = st.one_of(st.integers(-3, 3).map(float), st.sampled_from([math.nan, math.inf]))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), number, number, number), min_size=1, max_size=12),
    st.integers(1, 2),
)
def test_a_combination_is_what_a_plain_loop_gives(
    cells: list[tuple[int, float, float, float]], seeds: int
) -> None:
    rows = [
        {"cell": cell, "function": function, "seed": seed, "js": a + seed, "pjs": b, "params": c}
        for seed in range(seeds)
        for cell, (function, a, b, c) in enumerate(cells)
    ]
    for by in ("js+pjs", "js+pjs+params", "pjs+params"):
        wanted = by_a_plain_loop(rows, tuple(by.split("+")))
        found = score_values(table(rows), by)
        got = dict(zip(found.cells, found.values.tolist(), strict=True))
        assert got.keys() == wanted.keys()
        for cell, value in wanted.items():
            assert got[cell] == pytest.approx(value, nan_ok=True, abs=1e-12)
        assert set(found.seeds.tolist()) == {seeds}


def test_a_combination_by_hand() -> None:
    rows = [
        {"cell": 0, "function": 0, "js": 1.0, "params": 30.0},  # ranks 1 and 3
        {"cell": 1, "function": 1, "js": 2.0, "params": 20.0},  # 2.5 and 2
        {"cell": 2, "function": 2, "js": 2.0, "params": 10.0},  # 2.5 and 1
        {"cell": 3, "function": 1, "js": 2.0, "params": 99.0},  # as cell 1, its function's first
        {"cell": 4, "function": 4, "js": math.nan, "params": 50.0},  # has no rank
    ]
    found = score_values(table(rows), "js+params")
    wanted = [
        math.log(1 / 3) + math.log(3 / 3),
        math.log(2.5 / 3) + math.log(2 / 3),
        math.log(2.5 / 3) + math.log(1 / 3),
    ]
    np.testing.assert_allclose(found.values, [*wanted, wanted[1], math.nan])
    ranked = best(table(rows), "js+params", k=5)
    assert [one.cell for one in ranked] == [1, 0, 2]
    assert [one.cell for one in best(table(rows), "js", k=2)] == [1, 2]


def test_the_best_by_every_score_has_zero() -> None:
    scores = np.random.default_rng(0).permuted(np.arange(8.0)[None].repeat(3, 0), axis=1)
    scores[:, 5] = 100
    values = combine(scores)
    assert values.argmax() == 5
    assert values[5] == 0


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ("js+", "got an empty name"),
        ("+", "got an empty name"),
        ("js+js", "got js twice"),
        ("js+pjss", "pjss.*the table has js, pjs"),
        ("jsc", "jsc.*the table has js, pjs"),
    ],
)
def test_bad_combinations_are_refused(by: str, words: str) -> None:
    rows = [{"cell": 0, "function": 0, "js": 1.0, "pjs": 2.0}]
    with pytest.raises(ResultsError, match=words) as error:
        best(table(rows), by)
    assert "\n" not in str(error.value)


def test_tables_without_settings_and_no_cells_at_all_are_refused() -> None:
    rows = [{"cell": 0, "function": 0, "js": 1.0}]
    with pytest.raises(ResultsError, match="The table has no settings: expected"):
        best(table(rows, with_settings=False), "js")
    with pytest.raises(ValueError, match="k: expected a whole number of at least 1, got 0"):
        best(table(rows), "js", k=0)


def test_the_default_score_is_the_first_preferred_one() -> None:
    rows = [{"cell": 0, "function": 0, "gradient_kernel": 1.0, "js": 1.0}]
    assert default_score(table(rows), ("pjs", "js")) == "js"
    assert default_score(table(rows), ()) == "gradient_kernel"
    assert parse_by(" js + params ") == ("js", "params")
