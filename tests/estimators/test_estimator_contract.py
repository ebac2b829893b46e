"""One contract for all estimators, checked complete against what `jaxnas.estimators` offers."""

from __future__ import annotations

import doctest
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnas import estimators as e
from jaxnas.oneshot.enas import Controller, enas, initial

EDGES, CHOICES = 2, 3
KEY = jax.random.key
WORTH = np.random.default_rng(0).random((EDGES, CHOICES))


@dataclass(frozen=True)
class Contract:
    """What is different from estimator to estimator.

    Attributes:
        make: with the settings of the contract.
        shown: its repr.
        mixing: what it asks of a loss.
        unbiased: whether its mean is the gradient.
        evaluations: of 2 edges of 3 ops.
        parameters: what it differentiates by; α [E, K] but for a policy with parameters.
    """

    make: Callable[[], e.Estimator]
    shown: str
    mixing: str
    unbiased: bool
    evaluations: int = 1
    parameters: Callable[[], Any] = lambda: jnp.zeros((EDGES, CHOICES), jnp.float32)


CONTROLLER = Controller(CHOICES, hidden=3, layers=1)
CONTRACTS = {
    "exact": Contract(e.exact, "exact()", "ops", True, 9),
    "score_function": Contract(
        lambda: e.score_function(0.5), "score_function(baseline_decay=0.5)", "ops", True
    ),
    "relax": Contract(lambda: e.relax(hidden=4), "relax(hidden=4)", "ops", True),
    "ram": Contract(e.ram, "ram()", "ops", True, 5),
    "gumbel_softmax": Contract(
        lambda: e.gumbel_softmax(0.7), "gumbel_softmax(temperature=0.7)", "weights", False
    ),
    "straight_through": Contract(
        lambda: e.straight_through(0.7), "straight_through(temperature=0.7)", "weights", False
    ),
    "gdas": Contract(lambda: e.gdas(0.7), "gdas(temperature=0.7)", "selected", False),
    "softmax_mixture": Contract(e.softmax_mixture, "softmax_mixture()", "weights", False),
    "stochastic_gates": Contract(
        lambda: e.stochastic_gates(0.7, upper=1.2),
        "stochastic_gates(temperature=0.7, upper=1.2)",
        "weights",
        False,
    ),
    "straight_through_top_k": Contract(
        lambda: e.straight_through_top_k(0.7, kept=1),
        "straight_through_top_k(temperature=0.7, kept=1)",
        "weights",
        False,
    ),
}
# ENAS's policy has parameters of its own, so it lives with the supernets; it keeps the contract.
ENAS = Contract(
    lambda: enas(CONTROLLER, EDGES),
    "",
    "ops",
    True,
    parameters=lambda: initial(CONTROLLER, KEY(5)),
)
each = pytest.mark.parametrize("contract", [*CONTRACTS.values(), ENAS], ids=[*CONTRACTS, "enas"])


def factories() -> dict[str, Any]:
    public = {name: getattr(e, name) for name in e.__all__}
    return {
        name: value
        for name, value in public.items()
        if inspect.isfunction(value) and inspect.signature(value).return_annotation is e.Estimator
    }


def loss(z: e.Sample) -> Any:
    """Of one op an edge the sum of their worths, whatever the sample's weights are."""
    return jnp.vdot(jnp.asarray(WORTH, z.weights.dtype), z.weights)


def test_the_contract_is_complete() -> None:
    assert CONTRACTS.keys() == factories().keys()


@pytest.mark.parametrize("name", CONTRACTS)
def test_each_factory_has_an_example_that_runs(name: str) -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(factories()[name], name, globs={})
    assert 1 < len(example.examples) <= 6
    assert doctest.DocTestRunner().run(example).failed == 0


def test_the_example_of_gradient_runs() -> None:
    (example,) = doctest.DocTestFinder(recurse=False).find(e.gradient, "gradient", globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


@each
def test_it_says_what_it_is_and_what_it_asks(contract: Contract) -> None:
    estimator = contract.make()
    assert estimator.mixing == contract.mixing
    assert estimator.unbiased == contract.unbiased
    assert estimator.evaluations(EDGES, CHOICES) == contract.evaluations
    if contract.shown:
        assert repr(estimator) == contract.shown
    assert "0x" not in repr(estimator)


@each
def test_estimates_scan_compile_once_and_depend_on_the_key_alone(contract: Contract) -> None:
    estimator, parameters = contract.make(), contract.parameters()

    @jax.jit
    def estimate(state: Any, key: Any) -> e.Estimate:
        return e.gradient(estimator, state, key, parameters, loss)

    state = estimator.init(KEY(0), parameters)
    first = estimate(state, KEY(1))
    again = estimate(state, KEY(1))
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(again), strict=True):
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
    # The gradient is of its parameters' kind, the state of its own, so that both go on in a scan.
    for one, other in ((first.gradient, parameters), (first.state, state)):
        assert jax.tree.structure(one) == jax.tree.structure(other)
        for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
            assert (a.shape, a.dtype) == (jnp.shape(b), jnp.asarray(b).dtype)
            assert jnp.isfinite(a).all()
    second = estimate(first.state, KEY(2))
    assert estimate._cache_size() == 1
    ops, losses = second.evaluations
    assert ops.shape == (contract.evaluations, EDGES)
    assert losses.shape == (contract.evaluations,)
    assert ops.dtype == jnp.int32
    assert ((ops >= 0) & (ops < CHOICES)).all()
    assert jnp.isfinite(second.value)


@each
def test_the_value_is_the_loss_of_what_was_drawn(contract: Contract) -> None:
    estimator, parameters = contract.make(), contract.parameters()
    estimate = e.gradient(estimator, estimator.init(KEY(0), parameters), KEY(3), parameters, loss)
    ops, losses = estimate.evaluations
    if contract.mixing == "ops":
        worths = WORTH[np.arange(EDGES), np.asarray(ops)].sum(axis=1)
        np.testing.assert_allclose(losses, worths, rtol=1e-5)
    expected = losses.mean() if contract.evaluations == CHOICES**EDGES else losses[0]
    np.testing.assert_allclose(estimate.value, expected, rtol=1e-5)
