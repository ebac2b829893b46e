"""What is said of candidates and of the one that is chosen."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jaxnas.reports import choice as reports
from jaxnas.reports.choice import Benchmark
from jaxnas.spaces import SPACES
from jaxnas.training import Choice, Epoch, Trained

NB201 = SPACES["nb201"]


def trained(cell: int, valid: float, test: float, *, indexed: bool = True) -> Trained:
    """What came of a training of 2 s; it diverged in its second epoch where `valid` is NaN."""
    diverged = math.isnan(valid)
    epoch = Epoch(1, 0.1, 1.0, 50.0, 99.0 if diverged else valid, 2.0)
    status, step = ("diverged", 7) if diverged else ("ok", None)
    index = cell if indexed else None
    return Trained(NB201.arch(cell), index, str(cell), 1, 0, status, (epoch,), test, step)


def text_of(report: reports.Report) -> list[dict[str, str]]:
    """The cells of the table as the terminal shows them."""
    return [{c.heading: c.text(row) for c in report.columns} for row in report.rows]


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
    sample = tuple(map(NB201.arch, range(10)))
    accuracy = {arch: float(n) for n, arch in enumerate(sample)}
    benchmark = Benchmark(sample, {("cifar10", s): accuracy for s in ("valid", "test")})
    rows = reports.choice_rows([choice, none], benchmark)
    assert [row["cell"] for row in rows] == [3, None, None]
    assert [row["arch"] for row in rows] == [NB201.arch(3), None, None]
    assert [row["benchmark_cifar10_test"] for row in rows] == [3, None, 9]
    assert [row["mean_benchmark_cifar10_test"] for row in rows] == [3.5, 5, 4.5]
    report = reports.chosen(rows)
    shown = text_of(report)
    assert [row["chosen from"] for row in shown] == ["x", "y", "best of all 10, by the benchmark"]
    assert [row["mean test %"] for row in shown] == ["40.00 ± 35.59", "-", ""]
    assert [row["cifar10 test"] for row in shown] == ["3.00", "", "9.00"]
    assert len(report.notes) == 1


def test_candidates_are_shown_best_first_with_their_places() -> None:
    found = [trained(4, 60, 10), trained(3, math.nan, math.nan), trained(2, 61, 90)]
    archs = [one.arch for one in found]
    scores = dict(zip(archs, (1.0, math.nan, 2.5), strict=True))
    rows = reports.candidate_rows(found, "js", scores, archs[::2], archs[1:], Benchmark(()))
    assert [row["cell"] for row in rows] == [2, 4, 3]
    shown = text_of(reports.candidates(rows, "js"))
    assert [row["js"] for row in shown] == ["2.5", "1", "-"]
    assert [(row["rank"], row["drawn"]) for row in shown] == [("2", "2"), ("1", ""), ("", "1")]
    assert [row["valid %"] for row in shown] == ["61.00", "60.00", "-"]


def test_a_space_without_indices_is_shown_by_its_archs() -> None:
    found = [trained(4, 60, 10, indexed=False)]
    rows = reports.candidate_rows(found, "js", {found[0].arch: 1.0}, (), (), Benchmark(()))
    assert "cell" not in text_of(reports.candidates(rows, "js"))[0]
    chosen = reports.choice_rows([Choice("x", tuple(found))], Benchmark(()))
    assert text_of(reports.chosen(chosen))[0]["arch"] == found[0].arch
