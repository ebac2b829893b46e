"""The table against one built row by row."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results_cases import ARCHS, CELLS, JS, JSC, ORDER, REQUIRES, cell_of, record, request, table_of

from jaxnas.proxies.derived import DERIVED
from jaxnas.results import Record, Request
from jaxnas.spaces import nb201


def slow_table(
    records: Sequence[Record],
    requests: Sequence[Request],
    merged: bool,
    noise_range: tuple[float, float] | None,
) -> list[dict[str, Any]]:
    """`assemble` as one would write it on a blackboard, row by row; null is None."""
    asked: dict[tuple[int, int], set[str]] = {}
    for asked_for in requests:
        for cell, seed in itertools.product(map(ARCHS.index, asked_for.archs), asked_for.seeds):
            asked.setdefault((cell, seed), set()).update(DERIVED.with_bases(asked_for.columns))
    stored: dict[tuple[int, int, str], float] = {}
    for one in records:
        for name, value in one.scores.items():
            stored.setdefault((cell_of(one), one.seed, name), value)
    rows = []
    for cell, seed in sorted(asked):
        ops = nb201.index_to_ops(cell)
        function = int(nb201.representatives()[cell])
        row: dict[str, Any] = {
            "cell": cell,
            "arch": nb201.index_to_arch(cell),
            "function": function,
            "seed": seed,
            "status": "ok" if nb201.is_connected(ops) else "disconnected",
        }
        for name in (name for name in ORDER if any(name in names for names in asked.values())):
            score = stored.get((function if merged else cell, seed, name))
            row[name] = slow_value(name, ops, score) if name in asked[cell, seed] else None
        rows.append(row)
    finite = [row[name] for row in rows for name in JS if name in row and row[name] is not None]
    finite = [value for value in finite if math.isfinite(value)]
    limits = noise_range or ((min(finite), max(finite)) if finite else (0.0, 0.0))
    for row in rows:
        for name in [name for name, value in row.items() if value == "derived"]:
            row[name] = slow_derived(name, row, limits)
        values = [value for value in row.values() if isinstance(value, float)]
        if row["status"] == "ok" and not all(map(math.isfinite, values)):
            row["status"] = "nonfinite"
    return rows


def slow_value(name: str, ops: tuple[int, ...], score: float | None) -> float | str | None:
    if name == "params":
        return int(nb201.num_params(ops, 7))
    if name == "flops":
        return int(nb201.num_flops(ops, 7, 16))
    if not nb201.is_connected(ops):
        return math.nan
    return "derived" if name in REQUIRES else score


def slow_derived(name: str, row: dict[str, Any], limits: tuple[float, float]) -> float | None:
    if any(row[base] is None for base in REQUIRES[name]):
        return None
    low, high = limits
    base = "jsc" if name.endswith("c") else "js"
    if base == "js" and low == high:
        return math.nan

    def scaled(column: str) -> float:
        return float((row[column] - low) / (high - low) if base == "js" else row[column])

    levels = {"s": ["n0.1"], "l": ["n10"], "m": ["n0.1", "n10", "n100"]}[name[0]]
    result = scaled(base) if name[0] == "m" else 1.0
    for level in levels:
        result *= 1 - abs(scaled(base) - scaled(f"{base}_{level}"))
    return result


some_cells = st.lists(st.sampled_from(CELLS), min_size=1, max_size=6)
some_seeds = st.lists(st.sampled_from([-7, 0, 3, 10**12]), min_size=1, max_size=3)
some_values = st.one_of(
    st.floats(-100, 100), st.sampled_from([math.nan, -math.nan, math.inf, -math.inf])
)
some_records = st.lists(
    st.builds(
        record,
        st.sampled_from(CELLS),
        st.sampled_from([-7, 0, 3, 10**12, 99]),
        st.dictionaries(st.sampled_from(["pjs", "unasked", *JS, *JSC]), some_values, min_size=1),
    ),
    max_size=20,
)
some_requests = st.lists(
    st.builds(
        lambda cells, seeds, columns: request(tuple(cells), tuple(seeds), tuple(columns)),
        some_cells,
        some_seeds,
        st.lists(st.sampled_from(ORDER), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=120, deadline=None)
@given(some_records, some_requests, st.booleans(), st.sampled_from([None, (-50.0, 50.0)]))
def test_table_is_what_a_plain_loop_gives(
    records: list[Record],
    requests: list[Request],
    merged: bool,
    noise_range: tuple[float, float] | None,
) -> None:
    table = table_of(
        records, requests, merged=merged, num_classes=7, image_size=16, noise_range=noise_range
    )
    expected = slow_table(records, requests, merged, noise_range)
    assert table.schema.names == list(expected[0])
    for got, wanted in zip(table.to_pylist(), expected, strict=True):
        for name, value in wanted.items():
            if isinstance(value, float) and math.isfinite(value):
                assert got[name] == pytest.approx(value, rel=1e-12, abs=1e-12)
            elif isinstance(value, float):
                assert got[name] == value or (math.isnan(got[name]) and math.isnan(value))
            else:
                assert got[name] == value


def test_types_of_the_table() -> None:
    table = table_of([], [request((1,), (0,), ("params", "flops", "mnjs"))])
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "cell": "int64",
        "arch": "string",
        "function": "int64",
        "seed": "int64",
        "status": "string",
        "params": "int64",
        "flops": "int64",
    } | dict.fromkeys([*JS, "mnjs"], "double")
