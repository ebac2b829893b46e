"""What a score picks, by enumeration."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

from jaxnas.evaluation import Protocol, picking


def pick(score: Any, accuracy: Any, function: Any, cells: int, runs: int = 2000) -> Any:
    drawn = picking.draws(len(accuracy), Protocol(runs, cells), seed=0)
    values = None if score is None else np.array(score, np.float64)
    return picking.pick(drawn, values, np.array(accuracy), np.array(function), seed=0)


def test_the_best_of_a_draw_is_picked() -> None:
    """Over all pairs of 4 cells the better by score has accuracy 3 in three of six, ..."""
    accuracy = [0.0, 1.0, 2.0, 3.0]
    found = pick([10, 11, 12, 13], accuracy, [0, 1, 2, 3], cells=2)
    best = [max(pair) for pair in itertools.combinations(accuracy, 2)]
    assert found.mean == pytest.approx(np.mean(best), abs=0.06)
    assert found.std == pytest.approx(np.std(best), abs=0.06)


def test_a_function_with_many_copies_is_not_picked_more_often() -> None:
    accuracy, function = [10.0, 10, 10, 20], [5, 5, 5, 9]
    assert pick([1, 1, 1, 1], accuracy, function, cells=4).mean == pytest.approx(15, abs=0.4)
    assert pick(None, accuracy, function, cells=2).mean == pytest.approx(12.5, abs=0.4)


def test_cells_without_a_score_are_never_picked() -> None:
    assert pick([np.nan, -5, np.nan], [90.0, 1, 90], [0, 1, 2], cells=3).mean == 1
    assert math.isnan(pick([np.nan] * 3, [90.0, 1, 90], [0, 1, 2], cells=2).mean)


def test_draws_of_all_cells_have_no_spread_and_too_few_cells_no_value() -> None:
    all_one = pick([1, 2, 3], [1.0, 2, 3], [0, 1, 2], cells=3)
    assert all_one.mean == 3
    assert math.isnan(all_one.std)
    assert math.isnan(pick([1, 2, 3], [1.0, 2, 3], [0, 1, 2], cells=4).mean)
