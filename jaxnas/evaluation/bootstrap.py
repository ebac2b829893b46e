"""The bootstrap over functions, of all scores at once and on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import threadpoolctl  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.evaluation import measures, replicates
from jaxnas.evaluation.pairs import Floats
from jaxnas.evaluation.scores import Score

# Resamples at a time: their weights are 16 MB for the whole space.
_AT_ONCE = 125


@dataclass(frozen=True)
class _Job:
    """Scores, each with one seed, that have values for the same cells.

    Attributes:
        rows: which cells, [n].
        members: (score's place, seed's place) of each.
    """

    rows: NDArray[np.bool_]
    members: list[tuple[int, int]]


def bootstrap(
    scores: list[Score],
    accuracy: Floats,
    params: Floats,
    function: NDArray[np.integer],
    resamples: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Floats], list[Floats]]:
    """Figures of scores, and the same in resamples of the functions.

    All scores share the resamples, so that differences between them can be had resample by
    resample.

    Args:
        scores: over n cells.
        accuracy: finite, [n].
        params: number of parameters, [n].
        function: of each cell the number of its function, 0 to F - 1, [n].
        resamples: number R of resamples.
        seed: fixes them.
        progress: told how much of the work is done, of how much.

    Returns:
        Of each score its figures for its S seeds in the order of `FIGURES`, [S, figures], and
        their resamples, [S, R, figures].
    """
    shape = len(measures.FIGURES)
    values = [np.full((len(score.values), shape), np.nan) for score in scores]
    samples = [np.full((len(score.values), resamples, shape), np.nan) for score in scores]
    drawn = replicates.resample(function, resamples, seed)

    def run(job: _Job, start: int) -> None:
        part = slice(start, start + _AT_ONCE)
        truth, counts = accuracy[job.rows], params[job.rows]
        given = [scores[i].values[s, job.rows] for i, s in job.members]
        weights = drawn[:, part][function[job.rows]].astype(np.float64)
        found = measures.resampled(given, truth, counts, weights)
        for (i, s), score, resample in zip(job.members, given, found, strict=True):
            samples[i][s, part] = resample
            if not start:
                values[i][s] = measures.values(score, truth, counts)

    tasks = [(job, start) for job in _jobs(scores) for start in range(0, resamples, _AT_ONCE)]
    # One thread a task: BLAS's own threads would fight for the same cores.
    with threadpoolctl.threadpool_limits(1, "blas"), ThreadPoolExecutor(_cores()) as pool:
        for done, _ in enumerate(pool.map(lambda task: run(*task), tasks), 1):
            if progress:
                progress(done, len(tasks))
    return values, samples


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _jobs(scores: list[Score]) -> Iterator[_Job]:
    members: dict[bytes, list[tuple[int, int]]] = {}
    for i, score in enumerate(scores):
        for s, present in enumerate(~np.isnan(score.values)):
            members.setdefault(present.tobytes(), []).append((i, s))
    for rows, those in members.items():
        present = np.frombuffer(rows, np.bool_)
        if present.any():
            yield _Job(present, those)
