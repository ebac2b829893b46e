"""What a search strategy is, and the one loop that runs any of them within a budget.

A strategy yields the arch to be trained next and is sent its reward. It knows neither where the
reward comes from, a benchmark's table or a real training, nor what it costs: time is accounted
for here alone.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from jaxnas.checks import checked, ranges
from jaxnas.spaces import DEFAULT, Space


class Answer(NamedTuple):
    """What came of training a cell.

    Attributes:
        reward: what is maximised, such as a validation accuracy in percent.
        seconds: what the training took.
    """

    reward: float
    seconds: float


Query: TypeAlias = Callable[[str], Answer]
"""Trains an arch, or looks up what came of it."""

Strategy: TypeAlias = Generator[str, float, None]
"""Yields an arch, is sent its reward; ends when it has nothing more to ask."""


@dataclass(frozen=True)
class Trace:
    """All queries of a search, in their order.

    Attributes:
        archs: one a query; one asked for twice was paid for twice.
        answers: theirs.
    """

    archs: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def best(self) -> str:
        """The arch with the highest reward, of equals the one asked for first."""
        return self.archs[max(range(len(self.archs)), key=lambda i: self.answers[i].reward)]

    @property
    def seconds(self) -> float:
        """The sum over all queries."""
        return math.fsum(answer.seconds for answer in self.answers)


def search(strategy: Strategy, query: Query, budget: float = math.inf) -> Trace:
    """Runs a strategy until it ends or its time is spent.

    A training that would end after the budget is not counted, neither its reward nor its time, and
    ends the search (Dong & Yang, "NAS-Bench-201", ICLR 2020, by its released code).

    Args:
        strategy: not yet started; closed at the end.
        query: answers for one arch; rewards are finite, seconds finite and not negative.
        budget: seconds that all trainings together may take; inf for a strategy that ends.

    Raises:
        ValueError: the budget is too small for the first training, the strategy asks for nothing,
            or an answer is not of that kind.
    """
    if budget != math.inf:
        budget = checked("budget", budget, ranges.Budget)
    archs: list[str] = []
    answers: list[Answer] = []
    with contextlib.closing(strategy):
        spent = 0.0
        arch = next(strategy, None)
        while arch is not None:
            answer = query(arch)
            if not math.isfinite(answer.reward) or not 0 <= answer.seconds < math.inf:
                raise ValueError(
                    f"{arch}: expected a finite reward and finite seconds from its training, "
                    f"got reward {answer.reward:g} and {answer.seconds:g} s"
                )
            spent += answer.seconds
            if spent > budget:
                break
            archs.append(arch)
            answers.append(answer)
            try:
                arch = strategy.send(answer.reward)
            except StopIteration:
                arch = None
    if not archs:
        if arch is None:
            raise ValueError(
                "the strategy: expected at least one architecture to train, it asks for none"
            )
        raise ValueError(
            f"a budget of {budget:g} s is too small: the first training, of {arch}, takes "
            f"{spent:g} s"
        )
    return Trace(tuple(archs), tuple(answers))


def each(archs: Iterable[str]) -> Strategy:
    """Asks for the given archs, whatever their rewards."""
    # Not `yield from`, which would send the rewards on to an iterable that takes none.
    for arch in archs:  # noqa: UP028
        yield arch


def tabular(
    rewards: NDArray[np.float64], seconds: NDArray[np.float64], space: Space = DEFAULT
) -> Query:
    """Answers from a table.

    Args:
        rewards: [space.size], at official indices.
        seconds: [space.size], of the training that gives the reward.
        space: whose indices they are.

    Raises:
        ValueError: the space has no indices, or the arrays are not of its size.
    """
    if not space.indexed or len(rewards) != space.size or len(seconds) != space.size:
        size = f"{space.size:,} numbers" if space.indexed else "a space with official indices"
        raise ValueError(
            f"a table of {space.title}: expected {size}, got {len(rewards):,} rewards and "
            f"{len(seconds):,} times; search it with a query that trains"
        )
    # Python's own numbers: hundreds of searches ask tens of thousands of times.
    answers = map(Answer, rewards.tolist(), seconds.tolist())
    return dict(zip(map(space.arch, range(space.size)), answers, strict=True)).__getitem__
