r"""The regularisers of PR-DARTS, of the chances P(g ≠ 0) [E, K] that a cell's gates are open.

λ1 L_skip + λ2 L_non-skip - λ3 L_path is added to the validation loss. The first two are penalised
apart, so that skips and the rest do not compete; the last rewards depth, as shallow networks train
faster than deep ones and would be preferred for it.

Source: Zhou et al., "Theory-inspired path-regularized differential network architecture search",
NeurIPS 2020, section 4, its group-structured sparse gates and path-depth-wise regulariser.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxnas.checks import checked, ranges
from jaxnas.oneshot.pr_darts.cell import Cell, Kinds
from jaxnas.types import Array

THRESHOLD = 0.2
"""Threshold of the released regularisers: groups open less often than that are not penalised."""


class Strengths(NamedTuple):
    """λ1, λ2 and λ3; by default those of the released search.

    Attributes:
        skip: λ1, of the skip connections.
        non_skip: λ2, of all other ops.
        path: λ3, of the reward of depth.
    """

    skip: float = 0.01
    non_skip: float = 0.005
    path: float = 0.005


def check_strengths(strengths: Strengths) -> None:
    """Raises ValueError if one is negative, infinite or NaN."""
    for name, value in zip(Strengths._fields, strengths, strict=True):
        checked(f"strength {name}", value, ranges.NotNegative)


def skip(probabilities: Array, cell: Cell) -> Array:
    """L_skip: the mean over edges of the chance that the skip is open; in [0, 1].

    The sum over edges by ζ = 2 / (h (h - 1)), one over the edges of a cell in which all h nodes
    are joined, as NAS-Bench-201's are. DARTS's two inputs are not: ζ = 1/14.
    """
    return probabilities[:, cell.skip].mean()


def non_skip(probabilities: Array, cell: Cell) -> Array:
    """L_non-skip: the mean over edges and over the K - 1 other ops, none included; in [0, 1]."""
    others = [k for k in range(cell.ops) if k != cell.skip]
    return probabilities[:, jnp.array(others)].mean()


def path(probabilities: Array, cell: Cell) -> Array:
    """L_path: the product over neighbouring nodes of the sum over parameterised ops.

    In [0, P^N] for P such ops and N such edges: printed as a chance, it is one only if no two of
    an edge are open together; the union's chance would be 1 - Π (1 - P(g ≠ 0)).
    """
    return jnp.prod(_parameterised(probabilities, cell).sum(axis=1))


def penalty(probabilities: Array, kinds: Kinds, strengths: Strengths) -> Array:
    """λ1 L_skip + λ2 L_non-skip - λ3 L_path, the mean over the space's kinds of cell.

    The paper writes it for one kind; that two count half each is the release's way.

    Args:
        probabilities: of all kinds, one below the other.
        kinds: the kinds of cell.
        strengths: λ1 to λ3.
    """
    terms = [
        strengths.skip * skip(own, cell)
        + strengths.non_skip * non_skip(own, cell)
        - strengths.path * path(own, cell)
        for own, cell in _by_kind(probabilities, kinds)
    ]
    return jnp.stack(terms).mean()


def released_penalty(
    probabilities: Array,
    kept: Array,
    kinds: Kinds,
    strengths: Strengths,
    threshold: float = THRESHOLD,
) -> Array:
    """What the released search adds to its loss instead of `penalty`.

    Of the ops kept in a sample only: the mean chance of skips, of poolings and of the rest (none
    included), each 0 where no such op is kept, and the mean over kinds of cell. Then max(0, mean -
    threshold), by λ1 for the skips and by λ2 for the sum of the two others. The path is
    the product over neighbouring nodes of the mean, not the sum, of their kept parameterised ops,
    leaving out edges that keep none, 0 if all do; the mean over kinds, by -λ3.

    Source: Zhou et al., by their code, salesforce/PR-DARTS.

    Args:
        probabilities: of all kinds, one below the other.
        kept: 0 or 1, of that shape: the weights of `straight_through_top_k`; not differentiated.
        kinds: the kinds of cell.
        strengths: λ1 to λ3.
        threshold: of the three groups.
    """
    kept = jax.lax.stop_gradient(kept)
    rows = [
        _released_groups(own, chosen, cell)
        for (own, cell), (chosen, _) in zip(
            _by_kind(probabilities, kinds), _by_kind(kept, kinds), strict=True
        )
    ]
    skips, poolings, rest, paths = jnp.array(rows).mean(axis=0)
    over = jax.nn.relu(jnp.stack([skips, poolings, rest]) - threshold)
    return (
        strengths.skip * over[0] + strengths.non_skip * (over[1] + over[2]) - strengths.path * paths
    )


def _released_groups(probabilities: Array, kept: Array, cell: Cell) -> list[Array]:
    """Mean chances of kept skips, poolings and other ops, and the released path, of one kind."""
    special = (cell.skip, *cell.pooling)
    groups = [[cell.skip], list(cell.pooling), [k for k in range(cell.ops) if k not in special]]
    means = [
        _mean(probabilities[:, jnp.array(columns)], kept[:, jnp.array(columns)])
        for columns in groups
    ]
    own, chosen = _parameterised(probabilities, cell), _parameterised(kept, cell)
    links = jax.vmap(_mean)(own, chosen)
    used = chosen.any(axis=1)
    deep = jnp.where(used.any(), jnp.prod(jnp.where(used, links, 1)), 0)
    return [*means, deep]


def _mean(values: Array, weights: Array) -> Array:
    """Mean of the values of weight 1; 0 if there is none."""
    return jnp.vdot(values, weights) / jnp.maximum(weights.sum(), 1)


def _parameterised(values: Array, cell: Cell) -> Array:
    """The columns of parameterised ops, of the edges between neighbouring nodes [N, P]."""
    return values[jnp.array(cell.consecutive)][:, jnp.array(cell.parameterised)]


def _by_kind(values: Array, kinds: Kinds) -> list[tuple[Array, Cell]]:
    """The rows of each kind of cell."""
    ends = [sum(len(cell.edges) for cell in kinds[: i + 1]) for i in range(len(kinds))]
    if values.shape != (ends[-1], kinds[0].ops):
        raise ValueError(
            f"gates: expected shape [{ends[-1]}, {kinds[0].ops}], the edges of {len(kinds)} kind(s)"
            f" of cell by ops, got {list(values.shape)}"
        )
    return list(zip(jnp.split(values, ends[:-1]), kinds, strict=True))
