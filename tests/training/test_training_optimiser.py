"""The optimiser of a training, against SGD written out."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxnas.training import TrainingSettings, optimiser


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("space", "clip"), [("nb201", np.inf), ("darts", 2.5)])
def test_optimiser_is_sgd_with_coupled_decay(space: str, clip: float) -> None:
    random = np.random.default_rng(0)
    chosen = TrainingSettings(space, epochs=3, learning_rate=0.3, momentum=0.8, weight_decay=0.05)
    if clip < np.inf:
        chosen = dataclasses.replace(chosen, gradient_clip=clip)
    shortened = 0
    rule = optimiser.optimiser(chosen, steps_per_epoch=2)
    params = {"kernel": jnp.asarray(random.standard_normal((3, 2))), "scale": jnp.ones(2)}
    state = rule.init(params)
    expected = {name: np.asarray(value) for name, value in params.items()}
    velocity = {name: np.zeros_like(value) for name, value in expected.items()}
    for step in range(6):
        rate = 0.3 * (1 + np.cos(np.pi * (step // 2) / 3)) / 2
        gradient = {name: random.standard_normal(v.shape) for name, v in expected.items()}
        norm = np.sqrt(sum(np.sum(g**2) for g in gradient.values()))
        shortened += norm > clip
        updates, state = rule.update(jax.tree.map(jnp.asarray, gradient), state, params)
        params = optax.apply_updates(params, updates)
        for name, p in expected.items():
            d = gradient[name] * min(1, clip / norm) + 0.05 * p
            velocity[name] = 0.8 * velocity[name] + d
            moved = d + 0.8 * velocity[name] if chosen.nesterov else velocity[name]
            expected[name] = p - rate * moved
        for name, p in expected.items():
            np.testing.assert_allclose(params[name], p, rtol=1e-12)
    assert chosen.nesterov == (space == "nb201")
    assert (0 < shortened < 6) == (clip < np.inf)  # some are clipped, some are not


def test_learning_rate_falls_by_epochs() -> None:
    chosen = TrainingSettings(epochs=12)
    rates = [float(optimiser.learning_rate(chosen, epoch)) for epoch in range(12)]
    np.testing.assert_allclose(rates[0], 0.1, rtol=1e-6)
    np.testing.assert_allclose(rates[3], 0.05 * (1 + np.sqrt(0.5)), rtol=1e-6)
    np.testing.assert_allclose(rates[6], 0.05, rtol=1e-6)
    np.testing.assert_allclose(rates[4] + rates[8], 0.1, rtol=1e-6)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0
