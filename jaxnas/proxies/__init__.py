"""Scores of a network at initialisation, for any pure `apply(params, x)`.

    scores = proxies.score(["js", "pjs", "gradient_kernel"], model.apply, params, x, y)

Each proxy has a keyword factory (`js()`, `pjs(zeros="structural-removed")`, ...) that gives a
`Proxy`, callable on a network; `score` computes several and every gradient they share once.
"""

from collections.abc import Sequence
from dataclasses import replace

import jax
import jax.numpy as jnp

from jaxnas.proxies.catalogue import CATALOGUE, make
from jaxnas.proxies.gradient_kernel import (
    gradient_correlation,
    gradient_kernel,
    gradient_kernel_sampled,
    gradient_trace,
    gradient_value,
    layerwise,
)
from jaxnas.proxies.input_jacobian import js, jsc
from jaxnas.proxies.parameter_jacobian import pjs, pjsc, wpjs, wpjsi
from jaxnas.proxies.proxy import Proxy, evaluate, make_subject, standard_noise
from jaxnas.types import Apply, Array, Params, Path

__all__ = [
    "CATALOGUE",
    "Proxy",
    "gradient_correlation",
    "gradient_kernel",
    "gradient_kernel_sampled",
    "gradient_trace",
    "gradient_value",
    "js",
    "jsc",
    "layerwise",
    "make",
    "pjs",
    "pjsc",
    "score",
    "wpjs",
    "wpjsi",
]


def score(
    proxies: Sequence[str | Proxy],
    apply: Apply,
    params: Params,
    x: Array,
    y: Array,
    *,
    seed: int = 0,
    order: Sequence[Path] | None = None,
) -> dict[str, float]:
    """Scores one network by several proxies.

    Args:
        proxies: names of the catalogue or proxies made by their factories.
        apply: (params, x) -> logits [B, K], pure; with batch normalisation its mode is the
            function's own affair.
        params: pytree of arrays, at initialisation.
        x: examples [B, ...], float32 or float64, normalised.
        y: labels int [B].
        seed: of the noise that the scores `js_n...` and `jsc_n...` add to x.
        order: paths of the tensors with two or more axes from input to output, for `wpjs` and
            `wpjsi`; by default the order in which `apply` first uses them.

    Returns:
        The scores by name, higher is better; NaN where a score is undefined, as for a network
        whose output does not depend on its input.

    Raises:
        ValueError: an unknown proxy, or images and labels of different lengths.
    """
    chosen = [make(proxy) if isinstance(proxy, str) else proxy for proxy in proxies]
    x, y = jnp.asarray(x), jnp.asarray(y)
    subject = make_subject(apply, params, x, y, order)

    # One program instead of hundreds of small ones, each compiled on its own.
    @jax.jit
    def scores(params: Params, x: Array, y: Array, noise: Array) -> dict[str, Array]:
        return evaluate(chosen, replace(subject, params=params, x=x, y=y), noise)

    with jax.enable_x64(True):
        found = scores(params, x, y, standard_noise(seed, x))
    return {proxy.name: float(found[proxy.name]) for proxy in chosen}
