"""Searches by gradient on a table, many at once; imports JAX, as `jaxnas.search` does not.

A search moves the logits α of a code's independent entries down an estimate of
∇_α E[1 - reward / 100].
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.checks import checked, ranges, several_whole
from jaxnas.estimators import Estimator, entropy, gradient, mode
from jaxnas.search.by_gradient.table_loss import at, by_ops, shape_of, table_loss
from jaxnas.search.methods import Descent
from jaxnas.spaces import DEFAULT, Space
from jaxnas.types import Array

_INITIAL_SCALE = 1e-3
_BETAS = (0.5, 0.999)
_POINTS = 50
_DRAWS = 8


def steps_of(settings: Descent, estimator: Estimator, space: Space = DEFAULT) -> int:
    """How many estimates the queries of a search pay for.

    Raises:
        ValueError: not one, or the space cannot be searched so.
    """
    each = evaluations(estimator, space)
    if settings.queries < each:
        raise ValueError(
            f"{settings.queries} queries are too few: one estimate takes {each}, so expected at "
            f"least {each}"
        )
    return settings.queries // each


class Curves(NamedTuple):
    """Runs over their queries: R runs, P points from the first steps to the last.

    Attributes:
        queries: int [P], evaluations spent.
        mode: int [R, P], official index of the most probable cell.
        best: int [R, P], that of the cell of the highest reward so far; -1 throughout where an
            estimator evaluates no single cells.
        entropy: [R, P], of the distribution, in nats.
        variance: [R, P], of the gradient's estimate at that point, the trace of its covariance
            from 8 further draws, which are not counted as queries.
        seconds: [R, P], simulated time of all trainings so far; NaN where `best` is -1.
    """

    queries: NDArray[np.int64]
    mode: NDArray[np.int64]
    best: NDArray[np.int64]
    entropy: NDArray[np.float64]
    variance: NDArray[np.float64]
    seconds: NDArray[np.float64]


class _Tables(NamedTuple):
    """What is known of each code, [K, …, K] each."""

    losses: Array
    seconds: Array
    cells: Array


class _Run(NamedTuple):
    """A search under way.

    Attributes:
        key: of all that is still to be drawn.
        logits: [E, K].
        adam: its moments.
        state: the estimator's.
        best: official index, -1 before the first.
        least: its loss.
        seconds: simulated, spent so far.
    """

    key: Array
    logits: Array
    adam: Any
    state: Any
    best: Array
    least: Array
    seconds: Array


def evaluations(estimator: Estimator, space: Space = DEFAULT) -> int:
    """Evaluations of the loss that one estimate takes.

    Raises:
        ValueError: the space cannot be searched so, see `table_loss.shape_of`.
    """
    return estimator.evaluations(*shape_of(space))


def search_by_gradient(
    estimator: Estimator,
    rewards: NDArray[np.float64],
    seconds: NDArray[np.float64],
    settings: Descent,
    seeds: Iterable[int],
    seed: int = 0,
    at_once: int = 50,
    space: Space = DEFAULT,
) -> Iterator[Curves]:
    """Runs a search of each number in `seeds`, `at_once` together, and yields their curves.

    A run depends on `seed` and on its own number alone.

    Args:
        estimator: any; of `Estimator.mixing` "weights" it sees the table's multilinear extension.
        rewards: percent [space.size], finite, at official indices.
        seconds: [space.size], of the training that gives the reward.
        settings: of every run.
        seeds: the runs' numbers.
        seed: of all runs.
        at_once: runs computed together, by vmap.
        space: whose indices they are.

    Raises:
        ValueError: the queries are too few, or the space cannot be searched so.
    """
    at_once = checked("at_once", at_once, ranges.Count)
    numbers = list(several_whole("seeds", seeds, most=2**32 - 1))
    root = jax.random.key(checked("seed", seed, ranges.SeedOfWords))
    tables = _Tables(
        by_ops(1 - rewards / 100, jnp.float32, space),
        by_ops(seconds, jnp.float32, space),
        by_ops(np.arange(space.size), jnp.int32, space),
    )
    steps = steps_of(settings, estimator, space)
    points = np.unique(np.linspace(0, steps, min(_POINTS, steps) + 1).round().astype(int))
    bounds = jnp.asarray(np.stack([points[:-1], points[1:]], axis=1), jnp.int32)

    @jax.jit
    def together(keys: Array) -> Any:
        return jax.vmap(lambda key: _run(estimator, tables, settings, bounds, key))(keys)

    for start in range(0, len(numbers), at_once):
        some = numbers[start : start + at_once]
        # The last group is filled up, so that it is the program of the others.
        filled = some + some[-1:] * (min(at_once, len(numbers)) - len(some))
        keys = jax.vmap(jax.random.fold_in, (None, 0))(root, jnp.asarray(filled, jnp.uint32))
        modes, best, entropies, variance, spent = (
            np.asarray(values)[: len(some)] for values in together(keys)
        )
        yield Curves(
            points[1:].astype(np.int64) * evaluations(estimator, space),
            modes.astype(np.int64),
            best.astype(np.int64),
            entropies.astype(np.float64),
            variance.astype(np.float64),
            spent.astype(np.float64),
        )


def concatenate(curves: list[Curves]) -> Curves:
    """Groups of runs of one search, in their order, as one."""
    stacked = [np.concatenate(values) for values in list(zip(*curves, strict=True))[1:]]
    return Curves(curves[0].queries, *stacked)


def _run(
    estimator: Estimator, tables: _Tables, settings: Descent, bounds: Array, key: Array
) -> tuple[Array, ...]:
    """One search: the last five fields of `Curves`, [P] each."""
    adam = optax.adam(settings.learning_rate, *_BETAS)
    loss = table_loss(tables.losses, estimator.mixing)
    trains = estimator.mixing != "weights"

    def step(_: Array, run: _Run) -> _Run:
        key, own = jax.random.split(run.key)
        estimate = gradient(estimator, run.state, own, run.logits, loss)
        updates, moments = adam.update(estimate.gradient, run.adam)
        logits = jnp.asarray(optax.apply_updates(run.logits, updates))
        run = run._replace(key=key, logits=logits, adam=moments, state=estimate.state)
        return _account(run, estimate.evaluations.ops, tables) if trains else run

    def point(run: _Run, bound: Array) -> tuple[_Run, tuple[Array, ...]]:
        run = jax.lax.fori_loop(bound[0], bound[1], step, run)
        keys = jax.random.split(jax.random.fold_in(run.key, 1), _DRAWS)
        draws = jax.lax.map(
            lambda key: gradient(estimator, run.state, key, run.logits, loss).gradient, keys
        )
        shown = (
            at(tables.cells, mode(run.logits)),
            run.best,
            entropy(run.logits),
            jnp.var(draws, axis=0, ddof=1).sum(),
            run.seconds if trains else jnp.full_like(run.seconds, jnp.nan),
        )
        return run, shown

    key, at_logits, at_state = jax.random.split(key, 3)
    logits = _INITIAL_SCALE * jax.random.normal(
        at_logits, (tables.losses.ndim, tables.losses.shape[0])
    )
    first = _Run(
        key,
        logits,
        adam.init(logits),
        estimator.init(at_state, logits),
        jnp.int32(-1),
        jnp.float32(jnp.inf),
        jnp.float32(0),
    )
    return jax.lax.scan(point, first, bounds)[1]


def _account(run: _Run, ops: Array, tables: _Tables) -> _Run:
    """Enters the cells trained for an estimate, ops [N, E], into a run."""
    losses = at(tables.losses, ops)
    lowest = jnp.argmin(losses)
    better = losses[lowest] < run.least
    return run._replace(
        best=jnp.where(better, at(tables.cells, ops[lowest]), run.best),
        least=jnp.minimum(losses[lowest], run.least),
        seconds=run.seconds + at(tables.seconds, ops).sum(),
    )
