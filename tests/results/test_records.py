"""Records and the long table they are kept in."""

from __future__ import annotations

import math

import pytest
from results_cases import cell_of, record

from jaxnas.results import ResultsError
from jaxnas.results.records import from_table, to_table


def test_records_survive_the_long_table() -> None:
    records = [
        record(1, -(2**63), {"js": math.nan, "pjs": math.inf}, {}),
        record(1, 2**63 - 1, {"pjs": 1 / 3}, {"jacobian": 0.5, "pjs": 2.0}),
        record(15624, 0, {}, {"js": 1.0}),
    ]
    back = from_table(to_table(reversed(records)))
    assert {(r.arch, r.seed) for r in back} == {(r.arch, r.seed) for r in records}
    back.sort(key=lambda r: (cell_of(r), r.seed))
    assert math.isnan(back[0].scores["js"])
    assert back[0].scores["pjs"] == math.inf
    assert back[1:] == records[1:]


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_record_refuses_a_seed_that_the_column_cannot_hold(seed: int) -> None:
    with pytest.raises(ResultsError, match=r"expected .* got"):
        record(0, seed, {})
