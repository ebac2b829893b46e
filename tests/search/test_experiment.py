"""Runs of searches, what they are compared with, and both on the real table."""

from __future__ import annotations

import math

import numpy as np
import pytest
from search_cells import (
    ARCHS,
    INDEX,
    NB201,
    OPS,
    STRATEGIES,
    brute_force,
    rng,
)

from jaxnas import oracle
from jaxnas import search as s
from jaxnas.spaces import SPACES, nb201


def test_a_run_depends_on_its_number_and_the_seed_alone() -> None:
    query = s.tabular(rng(0).random(15625), np.full(15625, 100.0))
    run = s.searching(s.regularized_evolution, query, 3000)
    few, many, other = (list(s.repeat(run, n, seed)) for n, seed in ((3, 4), (8, 4), (8, 5)))
    assert many[:3] == few
    assert many != other
    assert len({found.arch for found in many}) > 1


def test_summary_by_hand() -> None:
    valid, test = np.zeros((2, 15625))
    valid[:3], test[:3] = (10.0, 20.0, 40.0), (11.0, 21.0, 44.0)
    found = [s.Found(ARCHS[0], 2, 30.0), s.Found(ARCHS[2], 4, 50.0)]
    assert s.summarise("mine", found, valid, test) == s.Summary(
        "mine", 3.0, 40.0, 25.0, 15.0, 27.5, 16.5
    )
    best = s.optimum(valid, -test, ARCHS[:2])
    assert (best.valid, best.test, best.valid_std) == (20.0, -11.0, None)


def test_random_baselines_against_order_statistics() -> None:
    """The expected accuracy of the best by reward of k of N cells drawn without replacement."""
    population = rng(3).permutation(15625)[:500]
    rewards = rng(4).random(15625)
    test = 50 + 20 * rewards + rng(5).normal(size=15625)
    archs = [ARCHS[cell] for cell in population]
    runs = dict(s.baselines(archs, s.tabular(rewards, np.full(15625, 7.0)), 100, (5,)))
    found = list(s.repeat(runs["best of 5 random cells"], 2000, 0))
    assert {(run.queries, run.seconds) for run in found} == {(5, 35.0)}
    rising = population[np.argsort(rewards[population])]
    ways = np.array([math.comb(below, 4) for below in range(500)]) / math.comb(500, 5)
    values = test[[INDEX[run.arch] for run in found]]
    expected = ways @ test[rising]
    assert abs(values.mean() - expected) < 4 * values.std() / math.sqrt(2000)
    ones = test[[INDEX[run.arch] for run in s.repeat(runs["one random cell"], 2000, 0)]]
    assert abs(ones.mean() - test[population].mean()) < 4 * ones.std() / math.sqrt(2000)


def test_params_baselines_by_brute_force() -> None:
    params = nb201.num_params(OPS)
    rewards = rng(6).random(15625)
    query = s.tabular(rewards, np.full(15625, 7.0))
    runs = dict(s.baselines(ARCHS, query, 30, (4,)))
    for number in range(5):
        sample = [INDEX[arch] for arch in s.draw(rng(2, number), ARCHS, 30)]
        assert len(set(sample)) == 30
        four = brute_force(sample, dict(enumerate(params.tolist())), 4)
        found = runs["top 4 of 30 by params"](rng(2, number))
        assert found == (ARCHS[max(four, key=rewards.__getitem__)], 4, 28.0)
        thousand = [INDEX[arch] for arch in s.draw(rng(2, number), ARCHS, 1000)]
        untrained = runs["most params of 1,000, untrained"](rng(2, number))
        assert untrained == (ARCHS[max(thousand, key=params.__getitem__)], 0, 0.0)


def test_baselines_of_a_small_population() -> None:
    query = s.tabular(np.zeros(15625), np.zeros(15625))
    names = [name for name, _ in s.baselines(ARCHS[:50], query, 20, (5,))]
    assert names == ["one random cell", "best of 5 random cells", "top 5 of 20 by params",
                     "most params of 10, untrained"]  # fmt: skip
    with pytest.raises(ValueError, match="a sample of 51 cells: expected 1 to 50"):
        s.draw(rng(0), ARCHS[:50], 51)


def test_other_spaces_have_no_published_figures() -> None:
    assert s.published("cifar10", SPACES["darts"]) == []
    with pytest.raises(ValueError, match="svhn"):
        s.published("svhn", SPACES["darts"])


def test_published_figures_are_complete() -> None:
    for dataset in oracle.DATASETS:
        rows = s.published(dataset)
        assert all(row.source and (row.test or row.valid) for row in rows)
        assert len({row.method for row in rows}) == len(rows)
    with pytest.raises(ValueError, match="svhn"):
        s.published("svhn")


# The real table.


@pytest.fixture(scope="module")
def table() -> oracle.Oracle:
    if not NB201.exists():
        pytest.skip("no shared data here")
    return oracle.read(NB201)


PUBLISHED = {
    "random": "random search",
    "rea": "REA",
    "reinforce": "REINFORCE",
    "bohb": "BOHB",
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_searches_on_cifar10_agree_with_the_published(table: oracle.Oracle, name: str) -> None:
    """The published protocol: searched on CIFAR-10, reported on all; within half a deviation."""
    query = s.tabular(table.accuracy("cifar10", "valid", 12), table.seconds("cifar10", 12))
    found = list(s.repeat(s.searching(STRATEGIES[name], query, 12000), 200, 0))
    for dataset in oracle.DATASETS:
        ours = s.summarise(
            name,
            found,
            table.accuracy(dataset, "valid", 200),
            table.accuracy(dataset, "test", 200),
        )
        theirs = next(row for row in s.published(dataset) if row.method == PUBLISHED[name])
        assert abs(ours.valid - theirs.valid) < theirs.valid_std / 2
        assert abs(ours.test - theirs.test) < theirs.test_std / 2
        assert 0.5 < ours.test_std / theirs.test_std < 2


MEASURED = {
    "best of 20 random cells": ((92.97, 0.87), (69.66, 1.60), (42.98, 2.22)),
    "best of 40 random cells": ((93.39, 0.62), (70.41, 1.35), (43.95, 1.66)),
    "top 20 of 300 by params": ((93.81, 0.44), (71.66, 1.11), (45.09, 1.44)),
    "top 40 of 300 by params": ((93.95, 0.26), (71.91, 0.89), (45.41, 1.00)),
    "most params of 10, untrained": ((92.40, None), (68.46, None), (40.32, None)),
}


@pytest.mark.parametrize(("column", "dataset"), list(enumerate(oracle.DATASETS)))
def test_baselines_agree_with_independent_figures(
    table: oracle.Oracle, column: int, dataset: str
) -> None:
    query = s.tabular(table.accuracy(dataset, "valid", 12), table.seconds(dataset, 12))
    test = table.accuracy(dataset, "test", 200)
    runs = dict(s.baselines(ARCHS, query, 300, (20, 40)))
    for name, figures in MEASURED.items():
        mean, deviation = figures[column]
        ours = s.summarise(name, list(s.repeat(runs[name], 300, 0)), test, test)
        # Four deviations of a difference of means of 300 and of some 500 runs.
        assert abs(ours.test - mean) < 4 * ours.test_std * math.sqrt(1 / 300 + 1 / 500)
        assert deviation is None or 0.75 < ours.test_std / deviation < 1.35


def test_optimum_is_the_benchmarks(table: oracle.Oracle) -> None:
    best = [
        s.optimum(table.accuracy(d, "valid", 200), table.accuracy(d, "test", 200), ARCHS)
        for d in oracle.DATASETS
    ]
    assert [round(row.test, 2) for row in best] == [94.37, 73.51, 47.31]
    assert [round(row.valid, 2) for row in best] == [91.61, 73.49, 46.73]
