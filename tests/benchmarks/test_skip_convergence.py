"""The network and the figures of the benchmark of Theorem 1, by the definitions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

FILE = Path(__file__).parents[2] / "benchmarks" / "skip_convergence.py"
spec = importlib.util.spec_from_file_location("skip_convergence", FILE)
assert spec is not None
assert spec.loader is not None
benchmark: Any = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)


def weights(seed: int = 0) -> Any:
    return benchmark.Weights(*np.random.default_rng(seed).random((2, 6)))


def test_structure_by_hand() -> None:
    """Edges 01 02 12 03 13 23: c_03² + c_13² s_01² + c_23² s_02² s_12²."""
    (s01, s02, s12, *_), (_, _, _, c03, c13, c23) = weights()
    expected = c03**2 + (c13 * s01) ** 2 + (c23 * s02 * s12) ** 2
    assert benchmark.structure(weights()) == pytest.approx(expected)
    grow = [benchmark.structure(benchmark.Weights([x] * 6, [0.5] * 6)) for x in (0, 1)]
    assert grow == [0.25, 0.75]


def test_network_by_loops(x64: None) -> None:
    width, w = 2, weights()
    data = benchmark.problem(jax.random.key(0), width)
    p = {name: np.asarray(value) for name, value in data.params.items()}
    kernels = np.concatenate([p["inner"], p["last"]])

    def convolve(x: np.ndarray, kernel: np.ndarray) -> np.ndarray:
        """x [pixels, channels]; a pixel sees its left neighbour, itself, its right one."""
        pixels, channels = x.shape
        out = np.zeros((pixels, kernel.shape[1]))
        for i in range(pixels):
            for tap in range(3):
                rows = kernel[tap * channels : (tap + 1) * channels]
                out[i] += x[(i + tap - 1) % pixels] @ rows
        return np.tanh(out / (3 * channels) ** 0.5)

    def output(image: np.ndarray) -> float:
        nodes = [convolve(image, p["stem"])]
        for target in (1, 2, 3):
            terms = [
                w.skip[e] * nodes[s] + w.conv[e] * convolve(nodes[s], kernels[e])
                for e, (s, t) in enumerate(benchmark.EDGES)
                if t == target
            ]
            assert len(terms) == target
            nodes.append(sum(terms))
        return sum((r * x).sum() for r, x in zip(p["readouts"], nodes, strict=True))

    expected = [output(image) / (4 * width) ** 0.5 for image in np.asarray(data.images)]
    given = jax.jit(benchmark.predict)(data.params, data.images, w)
    np.testing.assert_allclose(given, expected, rtol=1e-12)
    np.testing.assert_allclose(jnp.linalg.norm(data.images, axis=(1, 2)), 1)
    assert set(np.asarray(data.labels).tolist()) <= {-1.0, 1.0}


def test_measured_rate_is_the_least_of_the_steps() -> None:
    """From k = 1; the first step does not count."""
    curve = np.array([1.0, 0.99, 0.5, 0.4, 0.1])
    assert benchmark.measured_rate(curve) == pytest.approx(0.2)
    assert benchmark.measured_rate(0.9 ** np.arange(9)) == pytest.approx(0.1)


def test_small_steps_follow_the_kernel(x64: None) -> None:
    """Of one image, whose kernel is one number κ, a step takes 2 η κ of F away."""
    data, w, rate = benchmark.problem(jax.random.key(1), 2), weights(1), 1e-4
    one = data._replace(images=data.images[:1], labels=data.labels[:1])

    @jax.jit
    def both(one: Any) -> Any:
        return (
            benchmark.kernel_values(one, w, "all convolutions"),
            benchmark.losses(one, w, rate, "all convolutions", 1),
        )

    kernel, losses = both(one)
    assert float(1 - losses[1] / losses[0]) == pytest.approx(2 * rate * float(kernel[0]), rel=1e-3)
