"""The best architectures of a table, by one score or by a combination of several.

A combination is written `js+params`: the sum over its scores of log(rank / n), as in Lee & Ham,
"AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR 2024, section 3.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import nearest, quoted, shortened, whole
from jaxnas.results.files import ResultsError
from jaxnas.results.table import score_columns, settings_of

PLUS = "+"


@dataclass(frozen=True)
class Ranked:
    """An architecture and its score.

    Attributes:
        cell: official index, None where the space has none.
        arch: the architecture.
        value: its score, the mean over seeds where there are several.
        seeds: number of seeds that it is the mean of.
    """

    cell: int | None
    arch: str
    value: float
    seeds: int


class Values(NamedTuple):
    """Scores of a table's architectures, in order of their first row; [N] each.

    Attributes:
        cells: official indices, None where there are none.
        archs: the architectures.
        functions: what stands for each one's function, as the table has it.
        values: means over seeds; NaN where one is not finite, or where a combination gives no rank.
        seeds: number of seeds that each is the mean of.
    """

    cells: list[int | None]
    archs: list[str]
    functions: NDArray[np.generic]
    values: NDArray[np.float64]
    seeds: NDArray[np.int64]


def parse_by(text: str) -> tuple[str, ...]:
    """Names of the scores of a combination, or of the one score.

    Raises:
        ResultsError: a name is empty, or comes twice.
    """
    if not isinstance(text, str):
        raise ResultsError(
            f"score: expected a name, or several joined by +, such as js+params, got {quoted(text)}"
        )
    names = tuple(name.strip() for name in text.split(PLUS))
    if not all(names):
        raise ResultsError(
            f"score {quoted(text)}: expected names joined by +, such as js+params, got an empty "
            "name; leave the + out or name another score"
        )
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ResultsError(
            f"score {quoted(text)}: expected different scores, got {shortened(twice[0])} twice; "
            "name each once"
        )
    return names


def check_by(table: pa.Table, by: str) -> tuple[str, ...]:
    """Names of the scores of a combination, all of which a table has.

    Raises:
        ResultsError: as `parse_by`, or the table lacks one.
    """
    names, known = parse_by(by), score_columns(table)
    for name in names:
        if name not in known:
            hint = nearest(name, known) or "score it first"
            raise ResultsError(
                f"score {quoted(name)}: expected a score of the table, got another; the table has "
                f"{shortened(', '.join(known), 1_000)}; {hint}"
            )
    return names


def score_values(table: pa.Table, by: str) -> Values:
    """The score of each architecture that a table has it of, undefined or not.

    Ranks of a combination go over the functions that have all of its scores finite: rank 1 is the
    worst, ties share the mean rank. A function's score is that of its first architecture in the
    table, and each of its architectures has its value.

    Args:
        table: of `jaxnas.score`.
        by: a score, or several joined by +.

    Raises:
        ResultsError: as `check_by`.
    """
    names = check_by(table, by)
    for name in names:
        table = table.filter(table[name].is_valid())
    archs, first, group = np.unique(
        np.array(table["arch"].to_pylist(), object).astype(str),
        return_index=True,
        return_inverse=True,
    )
    order = np.argsort(first)
    place = np.argsort(order)[group]
    first = first[order]
    seeds = np.bincount(place, minlength=len(first)).astype(np.int64)
    means = [_means(table[name], place, seeds) for name in names]
    rows = table.take(pa.array(first))
    functions = np.array(rows["function"].to_pylist())
    values = means[0] if len(names) == 1 else _combined(np.array(means), functions)
    cells = rows["cell"].to_pylist() if "cell" in rows.column_names else [None] * len(first)
    return Values(cells, archs[order].tolist(), functions, values, seeds)


def best(table: pa.Table, by: str, k: int = 10) -> list[Ranked]:
    """The k architectures of different functions with the highest scores, the highest first.

    An architecture's score is its mean over the seeds that are scored; one with a score that is not
    finite has no rank. Of equal scores the first in the table comes first, and of a function the
    architecture that comes first stands for it.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
        by: a score, or a combination such as "js+params".
        k: how many, at least one.

    Raises:
        ResultsError: the table has no such score, or no settings.
        ValueError: k is no whole number of at least 1.
    """
    settings_of(table)
    k = whole("k", k, 1)
    found = score_values(table, by)
    order = np.argsort(-found.values, kind="stable")
    order = order[np.isfinite(found.values[order])]
    _, heads = np.unique(found.functions[order], return_index=True)
    return [
        Ranked(found.cells[i], found.archs[i], float(found.values[i]), int(found.seeds[i]))
        for i in order[np.sort(heads)][:k].tolist()
    ]


def default_score(table: pa.Table, preferred: Sequence[str]) -> str:
    """The score by which a table is ranked where the user names none.

    Args:
        table: of `jaxnas.score` or `jaxnas.read_table`.
        preferred: names of scores, of which the first that the table has is taken; where it has
            none of them, its first score that is no count.
    """
    names = score_columns(table)
    floats = (name for name in names if pa.types.is_floating(table.schema.field(name).type))
    known = (name for name in preferred if name in names)
    return next(known, next(floats, names[0]))


def with_seed(table: pa.Table, seed: int) -> pa.Table:
    """The rows of one seed.

    Raises:
        ResultsError: there are none.
    """
    chosen = table.filter(pc.equal(table["seed"], whole("seed", seed)))
    if not chosen.num_rows:
        seeds = ", ".join(map(str, sorted(set(table["seed"].to_pylist()))))
        raise ResultsError(
            f"there are no scores of seed {seed}: there are those of seed {shortened(seeds)}"
        )
    return chosen


def status_line(table: pa.Table, names: Sequence[str]) -> str:
    """How many rows are of each status, as "15,284 ok, 341 disconnected, 0 nonfinite".

    Rows that lack one of the named scores are counted apart, as not scored.
    """
    lacks = np.zeros(table.num_rows, np.bool_)
    for name in names:
        lacks |= table[name].is_null().to_numpy()
    scored = Counter(table.filter(pa.array(~lacks))["status"].to_pylist())
    line = ", ".join(
        f"{scored[status]:,} {status}" for status in ("ok", "disconnected", "nonfinite")
    )
    return line + (f", {lacks.sum():,} not scored" if lacks.any() else "")


def combine(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Σ over scores of log(rank / n): 0 is the best of all by each score.

    Args:
        scores: finite, [S, n], higher is better.

    Returns:
        [n], higher is better.
    """
    ranks = np.array([_mean_ranks(values) for values in scores])
    return np.asarray(np.log(ranks / max(scores.shape[1], 1)).sum(axis=0))


def _mean_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The rank of each value, 1 the lowest, [n]; ties share the mean of theirs."""
    _, place, ties = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(ties) - (ties - 1) / 2)[place])


def _combined(means: NDArray[np.float64], functions: NDArray[np.generic]) -> NDArray[np.float64]:
    """The combination of scores [S, N]; each architecture has its function's value."""
    values = np.full(means.shape[1], np.nan)
    # Of each function the first architecture that has all scores.
    ranked = np.flatnonzero(np.isfinite(means).all(axis=0))
    if not len(ranked):
        return values
    _, heads, member = np.unique(functions[ranked], return_index=True, return_inverse=True)
    values[ranked] = combine(means[:, ranked[heads]])[member]
    return values


def _means(
    column: pa.ChunkedArray, place: NDArray[np.int64], seeds: NDArray[np.int64]
) -> NDArray[np.float64]:
    values = column.to_numpy().astype(np.float64)
    return np.bincount(place, weights=values, minlength=len(seeds)) / np.maximum(seeds, 1)
