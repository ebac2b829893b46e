"""The compiled programs that score networks on one device.

For each backward pass that the asked scores share there is one for the gradients and one for the
scores made of them. The cell is an argument of all of them, so their number does not depend on the
number of cells.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxnas.data import Images
from jaxnas.networks.layers import BatchNormMode
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import Network, used_parameters
from jaxnas.precision import with_float64
from jaxnas.proxies.catalogue import CATALOGUE, make
from jaxnas.proxies.proxy import Proxy, add_noise, by_backward_pass, reduce_all, standard_noise
from jaxnas.proxies.quantities import Quantity, Subject, compute
from jaxnas.results import Record
from jaxnas.scoring.settings import Settings
from jaxnas.spaces import nb201
from jaxnas.types import Array, Params

Job = tuple[int, int]  # cell, seed


@dataclass(frozen=True)
class Group:
    """Proxies that share a backward pass and the mode of batch normalisation."""

    bn: BatchNormMode
    proxies: tuple[Proxy, ...]

    @property
    def noise(self) -> float:
        return self.proxies[0].noise

    @property
    def gradients(self) -> frozenset[Quantity]:
        return frozenset(proxy.gradient for proxy in self.proxies)


def group_proxies(names: Sequence[str], settings: Settings) -> list[Group]:
    """The proxies by what they share.

    Raises:
        ValueError: an unknown proxy.
    """
    by_bn: dict[BatchNormMode, list[str]] = {}
    for name in names:
        make(name)  # raises with the nearest name
        by_bn.setdefault(settings.bn_of(name), []).append(name)
    return [
        Group(bn, group)
        for bn, members in by_bn.items()
        for group in by_backward_pass(_make_all(members, bn))
    ]


def _make_all(names: Sequence[str], bn: BatchNormMode) -> list[Proxy]:
    of_examples = [name for name in names if CATALOGUE[name].paper == "GT-NAS"]
    # With batch statistics examples meet. Without, the kernel alone is had from a joint batch, at a
    # fraction of what batches of one cost.
    together = bn == "batch" or of_examples == ["gradient_kernel"]
    return [
        CATALOGUE[name].make(together=together) if name in of_examples else make(name)
        for name in names
    ]


class Programs:
    """Scores networks on one device, from one thread, within `jax.enable_x64`."""

    @with_float64
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
            channels=settings.stem_channels,
            depth=settings.cells_per_stage,
        )
        self._initial = InitialParameters(network(), images.x_train.shape[1], device)
        self._gradients = {
            (group.gradients, group.bn): jax.jit(
                partial(_gradients, network(bn=group.bn), group.gradients)
            )
            for group in groups
        }
        self._reductions = [
            jax.jit(partial(_reduce, group.gradients, group.proxies)) for group in groups
        ]

    def compilations(self) -> int:
        """Number of programs compiled so far."""
        programs: list[Any] = [*self._gradients.values(), *self._reductions]
        return sum(program._cache_size() for program in programs)

    def score(self, job: Job) -> Record:
        """Scores a cell with a seed."""
        cell, seed = job
        live = nb201.live_ops(nb201.cell_ops()[cell]).astype(np.int32)
        stream = cell if self._settings.weights == "independent" else 0
        params, ops = self._initial(seed, stream, live), self._put(live)
        scores: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for group, reduce in zip(self._groups, self._reductions, strict=True):
            start = time.perf_counter()
            x, y = self._batch(seed)[group.noise]
            gradients = self._gradients[group.gradients, group.bn](params, ops, x, y)
            if self._float64_device is not self._device:
                gradients = jax.device_put(gradients, self._float64_device)
            found = jax.device_get(reduce(gradients))
            elapsed = time.perf_counter() - start
            scores |= {name: float(value) for name, value in found.items()}
            seconds |= dict.fromkeys(found, elapsed)
        return Record(cell, seed, scores, seconds)

    def _batch(self, seed: int) -> dict[float, tuple[Array, Array]]:
        """The seed's batch with each level of noise; made once."""
        batches = self._batches.get(seed)
        if batches is None:
            x, y = self._images.batch(
                self._settings.batch_size, seed, dtype=np.dtype(self._settings.dtype)
            )
            clean, labels = jnp.asarray(x), self._put(y)
            noise = standard_noise(seed, clean)
            batches = {
                level: (self._put(add_noise(clean, level, noise)), labels)
                for level in {group.noise for group in self._groups}
            }
            self._batches = {seed: batches}
        return batches

    def _put(self, value: ArrayLike) -> Array:
        return jax.device_put(value, self._device)


def _ordered(quantities: Collection[Quantity]) -> list[Quantity]:
    """Quantities cannot be keys of what a compiled program returns; their places in this can."""
    return sorted(quantities, key=repr)


def _gradients(
    network: Network,
    quantities: Collection[Quantity],
    params: Params,
    ops: Array,
    x: Array,
    y: Array,
) -> list[Any]:
    def apply(params: Params, x: Array) -> Array:
        logits: Array = network.apply(params, x, ops)  # type: ignore[assignment]
        return logits

    order = tuple(("params", *path) for path in network.forward_order())
    live = used_parameters(params, ops)
    found = compute(quantities, Subject(apply, params, x, y, order, live))
    return [found[quantity] for quantity in _ordered(quantities)]


def _reduce(
    quantities: Collection[Quantity], proxies: Sequence[Proxy], values: list[Any]
) -> dict[str, Array]:
    return reduce_all(proxies, dict(zip(_ordered(quantities), values, strict=True)))
