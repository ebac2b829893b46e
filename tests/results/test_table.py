"""The finished table: nulls, failures, representatives, bytes."""

from __future__ import annotations

import json
import math
import random
import time
from pathlib import Path

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from results_cases import (
    CELLS,
    DISCONNECTED,
    JS,
    JSC,
    MATES,
    REQUIRES,
    SETTINGS,
    ask,
    cell_of,
    record,
    request,
    table_of,
)

from jaxnas.results import Folder, ResultsError, used_constant
from jaxnas.results.table import write_table
from jaxnas.spaces import nb201


def test_null_is_not_scored_or_not_asked_and_nan_is_failed(tmp_path: Path) -> None:
    dead = DISCONNECTED[0]
    cells = sorted({1, 2, 3, dead})
    requests = [request(tuple(cells), (0,), ("pjs",)), request((2,), (0,), ("js",))]
    records = [record(1, 0, {"pjs": math.nan, "js": 1.0}), record(2, 0, {"pjs": 1.0, "js": 2.0})]
    write_table(table_of(records, requests, merged=False), tmp_path / "t.parquet")
    rows = {row["cell"]: row for row in pq.read_table(tmp_path / "t.parquet").to_pylist()}
    assert math.isnan(rows[1]["pjs"])  # failed
    assert rows[1]["js"] is None  # scored, but never asked for
    assert rows[2]["js"] == 2.0
    assert rows[3]["pjs"] is None  # not scored yet
    assert math.isnan(rows[dead]["pjs"])  # has no gradient
    assert rows[dead]["js"] is None
    status = {cell: row["status"] for cell, row in rows.items()}
    assert status == {1: "nonfinite", 2: "ok", 3: "ok", dead: "disconnected"}


def test_disconnected_cells_are_nan_whatever_was_recorded() -> None:
    dead = DISCONNECTED[3]
    asked = request((dead,), (0,), ("pjs", "params"))
    for records in (
        [],
        [record(dead, 0, {"pjs": 5.0})],
        [record(DISCONNECTED[0], 0, {"pjs": 5.0})],
    ):
        (row,) = table_of(records, [asked]).to_pylist()
        assert math.isnan(row["pjs"])
        assert row["params"] == nb201.num_params(nb201.index_to_ops(dead))


def test_merged_cells_take_the_scores_of_their_representative() -> None:
    function, copy = MATES[1][:2]
    records = [record(function, 0, {"pjs": 1.0}), record(copy, 0, {"pjs": 2.0})]
    requests = [request((function, copy), (0,), ("pjs",))]
    for merged, expected in ((True, [1.0, 1.0]), (False, [1.0, 2.0])):
        table = table_of(records, requests, merged=merged)
        assert table["pjs"].to_pylist() == expected
        assert table["function"].to_pylist() == [function, function]


def test_noise_range_is_kept_with_the_table(tmp_path: Path) -> None:
    records = [
        record(cell, 0, {name: float(HAND[name][n]) for name in JS})
        for n, cell in enumerate((1, 2))
    ]
    requests = [request((1, 2), (0,), ("sns",))]
    for given_range, expected in ((None, (-100.0, 0.0)), ((-200.0, 0.1), (-200.0, 0.1))):
        table = table_of(records, requests, merged=False, noise_range=given_range)
        write_table(table, tmp_path / "t.parquet")
        assert used_constant(pq.read_table(tmp_path / "t.parquet"), "noise_range") == expected
    assert (
        used_constant(table_of(records, [request((1,), (0,), ("js", "snsc"))]), "noise_range")
        is None
    )
    assert used_constant(table_of([], requests), "noise_range") is None


def test_nan_has_one_bit_pattern_however_it_came_about() -> None:
    one = record(1, 0, {"pjs": -math.nan, **dict.fromkeys([*JS, *JSC], math.inf)})
    table = table_of([one], [request((1,), (0,), ("pjs", *REQUIRES))], noise_range=(0.0, 1.0))
    for name in ("pjs", *REQUIRES):
        assert table[name].to_numpy().tobytes() == np.array([np.nan]).tobytes()


def test_table_refuses_columns_and_requests_it_cannot_place() -> None:
    with pytest.raises(ResultsError, match="got js2, which this version does not know"):
        table_of([], [request((1,), (0,), ("js2", "js"))])
    with pytest.raises(ResultsError, match="at least one request"):
        table_of([], [])


def test_bytes_do_not_depend_on_order_or_grouping_of_parts(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(-70, 20, (len(CELLS), 3, 8))
    values[0, 0, 0] = np.nan
    values[1, 1, 1] = -np.nan  # another bit pattern
    values[2, 2, 2] = -np.inf
    records = [
        record(cell, seed, dict(zip((*JS, *JSC), values[n, seed], strict=True)), {"js": n + 0.125})
        for n, cell in enumerate(CELLS)
        for seed in range(3)
    ]
    files = []
    for attempt in range(6):
        out = tmp_path / str(attempt)
        mixed = random.Random(attempt).sample(records, len(records))
        if attempt == 1:  # one score at a time, repeated, with other times and another NaN
            mixed = [
                record(
                    cell_of(r),
                    r.seed,
                    {name: -r.scores[name] if math.isnan(r.scores[name]) else r.scores[name]},
                    {"js": 3.0},
                )
                for r in mixed
                for name in r.scores
            ] + mixed
        with Folder.open(out, SETTINGS, {"attempt": attempt}) as folder:
            groups = (1, 7, 100, 13, 2, 50)[attempt]
            for columns in random.Random(attempt).sample([REQUIRES, JS], 2):
                ask(folder, reversed(CELLS), [2, 0, 1], columns)
            for start in range(0, len(mixed), groups * (40 if attempt == 1 else 1)):
                folder.append(mixed[start : start + groups * (40 if attempt == 1 else 1)])
            table = table_of(
                folder.records(), folder.requests, merged=False, settings=folder.settings
            )
            write_table(table, out / "scores.parquet")
        files.append((out / "scores.parquet").read_bytes())
    assert all(data == files[0] for data in files)
    metadata = pq.read_schema(tmp_path / "0/scores.parquet").metadata
    assert json.loads(metadata[b"jaxnas.settings"]) == SETTINGS
    assert metadata[b"jaxnas.format"] == b"2"
    assert b"attempt" not in files[0]
    chunked = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    write_table(chunked, tmp_path / "chunked.parquet")
    assert (tmp_path / "chunked.parquet").read_bytes() == files[0]


def test_the_full_space_is_assembled_in_two_seconds() -> None:
    names = tuple(f"score{n}" for n in range(12)) + JS + JSC
    representatives = np.unique(nb201.representatives())
    scores = np.random.default_rng(0).normal(size=(len(representatives), len(names)))
    records = (
        record(cell, 0, dict(zip(names, row, strict=True)))
        for cell, row in zip(representatives.tolist(), scores.tolist(), strict=True)
    )
    requests = [request(tuple(range(15625)), (0,), ("params", "flops", *names, *REQUIRES))]
    records = list(records)
    start = time.process_time()
    table = table_of(records, requests, order=("params", "flops", *names, *REQUIRES))
    assert time.process_time() - start < 2
    assert table.num_rows == 15625
    connected = nb201.is_connected(nb201.cell_ops())
    where = np.searchsorted(representatives, nb201.representatives())
    expected = np.where(connected[:, None], scores[where], np.nan)
    for n, name in enumerate(names):
        np.testing.assert_array_equal(table[name].to_numpy(), expected[:, n])


def columns_from(values: dict[str, list[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in values.items()}


HAND = columns_from(
    {
        "js": [-100.0, -60.0],
        "js_n0.1": [-90.0, -60.0],
        "js_n10": [-80.0, -20.0],
        "js_n100": [0.0, -70.0],
        "jsc": [0.5, 0.8],
        "jsc_n0.1": [0.25, 0.8],
        "jsc_n10": [0.75, 0.3],
        "jsc_n100": [0.5, 0.3],
    }
)  # js~ = 0, .4; with noise .1 and .4, .2 and .8, 1 and .3


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_constants_that_are_no_range_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="noise_range: expected"):
        table_of([], [request((1,), (0,), ("sns",))], noise_range=limits)
