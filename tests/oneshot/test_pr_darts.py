"""PR-DARTS's regularisers and pruning against hand-computed cases, enumeration, differences."""

from __future__ import annotations

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import expit
from tiny_search import darts_supernet, nb201_supernet

from jaxnas import estimators as e
from jaxnas.oneshot import make_recipe
from jaxnas.oneshot import pr_darts as pr
from jaxnas.oneshot.methods import assemble
from jaxnas.spaces import Sizes, darts, nb201

KEY = jax.random.key
NB201_CELLS = pr.cells_of(nb201_supernet())
DARTS_CELLS = pr.cells_of(darts_supernet())
(NB201,) = NB201_CELLS
DARTS = DARTS_CELLS[0]
STRENGTHS = pr.Strengths(0.3, 0.2, 0.1)


def random(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape)


def as_printed(probabilities: np.ndarray, cell: pr.Cell, names: list[str]) -> tuple[float, ...]:
    """L_skip, L_non-skip and L_path as the paper writes them: sums over pairs of nodes.

    Ops by the names of the space, not by the columns of `Cell`.
    """
    skip_column = names.index("skip_connect")
    convs = [k for k, name in enumerate(names) if "conv" in name]
    at = {edge: row for row, edge in enumerate(cell.edges)}
    last = max(target for _, target in cell.edges)
    skip = other = 0.0
    deep = 1.0
    for target, source in itertools.product(range(last + 1), range(last + 1)):
        if (source, target) not in at:
            continue
        row = probabilities[at[source, target]]
        skip += row[skip_column]
        other += sum(row[k] for k in range(len(names)) if k != skip_column)
        if target - source == 1:
            deep *= sum(row[k] for k in convs)
    return skip / len(at), other / len(at) / (len(names) - 1), deep


# The cells.


def test_nb201s_cell() -> None:
    assert [nb201.EDGES[row] for row in NB201.consecutive] == [(0, 1), (1, 2), (2, 3)]
    assert [nb201.OPS[k] for k in NB201.parameterised] == ["nor_conv_1x1", "nor_conv_3x3"]
    assert nb201.OPS[NB201.skip] == "skip_connect"
    assert len(NB201.edges) == 4 * 3 / 2  # ζ = 2 / (h (h - 1)) is the mean


def test_darts_cells() -> None:
    assert len(DARTS_CELLS) == 2
    assert [darts.EDGES[row] for row in DARTS.consecutive] == [(1, 2), (2, 3), (3, 4), (4, 5)]
    assert all("conv" in darts.OPS[k] for k in DARTS.parameterised)
    assert len(DARTS.parameterised) == 4
    assert [darts.OPS[k] for k in DARTS.pooling] == ["max_pool_3x3", "avg_pool_3x3"]


# The regularisers.


@pytest.mark.parametrize(("cell", "names"), [(NB201, nb201.OPS), (DARTS, darts.OPS)])
def test_terms_as_printed(cell: pr.Cell, names: Any, x64: None) -> None:
    p = random((len(cell.edges), cell.ops))
    given = jnp.asarray(p)
    terms = (pr.skip(given, cell), pr.non_skip(given, cell), pr.path(given, cell))
    np.testing.assert_allclose(terms, as_printed(p, cell, list(names)), rtol=1e-13)


def test_terms_by_hand() -> None:
    """NAS-Bench-201, all chances a half but two: ζ = 1/6, 1/24, and (½ + ¼)(½ + ½)²."""
    p = np.full((6, 5), 0.5)
    p[0, nb201.Op.CONV3X3] = 0.25
    p[4, nb201.Op.SKIP] = 1
    assert float(pr.skip(jnp.asarray(p), NB201)) == pytest.approx(3.5 / 6)
    assert float(pr.non_skip(jnp.asarray(p), NB201)) == pytest.approx(11.75 / 24)
    assert float(pr.path(jnp.asarray(p), NB201)) == pytest.approx(0.75)


@pytest.mark.parametrize("cell", [NB201, DARTS])
def test_limiting_cases(cell: pr.Cell) -> None:
    shape = (len(cell.edges), cell.ops)
    skips = jnp.zeros(shape).at[:, cell.skip].set(1)
    terms = pr.skip, pr.non_skip, pr.path
    assert [float(term(skips, cell)) for term in terms] == [1, 0, 0]
    assert [float(term(1 - skips, cell)) for term in terms] == pytest.approx(
        [0, 1, len(cell.parameterised) ** len(cell.consecutive)]
    )
    assert [float(term(jnp.zeros(shape), cell)) for term in terms] == [0, 0, 0]
    # A chain of one convolution each, broken at any link.
    rows = jnp.array(cell.consecutive)
    chain = jnp.zeros(shape).at[rows, cell.parameterised[0]].set(1)
    assert float(pr.path(chain, cell)) == 1
    for row in cell.consecutive:
        assert float(pr.path(chain.at[row, cell.parameterised[0]].set(0), cell)) == 0
        assert float(pr.path(chain.at[row, cell.skip].set(1), cell)) == 1


def test_path_is_a_mean_over_gates() -> None:
    """Of the product of open parameterised gates' counts, by enumeration of 2^6 states.

    Not the chance that all links are open, which is smaller: the sum counts both of an edge.
    """
    p = random((6, 5), 3)
    rows, columns = np.array(NB201.consecutive), np.array(NB201.parameterised)
    own = p[rows][:, columns]
    counted = linked = 0.0
    for states in itertools.product((0, 1), repeat=own.size):
        opened = np.array(states).reshape(own.shape)
        chance = np.where(opened, own, 1 - own).prod()
        counted += chance * opened.sum(axis=1).prod()
        linked += chance * opened.any(axis=1).all()
    path = float(pr.path(jnp.asarray(p), NB201))
    assert path == pytest.approx(counted, rel=1e-5)
    assert linked < 0.9 * path


def test_terms_are_means_over_sampled_gates() -> None:
    """The gates of the estimator, drawn, against the terms of their chances."""
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)), jnp.float32)
    estimator, seen = e.stochastic_gates(0.6), []

    def opened(key: Any) -> Any:
        estimator.surrogate(
            jnp.int32(0), key, logits, lambda z: (seen.append(z.weights), z.weights.sum())[1]
        )
        return (seen.pop() > 0).astype(jnp.float32)

    drawn = jax.jit(jax.vmap(opened))(jax.random.split(KEY(0), 20_000))
    chances = e.activation_probability(logits, 0.6)
    for term in (pr.skip, pr.non_skip, pr.path):
        values = np.asarray(jax.vmap(lambda p, term=term: term(p, NB201))(drawn), np.float64)
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - float(term(chances, NB201))) < 4.5 * error


def test_penalty_is_the_mean_over_kinds() -> None:
    p = random((28, 8))
    expected = 0.0
    for own in (p[:14], p[14:]):
        skip, other, deep = as_printed(own, DARTS, list(darts.OPS))
        expected += (0.3 * skip + 0.2 * other - 0.1 * deep) / 2
    assert float(pr.penalty(jnp.asarray(p), DARTS_CELLS, STRENGTHS)) == pytest.approx(expected)
    alone = pr.penalty(jnp.asarray(random((6, 5))), NB201_CELLS, pr.Strengths())
    skip, other, deep = as_printed(random((6, 5)), NB201, list(nb201.OPS))
    assert float(alone) == pytest.approx(0.01 * skip + 0.005 * other - 0.005 * deep)
    with pytest.raises(ValueError, match=r"expected shape \[28, 8\].*2 kind.*got \[14, 8\]"):
        pr.penalty(jnp.asarray(p[:14]), DARTS_CELLS, STRENGTHS)


# As one estimator.


def constant(z: e.Sample) -> Any:
    """A loss that no gate changes."""
    return 0 * z.weights.sum() + 2


@pytest.mark.parametrize("space", [NB201_CELLS, DARTS_CELLS])
def test_the_estimator_adds_the_penaltys_gradient(space: pr.Space, x64: None) -> None:
    """By finite differences in numpy, at the temperature of that estimate; the value stays L."""
    rows = sum(len(cell.edges) for cell in space)
    names = list(nb201.OPS if space is NB201_CELLS else darts.OPS)
    logits = np.random.default_rng(1).normal(size=(rows, space[0].ops))

    def total(logits: np.ndarray, temperature: float) -> float:
        p = expit(logits - temperature * math.log(0.1 / 1.1))
        parts = np.split(p, len(space))
        terms = np.array([as_printed(own, space[0], names) for own in parts]).mean(axis=0)
        return float(terms @ [0.3, 0.2, -0.1])

    estimator = pr.pr_darts(space, optax.linear_schedule(1.0, 0.1, 3), STRENGTHS)
    plain = e.stochastic_gates(optax.linear_schedule(1.0, 0.1, 3))
    step = jax.jit(lambda number, at: e.gradient(estimator, number, KEY(0), at, constant))
    for number, temperature in ((0, 1.0), (2, 0.4), (3, 0.1)):
        estimate = step(jnp.int32(number), jnp.asarray(logits))
        assert float(estimate.value) == float(estimate.evaluations.losses[0]) == 2
        assert int(estimate.state) == number + 1
        for place in [(0, 1), (2, 2), (rows - 1, 0), (rows - 2, 4)]:
            change = np.zeros_like(logits)
            change[place] = 1e-6
            above, below = (total(logits + s * change, temperature) for s in (1, -1))
            assert float(estimate.gradient[place]) == pytest.approx(
                (above - below) / 2e-6, abs=1e-8
            )
    worth = jnp.asarray(random(logits.shape, 5))
    loss = lambda z: jnp.vdot(worth, z.weights)  # noqa: E731

    @jax.jit
    def three(logits: Any) -> Any:
        pairs = (estimator, loss), (plain, loss), (estimator, constant)
        return [e.gradient(w, jnp.int32(1), KEY(1), logits, f).gradient for w, f in pairs]

    whole, bare, term = three(jnp.asarray(logits))
    np.testing.assert_allclose(whole, bare + term, atol=1e-14)


def test_weights_of_a_network_do_not_feel_the_penalty() -> None:
    estimator = pr.pr_darts(NB201_CELLS, 1.0, pr.Strengths(10, 10, 10))
    worth = jnp.asarray(random((6, 5)), jnp.float32)
    logits, state = jnp.zeros((6, 5)), jnp.int32(0)
    seen = []

    def value(worth: Any) -> Any:
        def loss(z: e.Sample) -> Any:
            seen.append(z.weights)
            return jnp.vdot(worth, z.weights)

        return estimator.surrogate(state, KEY(0), logits, loss)[0]

    slope = jax.grad(value)(worth)
    np.testing.assert_array_equal(slope, seen[0])


def test_it_descends_from_skips() -> None:
    """Where the loss prefers nothing, skips close and the path opens; with no reward it closes."""

    def after(strengths: pr.Strengths) -> np.ndarray:
        estimator = pr.pr_darts(NB201_CELLS, 0.5, strengths)

        def step(logits: Any, key: Any) -> Any:
            slope = e.gradient(estimator, jnp.int32(0), key, logits, constant).gradient
            return logits - 20 * slope, None

        logits = jax.lax.scan(step, jnp.zeros((6, 5)), jax.random.split(KEY(0), 100))[0]
        return np.asarray(e.activation_probability(logits, 0.5))

    rewarded, bare = after(pr.Strengths(0.2, 0.1, 0.1)), after(pr.Strengths(0.2, 0.1, 0))
    start = float(e.activation_probability(jnp.zeros(()), 0.5))
    rows, convs = list(NB201.consecutive), list(NB201.parameterised)
    assert (rewarded[:, nb201.Op.SKIP] < 0.2).all()
    assert (rewarded[rows][:, convs] > start).all()
    assert (bare < start).all()


# As released.


def test_released_penalty_by_hand() -> None:
    """One kind. Kept: skips 0.9, 0.5; a pooling 0.1; others 0.6 (none), 0.4, 0.8; path 0.6 0.8."""
    p, kept = np.full((6, 5), 0.33), np.zeros((6, 5))
    for row, op, chance in (
        (1, nb201.Op.SKIP, 0.9),
        (3, nb201.Op.SKIP, 0.5),
        (1, nb201.Op.POOL, 0.1),
        (3, nb201.Op.NONE, 0.6),
        (0, nb201.Op.CONV1X1, 0.4),
        (0, nb201.Op.CONV3X3, 0.8),
        (5, nb201.Op.CONV3X3, 0.8),
    ):
        p[row, op], kept[row, op] = chance, 1
    given = jnp.asarray(p), jnp.asarray(kept)
    expected = 0.3 * (0.7 - 0.2) + 0.2 * (0 + (0.65 - 0.2)) - 0.1 * (0.6 * 0.8)
    assert float(pr.released_penalty(*given, NB201_CELLS, STRENGTHS)) == pytest.approx(expected)
    low = 0.3 * 0.7 + 0.2 * (0.1 + 0.65) - 0.1 * 0.48
    value = pr.released_penalty(*given, NB201_CELLS, STRENGTHS, threshold=0)
    assert float(value) == pytest.approx(low)


def test_released_penalty_of_nothing_kept() -> None:
    p = jnp.asarray(random((28, 8)))
    both = jax.jit(
        jax.value_and_grad(
            lambda p: pr.released_penalty(p, jnp.zeros_like(p), DARTS_CELLS, STRENGTHS)
        )
    )
    value, slope = both(p)
    assert float(value) == 0
    assert not np.asarray(slope).any()


def test_released_penalty_of_two_kinds() -> None:
    """The groups' means over kinds come before the threshold."""
    kept = np.zeros((28, 8))
    kept[0, darts.Op.SKIP_CONNECT] = kept[14, darts.Op.SKIP_CONNECT] = 1
    p = np.zeros((28, 8))
    p[0, darts.Op.SKIP_CONNECT] = 0.5
    given = jnp.asarray(p), jnp.asarray(kept)
    value = pr.released_penalty(*given, DARTS_CELLS, STRENGTHS)
    assert float(value) == pytest.approx(0.3 * (0.25 - 0.2))


def test_released_estimator() -> None:
    """Its gradient under an indifferent loss is the penalty's of the ops it kept, no others."""
    estimator = pr.released_pr_darts(DARTS_CELLS, 0.5, STRENGTHS, dropout=0.2)
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(28, 8)), jnp.float32)

    @jax.jit
    def both(key: Any) -> Any:
        seen = []
        loss = lambda z: (seen.append(z.weights), constant(z))[1]  # noqa: E731
        value = estimator.surrogate(jnp.int32(0), key, logits, loss)[0]
        estimate = e.gradient(estimator, jnp.int32(0), key, logits, constant)

        def penalty(logits: Any) -> Any:
            chances = e.activation_probability(logits, 0.5)
            return pr.released_penalty(chances, seen[0], DARTS_CELLS, STRENGTHS)

        return value, estimate.gradient, seen[0], jax.grad(penalty)(logits)

    value, gradient, kept, expected = both(KEY(0))
    assert float(value) == 2
    np.testing.assert_allclose(gradient, expected, atol=1e-7)
    assert not np.asarray(gradient)[np.asarray(kept) == 0].any()
    assert np.asarray(gradient).any()


# Pruning.


def test_pruning_darts() -> None:
    """Gates wide open side by side lose to one alone: the softmax compares within an edge."""
    logits = np.full((28, 8), -3.0)
    crowded, alone = darts.EDGES.index((0, 2)), darts.EDGES.index((1, 2))
    logits[crowded] = 4.0
    logits[alone, darts.Op.SKIP_CONNECT] = 1.0
    logits[alone, darts.Op.SEP_CONV_5X5] = 0.5
    logits[darts.EDGES.index((2, 3)), darts.Op.DIL_CONV_3X3] = 2.0
    logits[darts.EDGES.index((1, 3)), darts.Op.NONE] = 9.0
    logits[darts.EDGES.index((0, 3)), darts.Op.MAX_POOL_3X3] = 1.0
    logits[14:] = logits[:14][:, [0, 1, 2, 3, 5, 4, 6, 7]]
    supernet = darts_supernet(10, Sizes(2, 3))
    method = assemble(make_recipe("pr-darts", "darts"), supernet, 5)
    genotype = darts.parse_genotype(method.distribution.found(KEY(0), logits).notation)
    assert genotype.normal[:4] == (
        ("skip_connect", 1),
        ("sep_conv_5x5", 1),
        ("dil_conv_3x3", 2),
        ("max_pool_3x3", 0),
    )
    assert genotype.reduce[1] == ("sep_conv_3x3", 1)
    gates = darts.discretise(expit(logits[:14]), expit(logits[14:]), darts.top_pairs)
    assert gates.normal[0][1] == gates.normal[1][1] == 0


def test_bad_settings() -> None:
    for wrong in (-1.0, math.inf, math.nan):
        for make in (pr.pr_darts, pr.released_pr_darts):
            with pytest.raises(ValueError, match="strength path: expected a finite number from 0"):
                make(NB201_CELLS, 1.0, pr.Strengths(path=wrong))
    with pytest.raises(ValueError, match=r"gates: expected shape \[6, 5\]"):
        logits = jnp.zeros((5, 5))
        e.gradient(pr.pr_darts(NB201_CELLS, 1.0), jnp.int32(0), KEY(0), logits, constant)
