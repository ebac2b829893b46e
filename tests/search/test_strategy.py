"""The loop that accounts for the time of a search, and what every strategy does in it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from search_cells import (
    ARCHS,
    INDEX,
    STRATEGIES,
    asks,
    rng,
    separable,
)

from jaxnas import search as s
from jaxnas.spaces import SPACES, nb201


@pytest.mark.parametrize(
    ("budget", "archs"),
    [(3, "a"), (6.9, "a"), (7, "ab"), (11.9, "ab"), (12, "abc"), (math.inf, "abc")],
)
def test_no_training_ends_after_the_budget(budget: float, archs: str) -> None:
    seconds = {"a": 3.0, "b": 4.0, "c": 5.0}
    trace = s.search(s.each("abc"), lambda arch: s.Answer(ord(arch), seconds[arch]), budget)
    assert trace.archs == tuple(archs)
    assert trace.seconds == sum(seconds[arch] for arch in archs)
    assert [answer.reward for answer in trace.answers] == list(map(ord, archs))


def test_a_training_that_comes_too_late_is_neither_told_nor_repeated() -> None:
    told, asked = [], []

    def strategy() -> s.Strategy:
        try:
            for arch in map(str, itertools.count()):
                told.append((yield arch))
        finally:
            told.append("closed")

    def query(arch: str) -> s.Answer:
        asked.append(arch)
        return s.Answer(10.0 * int(arch), 2.0)

    assert s.search(strategy(), query, 5).archs == ("0", "1")
    assert asked == ["0", "1", "2"]
    assert told == [0.0, 10.0, "closed"]


def test_a_cell_asked_for_twice_is_paid_for_twice() -> None:
    trace = s.search(s.each("aaa"), lambda _: s.Answer(1.0, 4.0), 9)
    assert trace.archs == ("a", "a")
    assert trace.seconds == 8


def test_best_is_the_first_of_the_highest_rewards() -> None:
    rewards = {"a": 5.0, "b": 7.0, "c": 7.0, "d": 6.0}
    trace = s.search(s.each("abcd"), lambda arch: s.Answer(rewards[arch], 0.0))
    assert trace.best == "b"


@pytest.mark.parametrize(
    ("archs", "answer", "budget", "message"),
    [
        ("a", (1.0, 105.0), 60, "60 s is too small: .* of a, takes 105 s"),
        ("a", (math.nan, 1.0), 60, "a: expected a finite reward .* got reward nan"),
        ("a", (1.0, math.nan), 60, "a: expected .* finite seconds .* nan s"),
        ("a", (1.0, -1.0), 60, "a: expected .* -1 s"),
        ("", (1.0, 1.0), 60, "at least one architecture"),
    ],
)
def test_bad_answers_and_budgets_get_one_line(
    archs: str, answer: tuple[float, float], budget: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as error:
        s.search(s.each(archs), lambda _: s.Answer(*answer), budget)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_obeys_the_budget(name: str) -> None:
    seconds = rng(7).uniform(50, 150, nb201.NUM_CELLS)
    query = s.tabular(rng(8).uniform(10, 90, nb201.NUM_CELLS), seconds)
    for seed in range(5):
        trace = s.search(STRATEGIES[name](rng(seed)), query, 3000)
        spent = sum(seconds[INDEX[arch]] for arch in trace.archs)
        assert trace.seconds == pytest.approx(spent, rel=1e-12)
        assert 3000 - 150 < spent <= 3000
        assert trace.answers == tuple(query(arch) for arch in trace.archs)


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_strategy_finds_the_best_of_a_separable_reward(name: str) -> None:
    queries = {"random": 200_000, "rea": 2000, "reinforce": 4000, "bohb": 2500}[name]
    for seed in (1, 2, 3):
        rewards = separable(seed)
        query = s.tabular(rewards, np.ones(nb201.NUM_CELLS))
        strategy = STRATEGIES[name](rng(seed))
        assert s.search(strategy, query, queries).best == ARCHS[rewards.argmax()]


@pytest.mark.parametrize("name", ["rea", "reinforce", "bohb"])
def test_every_strategy_but_chance_learns(name: str) -> None:
    """What is asked for late is better than a random cell, by far more than chance would have."""
    rewards = separable(4)
    late = [
        rewards[asks(STRATEGIES[name](rng(seed)), rewards.__getitem__, 400)[200:]].mean()
        for seed in range(10)
    ]
    spread = np.std(late, ddof=1) / math.sqrt(len(late))
    assert np.mean(late) - rewards.mean() > 6 * max(spread, rewards.std() / math.sqrt(2000))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_seed_fixes_every_strategy(name: str) -> None:
    rewards = rng(3).uniform(10, 90, nb201.NUM_CELLS)
    first, again, other = (
        asks(STRATEGIES[name](rng(seed)), rewards.__getitem__, 60) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_strategies_search_spaces_whose_entries_differ() -> None:
    """The DARTS space: a reward that counts separable convolutions from the first input."""
    space = SPACES["darts"]

    def query(arch: str) -> s.Answer:
        return s.Answer(float(arch.count("('sep_conv_3x3', 0)")), 1.0)

    for name, strategy in STRATEGIES.items():
        trace = s.search(strategy(rng(0), space), query, 600)
        assert all(space.parse(arch) == arch for arch in set(trace.archs))
        late = np.mean([answer.reward for answer in trace.answers[400:]])
        assert late < 1 if name == "random" else late > 1
        assert trace.archs == s.search(strategy(rng(0), space), query, 600).archs
    with pytest.raises(ValueError, match="a table of the DARTS space: expected a space with off"):
        s.tabular(np.zeros(3), np.zeros(3), space)
