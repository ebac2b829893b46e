"""Networks as they are trained: running statistics, drop path, initial parameters."""

from __future__ import annotations

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from small import SMALL
from tiny_training import LITTLE

from jaxnas.networks.darts import EvaluationNetwork
from jaxnas.networks.darts.initial import initial_parameters
from jaxnas.networks.darts.network import Cell
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import CellNetwork, Network, cell_parameters
from jaxnas.networks.nb201.trainable import RunningBatchNorm, TrainableNetwork
from jaxnas.spaces import darts, nb201


@pytest.mark.usefixtures("x64")
def test_running_statistics_by_hand() -> None:
    random = np.random.default_rng(1)
    batch_norm = RunningBatchNorm(use_running=False, dtype=jnp.float64)
    x = random.standard_normal((2, 5, 4, 6, 3)) * 2 + 1
    variables = batch_norm.init(jax.random.key(0), x[0])
    assert not np.any(variables["batch_stats"]["mean"])
    assert np.all(np.asarray(variables["batch_stats"]["variance"]) == 1)
    params = {"scale": jnp.asarray([1.0, 2, 3]), "shift": jnp.asarray([0.5, 0, -1])}
    stats, mean, variance = variables["batch_stats"], np.zeros(3), np.ones(3)
    for batch in x:
        given_ = {"params": params, "batch_stats": stats}
        y, changed = batch_norm.apply(given_, batch, mutable=["batch_stats"])
        stats = changed["batch_stats"]
        flat = batch.reshape(-1, 3)
        mean = 0.9 * mean + 0.1 * flat.mean(0)
        variance = 0.9 * variance + 0.1 * flat.var(0, ddof=1)
        by_batch = (batch - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5)
        wanted = by_batch * np.array([1, 2, 3]) + np.array([0.5, 0, -1])
        np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stats["mean"], mean, rtol=1e-9)
    np.testing.assert_allclose(stats["variance"], variance, rtol=1e-9)
    evaluated, untouched = RunningBatchNorm(use_running=True, dtype=jnp.float64).apply(
        {"params": params, "batch_stats": stats}, x[0], mutable=["batch_stats"]
    )
    wanted = (x[0] - mean) / np.sqrt(variance + 1e-5) * np.array([1, 2, 3])
    np.testing.assert_allclose(evaluated, wanted + np.array([0.5, 0, -1]), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(untouched["batch_stats"]["mean"], stats["mean"])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("cell", [pytest.param(6111, marks=pytest.mark.slow), 0, 1234])
def test_trained_network_is_the_scored_one(cell: int) -> None:
    ops = tuple(nb201.live_ops(nb201.cell_ops()[cell]).tolist())
    network = Network(dtype=jnp.float64, **SMALL)
    drawn = InitialParameters(network, 8, jax.devices()[0])(3, cell, np.asarray(ops))
    params = cell_parameters(drawn, ops)
    x = np.random.default_rng(2).standard_normal((40, 8, 8, 3))
    trained = TrainableNetwork(ops=ops, dtype=jnp.float64, **SMALL)
    shapes = jax.eval_shape(lambda key: trained.init(key, x, True), jax.random.key(0))
    assert flatten_dict(shapes["params"]).keys() == flatten_dict(params["params"]).keys()
    stats = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes["batch_stats"])

    def loss(logits: Any) -> Any:
        return jnp.sum(jnp.sin(jnp.arange(logits.size)).reshape(logits.shape) * logits)

    def scored(p: Any) -> Any:
        return loss(CellNetwork(ops=ops, dtype=jnp.float64, **SMALL).apply({"params": p}, x))

    def training_loss(p: Any) -> Any:
        return loss(trained.apply({"params": p, "batch_stats": stats}, x, True))

    value, gradient = jax.jit(jax.value_and_grad(training_loss))(params["params"])
    wanted, wanted_gradient = jax.jit(jax.value_and_grad(scored))(params["params"])
    np.testing.assert_allclose(value, wanted, rtol=1e-9)
    for path, leaf in flatten_dict(wanted_gradient).items():
        other = np.asarray(flatten_dict(gradient)[path])
        np.testing.assert_allclose(other, leaf, rtol=1e-7, atol=1e-9 * (1 + np.abs(leaf).max()))


def dropped(probability: Any, *, train: bool = True) -> tuple[np.ndarray, np.ndarray]:
    cell = Cell(LITTLE, darts.cell_shapes(2, 3)[0], train, nn.initializers.ones, jnp.float32)
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 3, 4000)).astype(np.float32)
    drop = nn.apply(lambda module, x: module._drop(x, probability), cell)
    return x, np.asarray(drop({}, x, rngs={"drop_path": jax.random.key(1)}))


def test_drop_path_takes_whole_examples_and_keeps_the_mean() -> None:
    x, y = dropped(jnp.asarray(0.3))
    kept = np.any(y != 0, axis=(0, 1, 2, 3))
    np.testing.assert_allclose(y[..., kept], x[..., kept] / 0.7, rtol=1e-6)
    assert not y[..., ~kept].any()
    deviation = np.sqrt(0.3 * 0.7 / 4000)
    assert abs(kept.mean() - 0.7) < 5 * deviation
    assert abs((kept / 0.7).mean() - 1) < 5 * deviation / 0.7


def test_no_drop_path_at_probability_0_and_after_training() -> None:
    for probability, train in ((jnp.asarray(0.0), True), (0.0, True), (jnp.asarray(0.5), False)):
        x, y = dropped(probability, train=train)
        np.testing.assert_array_equal(x, y)


def test_initial_parameters_by_fan_in() -> None:
    network = EvaluationNetwork(darts.PC_DARTS, channels=16, depth=3, auxiliary=True)
    params = flatten_dict(initial_parameters(network, 32, 7))
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    shapes: Any = jax.eval_shape(network.init, jax.eval_shape(jax.random.key, 0), image)
    assert {path: leaf.shape for path, leaf in params.items()} == {
        path: leaf.shape for path, leaf in flatten_dict(shapes["params"]).items()
    }
    drawn = set()
    for path, leaf in params.items():
        values, name = np.asarray(leaf), path[-1]
        if name in ("scale", "shift"):
            assert np.all(values == (name == "scale"))
            continue
        if name == "bias":
            fan_in = params[*path[:-1], "kernel"].shape[0]
        elif name.startswith("depthwise"):
            fan_in = values.shape[-1] ** 2
        elif name.startswith("kernel"):
            fan_in = np.prod(values.shape[:-1])
        else:
            fan_in = values.shape[1]
        bound = 1 / np.sqrt(fan_in)
        assert np.abs(values).max() <= bound
        if values.size > 100:
            assert abs(values.std() / (bound / np.sqrt(3)) - 1) < 0.25
        drawn.add(values.ravel()[:4].tobytes())
    assert len(drawn) == sum(path[-1] not in ("scale", "shift") for path in params)
    again = flatten_dict(initial_parameters(network, 32, 8))
    assert np.any(again["stem_conv", "kernel"] != params["stem_conv", "kernel"])
