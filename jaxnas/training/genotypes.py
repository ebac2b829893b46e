"""Genotypes of the DARTS space as candidates: drop path, and an auxiliary head in training."""

import hashlib
import math
from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from numpy.typing import NDArray

from jaxnas.data import Images
from jaxnas.networks.darts import EvaluationNetwork
from jaxnas.networks.darts.operations import from_usual, usual_shape
from jaxnas.networks.initial import draw
from jaxnas.networks.initialisers import Initialisation
from jaxnas.spaces import darts
from jaxnas.spaces.darts import Genotype
from jaxnas.training.candidate import Candidate, cross_entropy
from jaxnas.training.settings import DartsSettings
from jaxnas.types import Array, Params


def genotype_candidates(
    genotypes: Iterable[Genotype], images: Images, settings: DartsSettings
) -> tuple[Candidate, ...]:
    """Candidates of genotypes.

    Args:
        genotypes: the architectures.
        images: to be trained on.
        settings: of the networks, of drop path and of the auxiliary head.
    """
    return tuple(_candidate(genotype, images, settings) for genotype in genotypes)


def name_of(genotype: Genotype) -> str:
    """A published genotype's name; of another, a word made of its operations and edges."""
    for name, published in darts.PUBLISHED.items():
        if genotype == published:
            return name
    return f"genotype-{hashlib.sha256(str(genotype).encode()).hexdigest()[:10]}"


def _candidate(genotype: Genotype, images: Images, settings: DartsSettings) -> Candidate:
    side = images.x_train.shape[1]
    network = EvaluationNetwork(
        genotype=genotype,
        num_classes=images.num_classes,
        channels=settings.channels,
        cells=settings.layers,
        auxiliary=settings.auxiliary_weight > 0,
        init_scheme=settings.init,
    )

    def loss(
        params: Params, batch_stats: Params, x: Array, y: Array, key: Array, done: Array
    ) -> tuple[Array, tuple[Array, Params]]:
        applied: Any = network.apply(
            {"params": params, "batch_stats": batch_stats},
            x,
            train=True,
            # The number 0 leaves drop path out of the program.
            drop_path=settings.drop_path * done if settings.drop_path else 0.0,
            mutable=["batch_stats"],
            rngs={"drop_path": key},
        )
        (logits, auxiliary), changed = applied
        total = cross_entropy(logits, y)
        if auxiliary is not None:
            total += settings.auxiliary_weight * cross_entropy(auxiliary, y)
        return total, (logits, changed["batch_stats"])

    def logits(params: Params, batch_stats: Params, x: Array) -> Array:
        applied: Any = network.apply({"params": params, "batch_stats": batch_stats}, x)
        return applied[0]

    params = darts.count(genotype, images.num_classes, settings.channels, settings.layers, side)
    return Candidate(
        name_of(genotype),
        str(genotype),
        params.params,
        loss,
        logits,
        lambda seed: initial_parameters(network, side, seed),
    )


def initial_parameters(network: EvaluationNetwork, image_size: int, seed: int) -> Params:
    """Parameters drawn on the host, by the distributions of `EvaluationNetwork.init`.

    That one would be compiled: a program of hundreds of small draws.
    """
    image = jax.ShapeDtypeStruct((1, image_size, image_size, 3), network.dtype)
    variables: Any = jax.eval_shape(network.init, jax.eval_shape(jax.random.key, 0), image)
    shapes = {path: leaf.shape for path, leaf in flatten_dict(variables["params"]).items()}
    dtype = np.dtype(network.dtype)
    params = {}
    for i, (path, shape) in enumerate(shapes.items()):
        random = np.random.Generator(np.random.PCG64((seed, i)))
        if path[-1] in ("scale", "shift"):
            params[path] = np.full(shape, path[-1] == "scale", dtype)
        elif path[-1] == "bias":
            fan_in = shapes[*path[:-1], "kernel"][0]
            params[path] = draw(random, network.init_scheme, "bias", shape, fan_in, dtype)
        else:
            params[path] = _draw_kernel(random, network.init_scheme, path[-1], shape, dtype)
    return jax.tree.map(jnp.asarray, unflatten_dict(params))


def _draw_kernel(
    random: np.random.Generator,
    scheme: Initialisation,
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype[Any],
) -> NDArray[Any]:
    """A kernel in the layout of its layer, drawn in the usual one, [..., C_in, C_out]."""
    if name.startswith("kernel"):
        return draw(random, scheme, "kernel", shape, math.prod(shape[:-1]), dtype)
    usual = usual_shape(shape)
    drawn = draw(random, scheme, "kernel", usual, math.prod(usual[:-1]), dtype)
    kernel: NDArray[Any] = from_usual(drawn, shape)
    return kernel
