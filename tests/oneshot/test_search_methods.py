"""The methods' constants: presets, optimisers, temperatures, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from tiny_search import assert_close, method_of, nb201_supernet, tiny_supernet

from jaxnas import estimators, oneshot
from jaxnas.oneshot import recipes
from jaxnas.oneshot.methods import assemble, temperatures
from jaxnas.oneshot.optimisers import optimisers
from jaxnas.oneshot.recipe import Recipe, parse, upgraded


def test_second_order_needs_a_bilevel_mixture() -> None:
    space = tiny_supernet(10)
    for rest in ({"alternation": "together"}, {"estimator": estimators.score_function()}):
        made = {"estimator": estimators.softmax_mixture(), **rest}
        with pytest.raises(ValueError, match="second order: expected a bilevel search"):
            method_of(space, second_order=True, **made)


# Constants and optimisers.


@pytest.mark.usefixtures("x64")
def test_weights_follow_pytorchs_sgd_and_alpha_its_adam() -> None:
    recipe = Recipe(epochs=3, weight_decay=0.1, weight_clip=0.5, alpha_decay=0.2, alpha_rate=0.01)
    rules = optimisers(recipe, steps_per_epoch=2)
    random = np.random.default_rng(0)
    w = {"a": random.standard_normal((3, 2)), "b": random.standard_normal(4)}
    state, velocity = rules.weights.init(w), {name: np.zeros_like(v) for name, v in w.items()}
    got = jax.tree.map(jnp.asarray, w)
    for step in range(6):
        slope = {name: random.standard_normal(v.shape) for name, v in w.items()}
        update, state = rules.weights.update(jax.tree.map(jnp.asarray, slope), state, got)
        got = optax.apply_updates(got, update)
        norm = math.sqrt(sum((g**2).sum() for g in slope.values()))
        rate = 0.001 + 0.012 * (1 + math.cos(math.pi * (step // 2) / 3))
        for name, value in w.items():
            d = slope[name] * min(1, 0.5 / norm) + 0.1 * value
            velocity[name] = 0.9 * velocity[name] + d
            w[name] = value - rate * velocity[name]
        assert_close(got, w)
    alpha, moments = random.standard_normal((2, 3)), rules.alpha.init(jnp.zeros((2, 3)))
    first = second = 0.0
    for step in range(1, 4):
        slope = random.standard_normal((2, 3))
        update, moments = rules.alpha.update(jnp.asarray(slope), moments, jnp.asarray(alpha))
        d = slope + 0.2 * alpha
        first, second = 0.5 * first + 0.5 * d, 0.999 * second + 0.001 * d**2
        change = first / (1 - 0.5**step) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(update, -0.01 * change, rtol=1e-6)
        alpha = alpha + np.asarray(update)


def test_presets_are_the_papers() -> None:
    darts_recipe = oneshot.make_recipe("darts", "darts")
    assert (darts_recipe.depth, darts_recipe.nesterov, darts_recipe.weight_decay) == (
        8,
        False,
        3e-4,
    )
    assert oneshot.make_recipe("darts", "nb201").depth == 5
    assert oneshot.make_recipe("gdas", "darts").batch_size == 256
    assert oneshot.make_recipe("gdas", "nb201").batch_size == 64
    assert oneshot.make_recipe("snas", "darts").alternation == "together"
    assert oneshot.make_recipe("rsps", "nb201").candidates == 100
    assert oneshot.make_recipe("ram", "nb201", edges_per_step=2).edges_per_step == 2


def test_temperatures_are_linear_by_epochs() -> None:
    recipe = oneshot.make_recipe("gdas", "nb201", epochs=4)
    method = assemble(recipe, nb201_supernet(), 5)
    shown = [float(method.temperature(jnp.int32(step))) for step in (0, 4, 5, 14, 15, 19)]
    np.testing.assert_allclose(shown, [10, 10, 6.7, 3.4, 0.1, 0.1], rtol=1e-5)
    single: Any = oneshot.make_recipe("snas", "nb201", epochs=1)
    one = temperatures(single, 5)
    assert float(one(jnp.int32(4))) == 1


@pytest.mark.parametrize(
    ("method", "space", "constants", "message"),
    [
        ("dart", "nb201", {}, r"method 'dart': expected one of .*did you mean 'darts'"),
        ("sf", "nb201", {"temperature": 1.0}, "sf: expected a constant of .*'temperature'"),
        ("gdas", "nb201", {"temperature": 0.0}, "temperature: expected a finite .* got 0"),
        ("snas", "nb201", {"final_temperature": -1.0}, "final_temperature: expected a"),
        ("sf", "nb201", {"epochs": 0}, "epochs: expected a whole number from 1 to 1000000, got 0"),
        ("sf", "nb201", {"epochs": 2.5}, "epochs: expected a whole number from 1 .* got 2.5"),
        ("sf", "nb201", {"weight_rate": math.nan}, "weight_rate: expected a finite number"),
        ("sf", "nb201", {"valid_fraction": 1.0}, "valid_fraction: expected a .* below 1"),
        ("sf", "nb201", {"nesterov": 1}, "nesterov: expected True or False, got 1"),
        ("sf", "nb201", {"alternation": "both"}, "alternation: expected one of alpha-first, "),
        ("sf", "nb201", {"weight_clip": 0.0}, "weight_clip: expected a finite number above 0"),
        ("sf", "nb201", {"batch_size": 1}, "batch_size: expected a whole number from 2 "),
    ],
)  # fmt: skip
def test_bad_constants_are_named(method: str, space: str, constants: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        oneshot.make_recipe(method, space, **constants)


def test_too_many_edges_a_step_are_refused() -> None:
    recipe = oneshot.make_recipe("ram", "nb201", edges_per_step=7)
    with pytest.raises(ValueError, match="edges_per_step: expected 1 to 6, the edges of nb201"):
        assemble(recipe, nb201_supernet(), 5)


def test_constants_are_read_from_text() -> None:
    def read(name: str, text: str) -> Any:
        return parse(recipes.Ram, name, text)

    assert read("epochs", "3") == 3
    assert read("alpha_decay", "1e-2") == 0.01
    # As folders hold it that were begun so.
    assert type(read("alpha_decay", "0")) is int
    assert read("weight_clip", "none") is None
    assert read("nesterov", "True") is True
    assert read("rule", "top-pairs") == "top-pairs"
    with pytest.raises(ValueError, match="edges_per_step: expected a whole number .* got 'x'"):
        read("edges_per_step", "x")
    with pytest.raises(ValueError, match="constant 'cells': expected one of epochs, "):
        read("cells", "3")


def test_every_method_has_a_reference_and_a_recipe_that_can_be_assembled() -> None:
    for name, definition in oneshot.METHODS.items():
        assert definition.reference
        assert definition.title.endswith(".")
        assert assemble.dispatch(definition.recipe) is not assemble.dispatch(Recipe), name
        assert type(oneshot.make_recipe(name, "another space")) is definition.recipe


def test_settings_of_earlier_searches_are_known_by_their_new_names() -> None:
    recipe = oneshot.make_recipe("gdas", "nb201").identity()
    earlier = {"cells" if name == "depth" else name: value for name, value in recipe.items()}
    assert upgraded({"method": "gdas", **earlier}) == {"method": "gdas", **recipe}
    assert upgraded(recipe) == recipe
