"""The compiled programs that score one network on one device.

One for the initialisation and, for each gradient that is asked for, one for the gradient and one
for the scores made of it. The cell is an argument of all of them, so their number does not depend
on the number of cells. A gradient's program does not depend on which scores are made of it: a
score's value is the same in whatever company it is asked for.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxnas.data import Images
from jaxnas.engine.settings import Settings
from jaxnas.networks.layers import BatchNormMode
from jaxnas.networks.nb201 import Network, live_parameters
from jaxnas.proxies.catalogue import CATALOGUE, make
from jaxnas.proxies.proxy import Proxy, add_noise, by_gradient, reduce_all, standard_noise
from jaxnas.proxies.quantities import Quantity, Subject
from jaxnas.results import Record
from jaxnas.spaces import nb201
from jaxnas.types import Array, Params

Job = tuple[int, int]  # cell, seed


@dataclass(frozen=True)
class Group:
    """Proxies that share a gradient, the mode of batch normalisation and the noise on the input."""

    gradient: Quantity
    bn: BatchNormMode
    noise: float
    proxies: tuple[Proxy, ...]


def group_proxies(names: Sequence[str], settings: Settings) -> list[Group]:
    """The proxies by what they share.

    Raises:
        ValueError: an unknown proxy.
    """
    by_bn: dict[BatchNormMode, list[Proxy]] = {}
    for name in names:
        make(name)  # raises with the nearest name
        bn = settings.bn_of(name)
        by_bn.setdefault(bn, []).append(_proxy(name, bn))
    return [
        Group(gradient, bn, noise, tuple(group))
        for bn, proxies in by_bn.items()
        for (gradient, noise), group in by_gradient(proxies).items()
    ]


def _proxy(name: str, bn: BatchNormMode) -> Proxy:
    if CATALOGUE[name].paper != "GT-NAS":
        return make(name)
    # Without batch statistics examples do not meet, and the mean gradient of a joint batch is that
    # of batches of one at a fraction of the cost. With them they meet in every score.
    together = bn == "batch" or name == "gradient_kernel"
    return CATALOGUE[name].make(together=together)


class Programs:
    """Scores networks on one device. Call it within `jax.enable_x64`, from one thread."""

    def __init__(
        self, groups: Sequence[Group], settings: Settings, images: Images, device: jax.Device
    ) -> None:
        """Compiles nothing yet; the first network does."""
        self._groups = groups
        self._settings = settings
        self._images = images
        self._device = device
        # Correlations and eigenvalues need float64, which TPUs do not have.
        self._float64_device = jax.devices("cpu")[0] if device.platform == "tpu" else device
        self._batches: dict[int, dict[float, tuple[Array, Array]]] = {}
        network = partial(
            Network,
            num_classes=images.num_classes,
            init_scheme=settings.init,
            dtype=settings.jax_dtype,
            stem_channels=settings.stem_channels,
            cells_per_stage=settings.cells_per_stage,
        )
        self._initialise = jax.jit(partial(_initialise, network(), images.x_train.shape[1:]))
        self._gradients: dict[tuple[Quantity, BatchNormMode], Callable[..., Any]] = {
            (group.gradient, group.bn): jax.jit(
                partial(_gradient, network(bn=group.bn), group.gradient)
            )
            for group in groups
        }
        self._reductions = [jax.jit(partial(reduce_all, group.proxies)) for group in groups]

    def compilations(self) -> int:
        """Number of programs compiled so far."""
        programs = [self._initialise, *self._gradients.values(), *self._reductions]
        return sum(program._cache_size() for program in programs)

    def score(self, job: Job) -> Record:
        """Scores a cell with a seed."""
        cell, seed = job
        ops = self._put(nb201.live_ops(nb201.cell_ops()[cell]).astype(np.int32))
        key_of_cell = cell if self._settings.weights == "independent" else 0
        params = self._initialise(self._put(np.int64(seed)), self._put(np.int64(key_of_cell)), ops)
        scores: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for group, reduce in zip(self._groups, self._reductions, strict=True):
            start = time.perf_counter()
            x, y = self._batch(seed)[group.noise]
            gradient = self._gradients[group.gradient, group.bn](params, ops, x, y)
            if self._float64_device is not self._device:
                gradient = jax.device_put(gradient, self._float64_device)
            found = jax.device_get(reduce(gradient))
            elapsed = time.perf_counter() - start
            scores |= {name: float(value) for name, value in found.items()}
            seconds |= dict.fromkeys(found, elapsed)
        return Record(cell, seed, scores, seconds)

    def _batch(self, seed: int) -> dict[float, tuple[Array, Array]]:
        """The seed's batch with each level of noise; made once."""
        if seed not in self._batches:
            x, y = self._images.batch(
                self._settings.batch_size, seed, dtype=np.dtype(self._settings.dtype)
            )
            clean, labels = jnp.asarray(x), self._put(y)
            noise = standard_noise(seed, clean)
            self._batches = {
                seed: {
                    level: (self._put(add_noise(clean, level, noise)), labels)
                    for level in {group.noise for group in self._groups}
                }
            }
        return self._batches[seed]

    def _put(self, value: ArrayLike) -> Array:
        return jax.device_put(value, self._device)


def _initialise(
    network: Network, image_shape: tuple[int, ...], seed: Array, cell: Array, ops: Array
) -> Params:
    key = jax.random.fold_in(jax.random.key(seed), cell)
    return network.init(key, jnp.zeros((1, *image_shape), network.dtype), ops)


def _gradient(
    network: Network, gradient: Quantity, params: Params, ops: Array, x: Array, y: Array
) -> Any:
    def apply(params: Params, x: Array) -> Array:
        return network.apply(params, x, ops)

    order = tuple(("params", *path) for path in network.forward_order())
    live = {"params": live_parameters(params["params"], ops)}
    return gradient.compute(Subject(apply, params, x, y, order, live))
