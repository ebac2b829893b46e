"""What a search strategy is, and the one loop that runs any of them within a budget.

A strategy yields the cell to be trained next and is sent its reward. It knows neither where the
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


class Answer(NamedTuple):
    """What came of training a cell.

    Attributes:
        reward: what is maximised, such as a validation accuracy in percent.
        seconds: what the training took.
    """

    reward: float
    seconds: float


# Trains the cell of an official index, or looks up what came of it.
Query: TypeAlias = Callable[[int], Answer]

# Yields a cell, is sent its reward; ends when it has nothing more to ask.
Strategy: TypeAlias = Generator[int, float, None]


@dataclass(frozen=True)
class Trace:
    """All queries of a search, in their order.

    Attributes:
        cells: official indices, one a query; a cell asked for twice was paid for twice.
        answers: theirs.
    """

    cells: tuple[int, ...]
    answers: tuple[Answer, ...]

    @property
    def best(self) -> int:
        """The cell with the highest reward, of equals the one asked for first."""
        return self.cells[max(range(len(self.cells)), key=lambda i: self.answers[i].reward)]

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
        query: answers for one cell; rewards are finite, seconds finite and not negative.
        budget: seconds that all trainings together may take.

    Raises:
        ValueError: the budget is too small for the first training, the strategy asks for nothing,
            or an answer is not of that kind.
    """
    cells: list[int] = []
    answers: list[Answer] = []
    with contextlib.closing(strategy):
        spent = 0.0
        cell = next(strategy, None)
        while cell is not None:
            answer = query(cell)
            if not math.isfinite(answer.reward) or not 0 <= answer.seconds < math.inf:
                raise ValueError(
                    f"cell {cell}: expected a finite reward and finite seconds from its training, "
                    f"got reward {answer.reward:g} and {answer.seconds:g} s"
                )
            spent += answer.seconds
            if spent > budget:
                break
            cells.append(cell)
            answers.append(answer)
            try:
                cell = strategy.send(answer.reward)
            except StopIteration:
                cell = None
    if not cells:
        if cell is None:
            raise ValueError("the strategy: expected at least one cell to train, it asks for none")
        raise ValueError(
            f"a budget of {budget:g} s is too small: the first training, of cell {cell}, takes "
            f"{spent:g} s"
        )
    return Trace(tuple(cells), tuple(answers))


def each(cells: Iterable[int]) -> Strategy:
    """Asks for the given cells, whatever their rewards."""
    # Not `yield from`, which would send the rewards on to an iterable that takes none.
    for cell in cells:  # noqa: UP028
        yield cell


def tabular(rewards: NDArray[np.float64], seconds: NDArray[np.float64]) -> Query:
    """Answers from a table.

    Args:
        rewards: [N], at each cell's index.
        seconds: [N], of the training that gives the reward.
    """
    # Python's own numbers: hundreds of searches ask tens of thousands of times.
    answers = list(map(Answer, rewards.tolist(), seconds.tolist()))
    return answers.__getitem__
