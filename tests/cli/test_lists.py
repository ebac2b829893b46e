"""`jaxnas proxies` and `jaxnas spaces`: everything that there is, and nothing else."""

from __future__ import annotations

import pytest
from commands import Call

from jaxnas.proxies import catalogue
from jaxnas.references import REFERENCES
from jaxnas.reports import catalogue as reports
from jaxnas.spaces import SPACES


def first_words(out: str) -> dict[str, str]:
    """The lines of the table, by their first word."""
    lines = out.partition("\n\n")[0].splitlines()[1:]
    return {line.split()[0]: line.rstrip() for line in lines}


def test_proxies_lists_every_score(call: Call) -> None:
    status, out, _ = call("proxies")
    assert status == 0
    rows = first_words(out)
    assert tuple(rows) == catalogue.names()
    assert {name for name, row in rows.items() if row.endswith("yes")} == set(catalogue.all_names())
    for entry in catalogue.CATALOGUE:
        assert entry.meaning in rows[entry.name]
        assert entry.cost in rows[entry.name]
        assert REFERENCES[entry.reference].short in rows[entry.name]
        assert REFERENCES[entry.reference].title in out


def test_spaces_lists_every_space(call: Call) -> None:
    status, out, _ = call("spaces")
    assert status == 0
    rows = first_words(out)
    assert tuple(rows) == tuple(SPACES)
    for name, space in SPACES.items():
        assert space.title in rows[name]
        assert f"{space.sizes.channels} channels, depth {space.sizes.depth}" in rows[name]
        assert f"{name}: depth counts {space.depth_means}" in out


@pytest.mark.parametrize("report", [reports.scores(), reports.spaces()])
def test_rows_of_a_list_have_the_same_names(report: reports.Report) -> None:
    assert len({tuple(row) for row in report.rows}) == 1
