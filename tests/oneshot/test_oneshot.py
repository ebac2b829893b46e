"""Searches on a supernet: gradients against plain ones, whole runs of every method, killed ones."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pytest
from conftest import little_digits

from jaxnas import estimators, oneshot
from jaxnas.data import Images
from jaxnas.estimators import Sample, add_bare
from jaxnas.networks import layers
from jaxnas.networks.modules import Classifier
from jaxnas.networks.nb201.supernet_module import SuperCell
from jaxnas.oneshot import images as images_module
from jaxnas.oneshot import methods, spaces
from jaxnas.oneshot.images import check, epoch_batches
from jaxnas.oneshot.log import Epoch
from jaxnas.oneshot.method import Method, categorical, uniform
from jaxnas.oneshot.optimisers import Optimisers, optimisers, weight_rate
from jaxnas.oneshot.programs import Programs, _batches
from jaxnas.oneshot.recipe import Recipe, parse
from jaxnas.oneshot.spaces import Found, Space, darts_space, nb201_space
from jaxnas.oneshot.step import Batch, State, initial_state, search_step
from jaxnas.spaces import darts, nb201
from jaxnas.spaces.nb201 import EDGES, Op

COMPILED = "/jax/core/compile/backend_compile_duration"
EVERY = sorted(oneshot.METHODS)


# Two small spaces: a smooth one of two edges and three ops that compiles at once, and one cell of
# NAS-Bench-201 with its own layers.


class TinyNetwork(nn.Module):
    """Two edges in a row; of three ops the first is none, the second the identity."""

    num_classes: int = 10
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, weights: jax.Array, ops: jax.Array | None = None) -> Any:
        x = x[:, ::4, ::4].reshape(len(x), -1)
        for e in range(2):
            kernel = self.param(
                f"kernel{e}", nn.initializers.lecun_normal(), (x.shape[1],) * 2, self.dtype
            )
            outputs = [jnp.zeros_like(x), x, jnp.tanh(x @ kernel)]
            if ops is None:
                x = sum(weights[e, k] * y for k, y in enumerate(outputs))
            else:
                x = add_bare(weights[e], ops[e], jnp.stack(outputs)[ops[e]])
        shape = (x.shape[1], self.num_classes)
        return x @ self.param("classifier", nn.initializers.lecun_normal(), shape, self.dtype)


def tiny_space(num_classes: int, channels: int = 1, cells: int = 1, dtype: Any = jnp.float32):
    del channels, cells

    def named(ops: tuple[int, ...]) -> Found:
        return Found(tuple(map(int, ops)), "-".join(str(int(op)) for op in ops))

    return Space(
        name="tiny",
        edges=2,
        cells=(((0, 1), (1, 2)),),
        op_names=("none", "skip", "layer"),
        none=0,
        skips=(1,),
        pools=(),
        convolutions=(2,),
        network=TinyNetwork(num_classes, dtype),
        named=named,
        discretised=lambda weights, rule: named(tuple(weights.argmax(1).tolist())),
        draw=lambda key: jax.random.randint(key, (2,), 1, 3, jnp.int32),
        of_cells=lambda values: values,
    )


class OneCell(nn.Module):
    """A cell of the supernet between a pointwise stem and a classifier."""

    num_classes: int = 10
    dtype: Any = jnp.float64

    @nn.compact
    def __call__(self, x: jax.Array, weights: jax.Array, ops: jax.Array | None = None) -> Any:
        init = nn.initializers.lecun_normal()
        stem = self.param("stem", init, (1, 1, 3, 2), self.dtype)
        x = SuperCell(init, self.dtype, name="cell")(layers.conv(x, stem), weights, ops)
        classifier = Classifier(self.num_classes, "pytorch", self.dtype, name="classifier")
        return classifier(jnp.tanh(x).mean((1, 2)))


def one_cell_space() -> Space:
    space = nb201_space(10)
    return Space(**{**vars(space), "network": OneCell()})


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(spaces.SPACES, "tiny", tiny_space)


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits(160, 20))


def batch(seed: int, size: int = 6) -> Batch:
    random = np.random.default_rng(seed)
    x = jnp.asarray(random.standard_normal((size, 8, 8, 3)))
    return Batch(x, jnp.asarray(random.integers(0, 10, size)))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()


def method_of(space: Space, estimator: estimators.Estimator | None, **rest: Any) -> Method:
    recipe = methods.ScoreFunction(alpha_deviation=1.0)
    return Method(categorical(space, recipe), estimator, **rest)


def plain_steps() -> Optimisers:
    """Gradients at face value: an update is the negative gradient."""
    return Optimisers(optax.sgd(1.0), optax.sgd(1.0), optax.sgd(1.0))


def one_step(
    space: Space, method: Method, rules: Optimisers | None = None
) -> tuple[State, State, tuple[jax.Array, jax.Array], float]:
    """State before and after a step on batches 0 and 1, the keys of both parts, the loss."""
    rules = rules or plain_steps()
    state = initial_state(space, method, rules, seed=3, image_size=8)
    key = jax.random.key(7)
    after, result = jax.jit(search_step(space, method, rules))(state, key, batch(0), batch(1))
    assert bool(result.finite)
    return state, after, tuple(jax.random.split(key)), float(result.loss)


def minus(a: Any, b: Any) -> Any:
    return jax.tree.map(lambda x, y: np.asarray(x - y), a, b)


def assert_close(got: Any, wanted: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), got, wanted)


# Gradients of the step.


def enumerated(space: Space, params: Any, alpha: Any, data: Batch) -> jax.Array:
    """E[L(Z)] of the tiny space, written out."""
    total = jnp.zeros(())
    for a in range(3):
        for b in range(3):
            weights = jax.nn.one_hot(jnp.array([a, b]), 3, dtype=alpha.dtype)
            logits = space.logits(params, data.x, weights)
            probability = jax.nn.softmax(alpha[0])[a] * jax.nn.softmax(alpha[1])[b]
            total += probability * cross_entropy(logits, data.y)
    return total


@pytest.mark.usefixtures("x64")
def test_gradients_of_a_single_level_step_are_those_of_the_enumerated_expectation() -> None:
    space = tiny_space(10, dtype=jnp.float64)
    method = method_of(space, estimators.exact(), alternation="together")
    before, after, _, loss = one_step(space, method)
    value, wanted = jax.value_and_grad(
        lambda params, alpha: enumerated(space, params, alpha, batch(0)), (0, 1)
    )(before.params, before.alpha)
    assert_close(minus(before.params, after.params), wanted[0])
    assert_close(minus(before.alpha, after.alpha), wanted[1])
    assert loss == pytest.approx(float(value))


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("alternation", ["alpha-first", "weights-first"])
def test_a_bilevel_step_takes_alpha_by_validation_and_weights_by_training(
    alternation: str,
) -> None:
    space = tiny_space(10, dtype=jnp.float64)
    method = method_of(space, estimators.exact(), alternation=alternation)
    before, after, (for_weights, _), loss = one_step(space, method)
    alpha_first = alternation == "alpha-first"

    drawn_from = after.alpha if alpha_first else before.alpha
    ops = method.distribution.sample(for_weights, drawn_from)
    weights = jax.nn.one_hot(ops, 3, dtype=jnp.float64)
    value, slope = jax.value_and_grad(
        lambda params: cross_entropy(space.logits(params, batch(0).x, weights), batch(0).y)
    )(before.params)
    assert_close(minus(before.params, after.params), slope)
    assert loss == pytest.approx(float(value))

    params = before.params if alpha_first else after.params
    wanted = jax.grad(lambda alpha: enumerated(space, params, alpha, batch(1)))(before.alpha)
    assert_close(minus(before.alpha, after.alpha), wanted)
    assert int(after.step) == 1


@pytest.mark.usefixtures("x64")
def test_mixtures_teach_both() -> None:
    space = tiny_space(10, dtype=jnp.float64)
    method = method_of(space, estimators.softmax_mixture())
    rules = plain_steps()
    state = initial_state(space, method, rules, seed=3, image_size=8)
    step = jax.jit(search_step(space, method, rules))
    after, _ = step(state, jax.random.key(7), batch(0), batch(1))

    def loss(params: Any, alpha: Any, data: Batch) -> jax.Array:
        return cross_entropy(space.logits(params, data.x, jax.nn.softmax(alpha)), data.y)

    by_alpha = jax.grad(loss, 1)(state.params, state.alpha, batch(1))
    assert_close(minus(state.alpha, after.alpha), by_alpha)
    by_params = jax.grad(loss)(state.params, after.alpha, batch(0))
    assert_close(minus(state.params, after.params), by_params)


@pytest.mark.usefixtures("x64")
def test_without_an_estimator_alpha_stays_and_architectures_are_the_spaces_own() -> None:
    space = tiny_space(10, dtype=jnp.float64)
    before, after, (for_weights, _), _ = one_step(space, Method(uniform(space), None))
    assert after.alpha == before.alpha == ()
    weights = jax.nn.one_hot(space.draw(for_weights), 3, dtype=jnp.float64)
    slope = jax.grad(
        lambda params: cross_entropy(space.logits(params, batch(0).x, weights), batch(0).y)
    )(before.params)
    assert_close(minus(before.params, after.params), slope)


# The layers of NAS-Bench-201 below it.


def written_out(params: Any, x: jax.Array, weights: jax.Array, ops: list[int]) -> jax.Array:
    """Logits of `OneCell` with one op an edge, by XLA's own layers and GDAS's rule."""

    def convolved(x: jax.Array, kernel: jax.Array) -> jax.Array:
        y = jax.lax.conv_general_dilated(
            jax.nn.relu(x), kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        mean, variance = y.mean((0, 1, 2)), y.var((0, 1, 2))
        return (y - mean) / jnp.sqrt(variance + 1e-5)

    nodes = [x @ params["stem"][0, 0]] + [jnp.zeros((*x.shape[:3], 2))] * 3
    for e, ((source, target), op) in enumerate(zip(EDGES, ops, strict=True)):
        x = nodes[source]
        match Op(op):
            case Op.NONE:
                y = jnp.zeros_like(x)
            case Op.SKIP:
                y = x
            case Op.POOL:
                y = nn.avg_pool(x, (3, 3), padding=((1, 1), (1, 1)), count_include_pad=False)
            case _:
                y = convolved(x, params["cell"][f"edge{e}_{nb201.OPS[op]}"])
        nodes[target] = nodes[target] + add_bare(weights[e], jnp.int32(op), y)
    features = jnp.tanh(nodes[3]).mean((1, 2))
    return features @ params["classifier"]["kernel"] + params["classifier"]["bias"]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("estimator", ["sf", "gdas"])
def test_sampled_steps_of_a_cell_are_plain_autodiff_of_the_one_drawn(estimator: str) -> None:
    """GDAS differentiates by the weights of all ops, the score function's needs no derivative."""
    space = one_cell_space()
    made = {"sf": estimators.score_function(None), "gdas": estimators.gdas(2.0)}[estimator]
    method = method_of(space, made, alternation="together")
    before, after, (_, key), loss = one_step(space, method)
    found: list[Sample] = []

    def keep(z: Sample) -> jax.Array:
        found.append(z)
        return jnp.zeros(())

    made.surrogate(before.estimator, key, before.alpha, keep)
    ops = found[0].ops.tolist()
    assert len(set(ops)) > 2

    def plain(params: Any, alpha: Any) -> jax.Array:
        seen: list[Sample] = []
        made.surrogate(before.estimator, key, alpha, lambda z: seen.append(z) or jnp.zeros(()))
        return cross_entropy(written_out(params, batch(0).x, seen[0].weights, ops), batch(0).y)

    value, (by_params, by_alpha) = jax.jit(jax.value_and_grad(plain, (0, 1)))(
        before.params, before.alpha
    )
    if estimator == "sf":
        by_alpha = value * (found[0].weights - jax.nn.softmax(before.alpha))
    assert loss == pytest.approx(float(value), rel=1e-10)
    assert_close(minus(before.params, after.params), by_params, atol=1e-10)
    assert_close(minus(before.alpha, after.alpha), by_alpha, atol=1e-10)
    assert np.abs(by_alpha).max() > 1e-3


# The second order.


def after_sgd(params: Any, momentum: Any, slope: Any, recipe: Recipe, rate: float) -> Any:
    """A step of DARTS' code: w - rate (m buffer + gradient + decay w)."""
    return jax.tree.map(
        lambda w, m, g: w - rate * (recipe.momentum * m + g + recipe.weight_decay * w),
        params,
        momentum,
        slope,
    )


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("kind", ["tiny", "cell"])
def test_second_order_against_finite_differences(kind: str) -> None:
    """Of the validation loss after a step with momentum and decay, in float64."""
    space = tiny_space(10, dtype=jnp.float64) if kind == "tiny" else one_cell_space()
    recipe = methods.Darts(weight_decay=0.1, weight_rate=0.2, weight_clip=1e-6, epochs=4)
    method = method_of(space, estimators.softmax_mixture(), second_order=True)
    rules = optimisers(recipe, steps_per_epoch=1)._replace(alpha=optax.sgd(1.0))
    state = initial_state(space, method, rules, seed=3, image_size=8)
    # With a momentum, and in the second epoch, where the rate is another.
    random = np.random.default_rng(0)
    momentum = jax.tree.map(lambda w: jnp.asarray(random.standard_normal(w.shape)), state.params)
    moved = jax.tree.map(lambda leaf: leaf, state.weights_optimiser)
    trace, schedule = moved[2]
    moved = (*moved[:2], (trace._replace(trace=momentum), schedule._replace(count=jnp.int32(1))))
    state = state._replace(weights_optimiser=moved)
    step = jax.jit(search_step(space, method, rules))
    after, _ = step(state, jax.random.key(7), batch(0), batch(1))
    got = minus(state.alpha, after.alpha)

    rate = float(weight_rate(recipe, 1))
    assert rate < 0.2

    def loss(params: Any, alpha: Any, data: Batch) -> jax.Array:
        return cross_entropy(space.logits(params, data.x, jax.nn.softmax(alpha)), data.y)

    @jax.jit
    def ahead(alpha: Any) -> jax.Array:
        slope = jax.grad(loss)(state.params, alpha, batch(0))
        return loss(after_sgd(state.params, momentum, slope, recipe, rate), alpha, batch(1))

    first_order = jax.grad(loss, 1)(state.params, state.alpha, batch(1))
    for seed in range(3):
        direction = np.random.default_rng(seed).standard_normal(state.alpha.shape)
        # Short: the gradient of a network with ReLU jumps.
        h = 1e-5 if kind == "tiny" else 1e-8
        ends = [float(ahead(state.alpha + sign * h * direction)) for sign in (1, -1)]
        wanted = (ends[0] - ends[1]) / (2 * h)
        assert float(np.vdot(got, direction)) == pytest.approx(wanted, rel=1e-5, abs=1e-7)
        assert abs(float(np.vdot(first_order, direction)) - wanted) > 1e-3 * abs(wanted)


def test_second_order_needs_a_bilevel_mixture() -> None:
    space = tiny_space(10)
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
    assert (darts_recipe.cells, darts_recipe.nesterov, darts_recipe.weight_decay) == (
        8,
        False,
        3e-4,
    )
    assert oneshot.make_recipe("darts", "nb201").cells == 5
    assert oneshot.make_recipe("gdas", "darts").batch_size == 256
    assert oneshot.make_recipe("gdas", "nb201").batch_size == 64
    assert oneshot.make_recipe("snas", "darts").alternation == "together"
    assert oneshot.make_recipe("rsps", "nb201").candidates == 100
    assert oneshot.make_recipe("ram", "nb201", edges_per_step=2).edges_per_step == 2


def test_temperatures_are_linear_by_epochs() -> None:
    recipe = oneshot.make_recipe("gdas", "nb201", epochs=4)
    method = oneshot.METHODS["gdas"].assemble(recipe, nb201_space(10), 5)
    shown = [float(method.temperature(jnp.int32(step))) for step in (0, 4, 5, 14, 15, 19)]
    np.testing.assert_allclose(shown, [10, 10, 6.7, 3.4, 0.1, 0.1], rtol=1e-5)
    one = oneshot.make_recipe("snas", "nb201", epochs=1).schedule(5)
    assert float(one(jnp.int32(4))) == 1


@pytest.mark.parametrize(
    ("method", "space", "constants", "message"),
    [
        ("dart", "nb201", {}, r"method 'dart': expected one of .*did you mean 'darts'"),
        ("sf", "nasbench", {}, "space 'nasbench': expected nb201 or darts"),
        ("sf", "nb201", {"temperature": 1.0}, "sf has no constant 'temperature': it has epochs"),
        ("gdas", "nb201", {"temperature": 0.0}, "temperature: expected a number above 0, got 0"),
        ("snas", "nb201", {"final_temperature": -1.0}, "final_temperature: expected a"),
        ("sf", "nb201", {"epochs": 0}, "epochs: expected a number from 1, got 0"),
        ("sf", "nb201", {"epochs": 2.5}, "epochs: expected a whole number, got 2.5"),
        ("sf", "nb201", {"weight_rate": math.nan}, "weight_rate: expected a finite number"),
        ("sf", "nb201", {"valid_fraction": 1.0}, "valid_fraction: expected a .* below 1"),
        ("sf", "nb201", {"nesterov": 1}, "nesterov: expected true or false, got 1"),
        ("sf", "nb201", {"alternation": "both"}, "alternation: expected alpha-first or"),
        ("sf", "nb201", {"weight_clip": 0.0}, "weight_clip: expected a number above 0"),
        ("sf", "nb201", {"batch_size": 1}, "batch_size: expected 2 or more"),
    ],
)  # fmt: skip
def test_bad_constants_are_named(method: str, space: str, constants: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        oneshot.make_recipe(method, space, **constants)


def test_too_many_edges_a_step_are_refused() -> None:
    recipe = oneshot.make_recipe("ram", "nb201", edges_per_step=7)
    with pytest.raises(ValueError, match="edges_per_step: expected 1 to 6, the edges of nb201"):
        oneshot.METHODS["ram"].assemble(recipe, nb201_space(10), 5)


def test_constants_are_read_from_text() -> None:
    def read(name: str, text: str) -> Any:
        return parse(methods.Ram, name, text)

    assert read("epochs", "3") == 3
    assert read("alpha_decay", "1e-2") == 0.01
    assert read("weight_clip", "none") is None
    assert read("nesterov", "True") is True
    assert read("rule", "top-pairs") == "top-pairs"
    assert read("edges_per_step", "x") == "x"  # for the recipe to refuse
    with pytest.raises(ValueError, match="constant 'depth': expected one of epochs, "):
        read("depth", "3")


# Spaces.


def test_random_architectures_of_nb201_are_uniform_where_every_node_has_an_input() -> None:
    space = nb201_space(10)
    keys = jax.random.split(jax.random.key(0), 20_000)
    ops = np.asarray(jax.jit(jax.vmap(space.draw))(keys))
    alive = ops != Op.NONE
    assert alive[:, 0].all()
    assert alive[:, 1:3].any(1).all()
    assert alive[:, 3:].any(1).all()
    # Of edge 0 four ops are left; of a node with two edges each pair but one.
    first = np.bincount(ops[:, 0], minlength=5)[1:]
    pairs = np.bincount(ops[:, 1] * 5 + ops[:, 2], minlength=25)[1:]
    for counts in (first, pairs):
        expected = len(ops) / len(counts)
        chi2 = ((counts - expected) ** 2 / expected).sum()
        freedom = len(counts) - 1
        assert chi2 < freedom + 5 * math.sqrt(2 * freedom)


def test_random_architectures_of_darts_keep_two_edges_a_node() -> None:
    space = darts_space(10)
    keys = jax.random.split(jax.random.key(0), 20_000)
    ops = np.asarray(jax.jit(jax.vmap(space.draw))(keys))
    alive = ops.reshape(-1, 2, 14) != darts.Op.NONE
    for node in darts.NODES:
        of_node = [e for e, (_, target) in enumerate(darts.EDGES) if target == node]
        assert (alive[:, :, of_node].sum(2) == 2).all()
        share = alive[:, :, of_node].mean((0, 1))
        np.testing.assert_allclose(share, 2 / node, atol=0.02)
    counts = np.bincount(ops[ops != 0], minlength=8)[1:]
    expected = counts.sum() / 7
    assert ((counts - expected) ** 2 / expected).sum() < 6 + 5 * math.sqrt(12)
    genotype = darts.parse_genotype(space.named(tuple(ops[0].tolist())).notation)
    assert len(genotype.normal) == len(genotype.reduce) == 8


def test_architectures_are_written_as_the_field_does() -> None:
    space, ops = nb201_space(10), (3, 1, 0, 2, 4, 1)
    weights = np.eye(5)[list(ops)]
    assert space.discretised(weights, "top-edges") == space.named(ops)
    assert nb201.arch_to_ops(space.named(ops).notation) == ops
    assert space.count_skips(ops) == 2

    space = darts_space(10)
    weights = np.random.default_rng(0).uniform(size=(28, 8))
    for rule, of_cell in (
        ("every-edge", darts.every_edge),
        ("top-edges", darts.top_edges),
        ("top-pairs", darts.top_pairs),
    ):
        found = space.discretised(weights, rule)
        wanted = darts.discretise(weights[:14], weights[14:], of_cell)
        assert found.notation == str(wanted)
        for half, genes in enumerate((wanted.normal, wanted.reduce)):
            ops = found.ops[14 * half : 14 * half + 14]
            for e, edge in enumerate(darts.EDGES):
                own = [op for op, *gene in darts.edges_of(genes) if tuple(gene) == edge]
                assert ops[e] == (own[0] if own else darts.Op.NONE)
    found = space.discretised(weights, "top-edges")
    assert space.named(found.ops).notation.count("'none'") == 0
    every = space.discretised(weights, "every-edge")
    assert space.named(every.ops) == every


@pytest.mark.parametrize("sampled", [True, False])
def test_the_darts_supernet_takes_both_cells_at_once(sampled: bool) -> None:
    """By shapes alone: nothing is computed."""
    space = darts_space(7, channels=2, cells=3)
    params = jax.eval_shape(lambda: space.init(jax.random.key(0), 8))
    ops = jnp.zeros(28, jnp.int32) if sampled else None
    weights, x = jnp.zeros((28, 8)), jnp.zeros((4, 8, 8, 3))
    logits = jax.eval_shape(lambda params: space.logits(params, x, weights, ops), params)
    assert logits.shape == (4, 7)
    with pytest.raises(ValueError, match="channels: expected an even number"):
        darts_space(7, channels=3)


# Images.


def test_halves_are_apart_and_every_epoch_has_another_order(digits: Images) -> None:
    parts = check(digits, Recipe(batch_size=16))
    assert sorted([*parts.train, *parts.valid]) == list(range(160))
    assert abs(len(parts.train) - len(parts.valid)) <= 10
    batches = [epoch_batches(parts, 16, 0, epoch) for epoch in range(3)]
    for train, valid in batches:
        assert train.shape == valid.shape == (len(parts.train) // 16, 16)
        assert len(set(train.ravel().tolist())) == train.size
        assert set(train.ravel().tolist()) <= set(parts.train.tolist())
        assert set(valid.ravel().tolist()) <= set(parts.valid.tolist())
    assert not np.array_equal(batches[0][0], batches[1][0])
    np.testing.assert_array_equal(epoch_batches(parts, 16, 0, 2)[1], batches[2][1])
    few = check(digits, Recipe(batch_size=8, valid_fraction=0.1))
    train, valid = epoch_batches(few, 8, 0, 0)
    assert train.shape == valid.shape
    assert set(valid.ravel().tolist()) == set(few.valid.tolist())


def test_evaluation_batches_have_one_size_and_count_each_image_once() -> None:
    positions = np.arange(10) * 3
    made = list(_batches(positions, 4))
    assert [len(batch) for batch, _ in made] == [4, 4, 4]
    assert np.concatenate([batch[:new] for batch, new in made]).tolist() == positions.tolist()


@pytest.mark.parametrize(
    ("size", "number", "options", "message"),
    [
        (8, 24, {"batch_size": 16}, r"too small to split: batches of 16 asked for"),
        (6, 200, {}, "side that is a multiple of 4"),
    ],
)
def test_images_that_do_not_fit_are_refused(
    make_images: Callable[..., Images], size: int, number: int, options: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        check(make_images(size, number), Recipe(**options))


# Whole runs.

TINY: dict[str, Any] = {"epochs": 2, "batch_size": 16, "weight_rate": 0.1, "alpha_rate": 0.05}
OWN: dict[str, dict[str, Any]] = {
    "rsps": {"candidates": 5},
    "enas": {"candidates": 5, "alpha_estimates": 2},
    "ram": {"edges_per_step": 1},
}


def run(method: str, images: Images, out: Path, **rest: Any) -> oneshot.Outcome:
    options = {**TINY, **OWN.get(method, {}), **rest}
    return oneshot.search(method, "tiny", dataset=images, out=out, seed=4, **options)


def kept_state(out: Path) -> Any:
    newest = max(int(path.name) for path in (out / "checkpoints").iterdir() if path.name.isdigit())
    return ocp.StandardCheckpointer().restore(out.resolve() / "checkpoints" / str(newest) / "state")


def without_seconds(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


class Killed(BaseException):
    """Not an error of the library's."""


def check_outcome(method: str, outcome: oneshot.Outcome, steps: int, path: Path) -> None:
    """Two epochs of so many steps each, and what is found."""
    first, last = outcome.epochs
    assert (first.epoch, last.epoch) == (1, 2)
    assert last.evaluations == 2 * first.evaluations
    assert first.evaluations >= steps
    for row in outcome.epochs:
        assert math.isfinite(row.train_loss)
        assert math.isfinite(row.valid_loss)
        assert 0 <= row.valid_accuracy <= 100
        assert row.skips == row.architecture.split("-").count("1")
    if method == "rsps":
        assert math.isnan(first.entropy)
    else:
        assert first.entropy == pytest.approx(math.log(3), rel=0.1)
    if method in ("rsps", "enas"):
        assert len(outcome.candidates) == 5
        best = max(outcome.candidates, key=lambda one: one[1])
        assert outcome.architecture == best[0]
    else:
        wanted = np.asarray(outcome.alpha).argmax(1)
        assert outcome.architecture == last.architecture == "-".join(map(str, wanted))
    annealed = method in ("snas", "gdas", "st", "pr-darts")
    assert math.isnan(first.temperature) != annealed
    content = json.loads(path.read_text())
    assert content["architecture"] == outcome.architecture
    assert content["constants"]["weight_rate"] == 0.1


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("variant", [*EVERY, "darts of second order"])
def test_every_method_runs_and_killed_goes_on_to_the_same_bytes(
    variant: str, digits: Images, tmp_path: Path
) -> None:
    method = variant.split(maxsplit=1)[0]
    rest = {"second_order": True} if method != variant else {}
    compilations: list[int] = []
    compiled = 0

    def count(event: str, *_: Any, **__: Any) -> None:
        nonlocal compiled
        compiled += event == COMPILED

    def progress(epoch: int, steps: int, loss: float, last: Epoch | None) -> None:
        assert steps == 1
        assert (last is None) == (epoch == 1)
        compilations.append(compiled)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        outcome = run(method, digits, tmp_path / "whole", progress=progress, **rest)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    steps = len(compilations) // 2
    assert compilations[0] > 0
    # One program for all steps: none between those of an epoch, and after the evaluation none.
    assert set(compilations[:steps]) == {compilations[0]}
    assert set(compilations[steps:]) == {compilations[steps]}

    check_outcome(method, outcome, steps, tmp_path / "whole/found.json")

    def kill(epoch: int, steps: int, loss: float, last: Epoch | None) -> None:
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        run(method, digits, tmp_path / "killed", progress=kill, **rest)
    assert not (tmp_path / "killed/found.json").exists()
    seen: list[int] = []
    again = run(
        method, digits, tmp_path / "killed", progress=lambda epoch, *_: seen.append(epoch), **rest
    )
    assert set(seen) == {2}
    same = [(tmp_path / name / "found.json").read_bytes() for name in ("whole", "killed")]
    assert same[0] == same[1]
    logs = [without_seconds(tmp_path / name / "log.csv") for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    states = [kept_state(tmp_path / name) for name in ("whole", "killed")]
    jax.tree.map(np.testing.assert_array_equal, *states)
    assert again.architecture == outcome.architecture


@pytest.mark.usefixtures("tiny")
def test_the_log_is_of_the_state_that_is_kept(digits: Images, tmp_path: Path) -> None:
    outcome = run("sf", digits, tmp_path)
    state, row = kept_state(tmp_path), outcome.epochs[-1]
    logits = np.asarray(state["alpha"], np.float64)
    theta = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert row.entropy == pytest.approx(-(theta * np.log(theta)).sum(1).mean(), rel=1e-5)
    parts = check(digits, Recipe(batch_size=16))
    x = digits.x_train[parts.valid] / 255
    x = jnp.asarray((x - digits.mean) / digits.std, jnp.float32)
    weights = jnp.eye(3)[np.array([int(op) for op in row.architecture.split("-")])]
    logits = tiny_space(10).logits(state["params"], x, weights)
    right = np.asarray(logits.argmax(-1)) == digits.y_train[parts.valid]
    assert row.valid_accuracy == pytest.approx(100 * right.mean())
    y = jnp.asarray(digits.y_train[parts.valid])
    assert row.valid_loss == pytest.approx(float(cross_entropy(logits, y)), rel=1e-4)
    assert row.evaluations == 2 * 2 * (len(parts.train) // 16)
    assert state["step"] == 2 * (len(parts.train) // 16)


@pytest.mark.usefixtures("tiny")
def test_other_settings_methods_and_damage_are_refused(digits: Images, tmp_path: Path) -> None:
    run("sf", digits, tmp_path, epochs=1)
    with pytest.raises(ValueError, match='holds a search with .*method "sf".* method "gdas"'):
        run("gdas", digits, tmp_path, epochs=1)
    with pytest.raises(ValueError, match="holds a search with epochs 1; this run asks for 3"):
        run("sf", digits, tmp_path, epochs=3)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(ValueError, match=r"search\.json is damaged"):
        run("sf", digits, tmp_path, epochs=1)


@pytest.mark.usefixtures("tiny")
def test_a_step_that_is_not_finite_is_named_and_the_last_checkpoint_kept(
    digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Programs.step

    def poisoned(self: Programs, state: State, train: Any, valid: Any) -> Any:
        if int(state.step) == 6:
            state = state._replace(params=jax.tree.map(lambda w: w * jnp.nan, state.params))
        return step(self, state, train, valid)

    with monkeypatch.context() as patch:
        patch.setattr(Programs, "step", poisoned)
        with pytest.raises(oneshot.Diverged) as caught:
            run("sf", digits, tmp_path)
    assert "sf diverged: the loss, a weight or α is not finite after step 7 (epoch 2)" in str(
        caught.value
    )
    assert "the checkpoint of epoch 1 is kept" in str(caught.value)
    assert np.isfinite(kept_state(tmp_path)["params"]["classifier"]).all()
    assert len(run("sf", digits, tmp_path).epochs) == 2


@pytest.mark.usefixtures("tiny")
def test_arguments_are_checked(digits: Images, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="seed: expected a whole number from 0"):
        oneshot.search("sf", "tiny", dataset=digits, out=tmp_path, seed=-1)
    recipe = oneshot.make_recipe("sf", "nb201")
    with pytest.raises(ValueError, match="give either a recipe or epochs, not both"):
        oneshot.search("sf", "nb201", dataset=digits, out=tmp_path, recipe=recipe, epochs=1)


def test_batches_are_augmented_and_normalised(digits: Images) -> None:
    device = images_module.put(digits)
    plain = images_module.plain_batch(device, jnp.arange(4))
    wanted = (digits.x_train[:4] / 255 - digits.mean) / digits.std
    np.testing.assert_allclose(plain.x, wanted, rtol=1e-5, atol=1e-6)
    moved = images_module.augmented_batch(device, jnp.arange(4), jax.random.key(0))
    assert moved.x.shape == plain.x.shape
    assert not np.array_equal(moved.x, plain.x)
    np.testing.assert_array_equal(moved.y, digits.y_train[:4])
