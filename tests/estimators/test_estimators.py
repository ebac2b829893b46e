"""Gradient estimators against enumeration, their variances, and what they ask of a loss."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import scipy.stats

from jaxnas import estimators as e
from jaxnas import oracle
from jaxnas.estimators.score_functions import Average
from jaxnas.search.by_gradient.table_loss import at, by_ops, table_loss
from jaxnas.spaces import nb201

NB201 = Path(__file__).parents[3] / "shared" / "data" / "nb201.npz"
OPS = nb201.cell_ops()
relax_module: Any = importlib.import_module("jaxnas.estimators.control_variates")

EDGES, CHOICES = 3, 4
KEY = jax.random.key

ESTIMATORS: dict[str, Callable[[], e.Estimator]] = {
    "exact": e.exact,
    "score function, no baseline": lambda: e.score_function(None),
    "score function": e.score_function,
    "relax": lambda: e.relax(hidden=8),
    "ram": e.ram,
    "ram, 2 edges": lambda: e.ram(2),
    "gumbel-softmax": lambda: e.gumbel_softmax(0.7),
    "straight-through": lambda: e.straight_through(0.7),
    "gdas": lambda: e.gdas(0.7),
    "softmax mixture": e.softmax_mixture,
}
UNBIASED = ["score function, no baseline", "score function", "relax", "ram", "ram, 2 edges"]
each = pytest.mark.parametrize("name", ESTIMATORS)


def small_table() -> np.ndarray:
    """Losses of 4^3 architectures, far from additive."""
    return np.random.default_rng(1).random((CHOICES,) * EDGES) ** 2


def small_logits() -> np.ndarray:
    return np.random.default_rng(2).normal(size=(EDGES, CHOICES))


def synthetic() -> np.ndarray:
    """Losses of NAS-Bench-201's cells with its structure: effects, interactions, dead cells."""
    random = np.random.default_rng(0)
    worth = np.array([0.0, 0.4, 0.7, 1.0, 0.3])[OPS]
    accuracy = 0.55 + 0.05 * worth.sum(axis=1) + 0.1 * worth[:, 3] * worth[:, 5]
    accuracy += 0.08 * worth[:, 0] * worth[:, 2] * worth[:, 5] + random.normal(0, 0.01, len(OPS))
    connected = np.array([nb201.is_connected(ops) for ops in OPS.tolist()])
    return 1 - np.where(connected, np.minimum(accuracy, 0.95), 0.1)


def nb201_losses() -> np.ndarray:
    """The benchmark's, where the file is."""
    if not NB201.exists():
        pytest.skip("no nb201.npz")
    return 1 - oracle.read(NB201).accuracy("cifar10", "test", 200) / 100


def enumerated(dense: np.ndarray, logits: np.ndarray) -> np.ndarray:
    """∇_α Σ_z p(z) L(z), in float64 numpy: L_ek by contraction with the other edges' chances."""
    theta = np.exp(logits - logits.max(axis=1, keepdims=True))
    theta /= theta.sum(axis=1, keepdims=True)
    gradient = np.zeros_like(theta)
    for edge in range(len(theta)):
        rest = np.moveaxis(np.asarray(dense, np.float64), edge, 0)
        for other in [i for i in range(len(theta)) if i != edge][::-1]:
            rest = rest @ theta[other]
        gradient[edge] = theta[edge] * (rest - theta[edge] @ rest)
    return gradient


def draws(
    estimator: e.Estimator, state: Any, logits: Any, loss: e.Loss, number: int, seed: int = 0
) -> np.ndarray:
    """Estimates float64 [N, E, K] from one state."""
    logits = jnp.asarray(logits, jnp.float32)

    @jax.jit
    def many(keys: Any) -> Any:
        one = lambda key: e.gradient(estimator, state, key, logits, loss).gradient  # noqa: E731
        return jax.lax.map(one, keys, batch_size=min(number, 2000))

    return np.asarray(many(jax.random.split(KEY(seed), number)), np.float64)


def chi_square(samples: np.ndarray, expected: np.ndarray) -> tuple[float, float]:
    """Of the samples' mean, and the chance of one as large or larger.

    The last op of each edge is left out: an estimate's rows sum to zero.
    """
    error = (samples.mean(axis=0) - expected)[:, :-1].ravel()
    covariance = np.cov(samples[:, :, :-1].reshape(len(samples), -1).T)
    statistic = float(len(samples) * error @ np.linalg.solve(covariance, error))
    return statistic, float(scipy.stats.chi2.sf(statistic, len(error)))


def variance(samples: np.ndarray) -> float:
    return float(samples.var(axis=0, ddof=1).sum())


def ready(name: str, logits: Any) -> tuple[e.Estimator, Any]:
    """An estimator with a state in which its control variate is far from 0."""
    estimator = ESTIMATORS[name]()
    state = estimator.init(KEY(3), jnp.asarray(logits, jnp.float32))
    if name == "score function":
        state = Average(jnp.float32(0.2), jnp.float32(0.5))
    if name == "relax":
        state = state._replace(weights=state.weights | {"strength": jnp.float32(0.5)})
    return estimator, state


# Exactly.


def test_enumeration_is_the_gradient(x64: None) -> None:
    dense, logits = small_table(), small_logits()
    loss = table_loss(jnp.asarray(dense), "ops")
    estimate = e.gradient(e.exact(), (), KEY(0), jnp.asarray(logits), loss)
    np.testing.assert_allclose(estimate.gradient, enumerated(dense, logits), rtol=1e-12)

    def expected(shift: np.ndarray) -> float:
        theta = np.exp(logits + shift)
        theta /= theta.sum(axis=1, keepdims=True)
        return float(np.einsum("abc,a,b,c", dense, *theta))

    np.testing.assert_allclose(estimate.value, expected(np.zeros_like(logits)), rtol=1e-12)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        slope = (expected(step) - expected(-step)) / 2e-5
        np.testing.assert_allclose(estimate.gradient[place], slope, atol=1e-9)


def test_softmax_mixture_is_exact_on_a_multilinear_loss(x64: None) -> None:
    dense, logits = small_table(), small_logits()
    loss = table_loss(jnp.asarray(dense), "weights")
    estimate = e.gradient(e.softmax_mixture(), (), KEY(0), jnp.asarray(logits), loss)
    np.testing.assert_allclose(estimate.gradient, enumerated(dense, logits), rtol=1e-12)


def test_softmax_mixture_is_biased_on_a_convex_loss(x64: None) -> None:
    """L = (a . w)²: the mixture's loss is too low by the variance of a, its gradient by that's."""
    a, logits = np.array([0.3, 1.0, 2.0, -1.0]), small_logits()[:1]
    loss = lambda z: jnp.vdot(a, z.weights[0]) ** 2  # noqa: E731
    mixture = e.gradient(e.softmax_mixture(), (), KEY(0), jnp.asarray(logits), loss)
    truth = e.gradient(e.exact(), (), KEY(0), jnp.asarray(logits), loss)
    theta = np.asarray(jax.nn.softmax(logits[0]))
    mean = theta @ a
    assert float(truth.value - mixture.value) == pytest.approx(theta @ (a - mean) ** 2)
    bias = theta * ((a - mean) ** 2 - theta @ (a - mean) ** 2)
    np.testing.assert_allclose((truth.gradient - mixture.gradient)[0], bias, rtol=1e-9)


def test_ram_has_no_variance_where_edges_add_up(x64: None) -> None:
    """Each edge is marginalised exactly; a single edge, or a sum over edges, leaves no chance."""
    logits = jnp.asarray(small_logits())
    worth = np.random.default_rng(0).random((EDGES, CHOICES))
    dense = worth[0][:, None, None] + worth[1][:, None] + worth[2]
    for table, used in ((dense, logits), (worth[0], logits[:1])):
        loss = table_loss(jnp.asarray(table), "ops")
        draw = jax.jit(lambda key: e.gradient(e.ram(), (), key, used, loss).gradient)  # noqa: B023
        for seed in range(5):
            estimate = draw(KEY(seed))
            np.testing.assert_allclose(estimate, enumerated(table, np.asarray(used)), rtol=1e-9)


# Unbiased ones, in the mean.


@pytest.mark.parametrize("name", UNBIASED)
def test_unbiased(name: str) -> None:
    dense, logits = small_table(), small_logits()
    estimator, state = ready(name, logits)
    assert estimator.unbiased
    loss = table_loss(jnp.asarray(dense, jnp.float32), "ops")
    statistic, chance = chi_square(
        draws(estimator, state, logits, loss, 100_000), enumerated(dense, logits)
    )
    assert chance > 1e-3, statistic


@pytest.mark.parametrize("control", ["own loss", "z̃ constant", "θ not normalised", "not scaled"])
def test_wrong_estimators_are_found_out(control: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each a mistake that published code has made, or nearly; the same test must see it."""
    dense, logits = small_table(), small_logits()
    loss = table_loss(jnp.asarray(dense, jnp.float32), "ops")
    conditional = relax_module.conditional
    if control == "own loss":
        # A baseline that has a tenth of the present loss in it.
        estimator, state = ready("score function, no baseline", logits)
        samples = 0.9 * draws(estimator, state, logits, loss, 100_000)
    elif control == "not scaled":
        estimator, state = ready("ram, 2 edges", logits)
        samples = draws(estimator, state, logits, loss, 100_000) * (2 / 3)
    else:
        wrong = {
            "z̃ constant": lambda *given: jax.lax.stop_gradient(conditional(*given)),
            "θ not normalised": conditional_unnormalised,
        }[control]
        monkeypatch.setattr(relax_module, "conditional", wrong)
        estimator, state = ready("relax", logits)
        samples = draws(estimator, state, logits, loss, 100_000)
    _, chance = chi_square(samples, enumerated(dense, logits))
    assert chance < 1e-9


def conditional_unnormalised(exponential: Any, ops: Any, logits: Any) -> Any:
    log_e = jnp.log(exponential)
    top = jnp.take_along_axis(log_e, ops[:, None], axis=1)
    chosen = jnp.arange(logits.shape[1]) == ops[:, None]
    return jnp.where(chosen, -top, -jnp.logaddexp(log_e - logits, top))


def test_the_baseline_is_of_past_losses() -> None:
    logits = jnp.asarray(small_logits(), jnp.float32)
    dense = jnp.asarray(small_table(), jnp.float32)
    estimator = e.score_function(0.8)
    state, past = estimator.init(KEY(0), logits), []
    for step in range(6):
        estimate = e.gradient(estimator, state, KEY(step), logits, table_loss(dense, "ops"))
        weights = 0.8 ** np.arange(len(past))[::-1]
        baseline = np.average(past, weights=weights) if past else 0.0
        ops = np.asarray(estimate.evaluations.ops[0])
        score = np.eye(CHOICES)[ops] - np.asarray(jax.nn.softmax(logits))
        expected = (float(estimate.value) - baseline) * score
        np.testing.assert_allclose(estimate.gradient, expected, atol=1e-6)
        past.append(float(dense[tuple(ops)]))
        state = estimate.state


def test_relax_draws_z_given_b() -> None:
    """z̃ has b for its largest entries, and over all b the distribution of z."""
    logits = jnp.asarray(small_logits()[:1], jnp.float32)

    def both(key: Any) -> Any:
        exponential = jax.random.exponential(key, (2, *logits.shape))
        z = relax_module.unconditional(exponential[0], logits)
        ops = jnp.argmax(z, axis=1)
        return z[0], relax_module.conditional(exponential[1], ops, logits)[0]

    z, given = map(np.asarray, jax.jit(jax.vmap(both))(jax.random.split(KEY(1), 20_000)))
    np.testing.assert_array_equal(z.argmax(axis=1), given.argmax(axis=1))
    for first, second in zip(z.T, given.T, strict=True):
        assert scipy.stats.ks_2samp(first, second).pvalue > 1e-3
    gaps = (np.sort(values, axis=1) for values in (z, given))
    first, second = (values[:, -1] - values[:, -2] for values in gaps)
    assert scipy.stats.ks_2samp(first, second).pvalue > 1e-3
    assert not np.allclose(z, given)


def test_relax_with_improbable_ops() -> None:
    logits = jnp.asarray([[0.0, -200.0, 200.0], [-1e4, 0.0, 1e4]], jnp.float32)
    loss = table_loss(jnp.arange(9, dtype=jnp.float32).reshape(3, 3), "ops")
    estimator = e.relax(hidden=4)
    state = estimator.init(KEY(0), logits)
    step = jax.jit(lambda state, key: e.gradient(estimator, state, key, logits, loss))
    for seed in range(3):
        estimate = step(state, KEY(seed))
        state = estimate.state
        assert jnp.isfinite(estimate.gradient).all()
        assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


# Variances on a table of accuracies.


@pytest.mark.parametrize("losses", [pytest.param(synthetic, marks=pytest.mark.slow), nb201_losses])
def test_order_of_variances(losses: Callable[[], np.ndarray]) -> None:
    """An estimate's falls from method to method; RAM's, for equal evaluations, does not."""
    values = losses()
    dense = by_ops(values, jnp.float32)
    logits = jnp.zeros((6, 5))
    loss = table_loss(dense, "ops")
    learned = e.relax()

    @jax.jit
    def learn(state: Any) -> Any:
        def step(state: Any, key: Any) -> Any:
            return e.gradient(learned, state, key, logits, loss).state, None

        return jax.lax.scan(step, state, jax.random.split(KEY(1), 15_000))[0]

    mean = Average(jnp.float32(values.mean()), jnp.float32(1))
    measured = {
        name: draws(estimator, state, logits, loss, 20_000)
        for name, estimator, state in (
            ("sf", e.score_function(None), None),
            ("sf with baseline", e.score_function(), mean),
            ("relax", learned, learn(learned.init(KEY(0), logits))),
            ("ram", e.ram(batch_size=24), ()),
        )
        for state in [estimator.init(KEY(0), logits) if state is None else state]
    }
    sf, with_baseline, relax, ram = (variance(samples) for samples in measured.values())
    # By enumeration: at α = 0 the score has the squared norm 6 (1 - 1/5).
    square = (enumerated(np.asarray(dense), np.zeros((6, 5))) ** 2).sum()
    assert sf == pytest.approx(4.8 * (values**2).mean() - square, rel=0.05)
    assert with_baseline == pytest.approx(4.8 * values.var() - square, rel=0.05)
    assert sf > 1.1 * with_baseline > 1.2 * relax > 2 * ram
    assert 25 * ram > with_baseline
    expected = enumerated(np.asarray(dense), np.zeros((6, 5)))
    for name, samples in measured.items():
        assert chi_square(samples, expected)[1] > 1e-3, name


def test_relax_solves_its_toy_problem() -> None:
    """(b - 0.499)², Grathwohl et al., section 5.1: Adam at 0.01, 10,000 steps of one draw.

    The optimum is b = 0. One minus the other loss is 0.002, under a score function's noise.
    """
    loss = table_loss(jnp.asarray([0.499**2, 0.501**2]), "ops")
    adam = optax.adam(0.01)

    def chance_of_one(estimator: e.Estimator, key: Any) -> Any:
        def step(carry: Any, key: Any) -> Any:
            logits, moments, state = carry
            estimate = e.gradient(estimator, state, key, logits, loss)
            updates, moments = adam.update(estimate.gradient, moments)
            return (optax.apply_updates(logits, updates), moments, estimate.state), None

        logits = jnp.zeros((1, 2))
        first = (logits, adam.init(logits), estimator.init(key, logits))
        (logits, _, _), _ = jax.lax.scan(step, first, jax.random.split(key, 10_000))
        return jax.nn.softmax(logits)[0, 1]

    def losses(estimator: e.Estimator) -> np.ndarray:
        keys = jax.random.split(KEY(0), 10)
        chances = jax.jit(jax.vmap(lambda key: chance_of_one(estimator, key)))(keys)
        return 0.499**2 + 0.002 * np.asarray(chances, np.float64)

    optimum = 0.499**2
    assert losses(e.relax(hidden=10, learning_rate=0.01)).mean() - optimum < 0.0002
    assert losses(e.score_function(None)).mean() - optimum > 0.0005


# Biased ones.


@pytest.mark.parametrize("make", [e.gumbel_softmax, e.straight_through])
def test_temperature_trades_bias_for_variance(make: Callable[[float], e.Estimator]) -> None:
    """At α = 0 and high τ the estimate shrinks to 1/τ of the gradient; at low τ it recovers it."""
    dense, logits = jnp.asarray(small_table(), jnp.float32), jnp.zeros((EDGES, CHOICES))
    expected = enumerated(small_table(), np.zeros((EDGES, CHOICES)))
    ratios, variances = [], []
    for temperature in (20.0, 1.0, 0.1):
        estimator = make(temperature)
        assert not estimator.unbiased
        loss = table_loss(dense, estimator.mixing)
        samples = draws(estimator, estimator.init(KEY(0), logits), logits, loss, 50_000)
        ratios.append(np.vdot(samples.mean(axis=0), expected) / (expected**2).sum())
        variances.append(variance(samples))
        if temperature > 0.1:
            assert chi_square(samples, expected)[1] < 1e-9
    assert ratios[0] == pytest.approx(1 / 20, rel=0.03)
    assert ratios[0] < ratios[1] < ratios[2]
    assert ratios[2] == pytest.approx(1, abs=0.06)
    assert variances[0] < variances[1] < variances[2]


def test_gdas_as_released_rewards_whatever_was_drawn() -> None:
    """Of a constant loss below 1 the gradient is 0; its estimate favours the op drawn, always."""
    logits = jnp.asarray(small_logits(), jnp.float32)
    for mixing, estimator in (("selected", e.gdas(1.0)), ("weights", e.straight_through(1.0))):
        assert estimator.mixing == mixing
        for seed in range(20):
            loss = table_loss(jnp.full((CHOICES,) * EDGES, 0.3), estimator.mixing)
            estimate = e.gradient(estimator, jnp.int32(0), KEY(seed), logits, loss)
            drawn = np.asarray(estimate.evaluations.ops[0])
            if mixing == "weights":
                np.testing.assert_allclose(estimate.gradient, 0, atol=1e-6)
            else:
                of_drawn = np.asarray(estimate.gradient)[np.arange(EDGES), drawn]
                others = np.asarray(estimate.gradient).sum(axis=1) - of_drawn
                assert (of_drawn < 0).all()
                assert (others > 0).all()
    samples = draws(e.gdas(1.0), jnp.int32(0), logits, table_loss(
        jnp.asarray(small_table(), jnp.float32), "selected"
    ), 20_000)  # fmt: skip
    assert chi_square(samples, enumerated(small_table(), np.asarray(logits)))[1] < 1e-9


def test_gdas_takes_other_ops_for_one(x64: None) -> None:
    """Gradients by an edge's weights: upstream's sum, but of the op drawn upstream * output."""
    random = np.random.default_rng(0)
    x = jnp.asarray(random.normal(size=(4, 3)))
    ops = [lambda x: 0 * x, lambda x: x, jnp.tanh, lambda x: x**2]
    upstream = jnp.asarray(random.normal(size=x.shape))
    weights, drawn = jnp.eye(4)[2], jnp.int32(2)

    def released(weights: Any) -> Any:
        return jnp.vdot(upstream, e.add_bare(weights, drawn, jax.lax.switch(drawn, ops, x)))

    value, by_weight = jax.value_and_grad(released)(weights)
    assert value == jnp.vdot(upstream, jnp.tanh(x))
    expected = [jnp.vdot(upstream, jnp.tanh(x)) if op == 2 else upstream.sum() for op in range(4)]
    np.testing.assert_allclose(by_weight, expected, rtol=1e-12)


@pytest.mark.parametrize("make", [e.straight_through, e.gdas])
def test_straight_through_weights_are_exact_and_have_the_soft_gradient(make: Any) -> None:
    logits = jnp.asarray(small_logits(), jnp.float32)
    slope = jnp.asarray(np.random.default_rng(5).normal(size=logits.shape), jnp.float32)
    for seed in range(10):
        seen = []

        def loss(z: e.Sample, seen: list[Any] = seen) -> Any:
            jax.debug.callback(lambda *z: seen.append(z), *z)
            return jnp.vdot(slope, z.weights)

        estimate = e.gradient(make(0.5), jnp.int32(0), KEY(seed), logits, loss)
        soft = e.gradient(
            e.gumbel_softmax(0.5), jnp.int32(0), KEY(seed), logits, lambda z: jnp.vdot(slope, z[1])
        )
        jax.effects_barrier()
        ops, weights = seen[0]
        np.testing.assert_array_equal(weights, np.eye(CHOICES)[np.asarray(ops)])
        np.testing.assert_allclose(estimate.gradient, soft.gradient, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(ops, soft.evaluations.ops[0])


@pytest.mark.parametrize("make", [e.gumbel_softmax, e.straight_through, e.gdas])
def test_temperatures(make: Any) -> None:
    logits = jnp.asarray(small_logits(), jnp.float32)
    annealed = make(optax.linear_schedule(2.0, 0.5, 3))
    state = annealed.init(KEY(0), logits)
    dense = jnp.asarray(small_table(), jnp.float32)
    loss = table_loss(dense, annealed.mixing)
    for step, temperature in enumerate([2.0, 1.5, 1.0, 0.5, 0.5]):
        estimate = e.gradient(annealed, state, KEY(step), logits, loss)
        same = e.gradient(make(temperature), jnp.int32(0), KEY(step), logits, loss)
        np.testing.assert_allclose(estimate.gradient, same.gradient, rtol=1e-5, atol=1e-7)
        state = estimate.state
    for wrong in (0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="temperature: expected a finite number from 1e-06"):
            make(wrong)


# What they ask of a loss, and how they are used in a network's search.


@each
def test_evaluations_are_counted_and_are_the_losses(name: str) -> None:
    logits = jnp.asarray(small_logits(), jnp.float32)
    estimator, state = ready(name, logits)
    dense = jnp.asarray(small_table(), jnp.float32)
    loss = table_loss(dense, estimator.mixing)
    estimated = jax.jit(lambda key: e.gradient(estimator, state, key, logits, loss))
    for seed in range(5):
        estimate = estimated(KEY(seed))
        ops, losses = estimate.evaluations
        assert ops.shape == (estimator.evaluations(EDGES, CHOICES), EDGES)
        if name not in ("gumbel-softmax", "softmax mixture"):
            np.testing.assert_allclose(losses, at(dense, ops), rtol=1e-5)
        if name != "exact":
            np.testing.assert_allclose(estimate.value, losses[0], rtol=1e-5)
        np.testing.assert_allclose(estimate.gradient.sum(axis=1), 0, atol=1e-5)
    if name.startswith("ram"):
        edges = 2 if "2" in name else EDGES
        assert len(losses) == edges * (CHOICES - 1) + 1
        changed = np.asarray(ops[1:] != ops[0])
        assert (changed.sum(axis=1) == 1).all()
        assert len(np.unique(np.asarray(ops), axis=0)) == len(ops)


@each
def test_many_seeds_at_once(name: str) -> None:
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(3, EDGES, CHOICES)), jnp.float32)
    estimator = ESTIMATORS[name]()
    loss = table_loss(jnp.asarray(small_table(), jnp.float32), estimator.mixing)

    def one(key: Any, logits: Any) -> Any:
        state = estimator.init(key, logits)
        estimate = e.gradient(estimator, state, key, logits, loss)
        return e.gradient(estimator, estimate.state, key, logits, loss).gradient

    keys = jax.random.split(KEY(4), 3)
    together = jax.jit(jax.vmap(one))(keys, logits)
    alone = jax.jit(one)
    for i in range(3):
        np.testing.assert_allclose(together[i], alone(keys[i], logits[i]), rtol=1e-4, atol=1e-6)


@each
def test_a_networks_weights_get_their_own_gradient_along(name: str) -> None:
    """By a surrogate: of the architecture drawn, undisturbed by the estimate for the logits."""
    logits = jnp.asarray(small_logits(), jnp.float32)
    estimator, state = ready(name, logits)
    params = jnp.asarray(small_table(), jnp.float32)

    def surrogate(logits: Any, params: Any) -> Any:
        loss = lambda z: table_loss(params, estimator.mixing)(z) ** 2  # noqa: E731
        return estimator.surrogate(state, KEY(7), logits, loss)

    (by_logits, by_params), (_, evaluations) = jax.grad(surrogate, (0, 1), has_aux=True)(
        logits, params
    )
    alone = e.gradient(
        estimator, state, KEY(7), logits, lambda z: table_loss(params, estimator.mixing)(z) ** 2
    )
    np.testing.assert_allclose(by_logits, alone.gradient, rtol=1e-5, atol=1e-7)
    assert float(jnp.abs(by_params).sum()) > 0
    if name in UNBIASED or name == "gdas":
        expected = (
            jnp.zeros_like(params)
            .at[tuple(evaluations.ops[0])]
            .set(2 * params[tuple(evaluations.ops[0])])
        )
        np.testing.assert_allclose(by_params, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", [*UNBIASED, "gdas"])
def test_one_op_an_edge_is_computed(name: str) -> None:
    """Of a loss that switches on the ops; RAM's evaluations one after the other."""
    logits = jnp.asarray(small_logits(), jnp.float32)
    estimator, state = ready(name, logits)
    computed: list[int] = []

    def op(number: int) -> Callable[[Any], Any]:
        def apply(x: Any) -> Any:
            jax.debug.callback(lambda: computed.append(number))
            return x * (number + 1) / 4

        return apply

    def loss(z: e.Sample) -> Any:
        x = jnp.ones(())
        for edge in range(EDGES):
            out = jax.lax.switch(z.ops[edge], [op(k) for k in range(CHOICES)], x)
            x = e.add_bare(z.weights[edge], z.ops[edge], out)
        return x

    estimate = jax.jit(lambda key: e.gradient(estimator, state, key, logits, loss))(KEY(0))
    jax.block_until_ready(estimate)
    jax.effects_barrier()
    assert sorted(computed) == sorted(np.asarray(estimate.evaluations.ops).ravel().tolist())


def test_entropy_and_mode() -> None:
    logits = small_logits()
    theta = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    expected = sum(scipy.stats.entropy(row) for row in theta)
    assert float(e.entropy(jnp.asarray(logits))) == pytest.approx(expected, rel=1e-5)
    assert float(e.entropy(jnp.asarray([[0.0, -1e6]]))) == 0
    np.testing.assert_array_equal(e.mode(jnp.asarray(logits)), logits.argmax(axis=1))


def test_bad_settings() -> None:
    logits = jnp.zeros((3, 2))
    loss = table_loss(jnp.zeros((2, 2, 2)), "ops")
    for decay in (1.0, -0.1, float("nan")):
        with pytest.raises(
            ValueError, match="baseline_decay: expected a finite number from 0 below 1"
        ):
            e.score_function(decay)
    with pytest.raises(ValueError, match="edges_per_step: expected a whole number from 1 .* got 0"):
        e.ram(0)
    with pytest.raises(ValueError, match="edges_per_step: expected 1 to 3, the edges, got 4"):
        e.gradient(e.ram(4), (), KEY(0), logits, loss)
    with pytest.raises(ValueError, match="hidden: expected a whole number from 1 .* got 0"):
        e.relax(hidden=0)
    with pytest.raises(ValueError, match=r"at most 1,048,576 architectures, 28 edges of 8 ops"):
        e.gradient(e.exact(), (), KEY(0), jnp.zeros((28, 8)), loss)
