"""The compiled programs that score networks on one device.

For each pass that the asked scores share there is one for the quantities and one for the scores
made of them. The architecture is an argument of all of them, so their number does not depend on the
number of architectures.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from jaxnas.data import Images
from jaxnas.modes import BatchNormMode
from jaxnas.networks.protocol import ScoredNetwork
from jaxnas.precision import with_float64
from jaxnas.proxies import catalogue
from jaxnas.proxies.proxy import Group, add_noise, for_batch_norm, passes, standard_noise
from jaxnas.proxies.quantities import ExampleGradients, Quantity, compute
from jaxnas.proxies.subject import Subject
from jaxnas.results import Record
from jaxnas.scoring.jobs import Job
from jaxnas.scoring.settings import Settings
from jaxnas.types import Array, Params


@dataclass(frozen=True)
class ScoringPass:
    """Proxies that share a pass through networks of one mode of batch normalisation.

    Attributes:
        bn: the mode.
        group: the proxies.
    """

    bn: BatchNormMode
    group: Group

    @property
    def by_example(self) -> bool:
        """Whether gradients of single examples are taken."""
        return any(isinstance(quantity, ExampleGradients) for quantity in self.group.quantities)


def scoring_passes(names: Sequence[str], settings: Settings) -> list[ScoringPass]:
    """The passes that proxies of these names need.

    Raises:
        ValueError: an unknown proxy.
    """
    by_bn: dict[BatchNormMode, list[str]] = {}
    for name in names:
        by_bn.setdefault(settings.bn_of(name), []).append(name)
    return [
        ScoringPass(bn, group)
        for bn, members in by_bn.items()
        for group in passes(
            for_batch_norm(
                [_proxy(name) for name in members], "batch" if bn == "batch" else "example"
            )
        )
    ]


class ScoringPrograms:
    """Scores networks on one device, from one thread, within `jax.enable_x64`."""

    @with_float64
    def __init__(
        self,
        needed: Sequence[ScoringPass],
        settings: Settings,
        images: Images,
        device: jax.Device,
    ) -> None:
        """Compiles nothing yet; the first network does."""
        self._passes = needed
        self._settings = settings
        self._images = images
        self._device = device
        # Correlations and eigenvalues need float64, which TPUs do not have.
        self._float64_device = jax.devices("cpu")[0] if device.platform == "tpu" else device
        self._batches: dict[int, dict[float, tuple[Array, Array]]] = {}
        self._space = settings.find_space()
        side = int(images.x_train.shape[1])
        networks = {
            bn: settings.network(images.num_classes, side, bn)
            for bn in dict.fromkeys(one.bn for one in needed)
        }
        self._code = next(iter(networks.values())).code
        self._initial = next(iter(networks.values())).initial(device)
        self._gradients = {
            (one.group.quantities, one.bn): _program(networks[one.bn], one.group.quantities)
            for one in needed
        }
        self._reductions = [_reduction(one.group) for one in needed]

    def compilations(self) -> int:
        """Number of programs compiled so far, by whoever scores alike in this process."""
        programs: list[Any] = [*self._gradients.values(), *self._reductions]
        return sum(program._cache_size() for program in programs)

    def score(self, job: Job) -> Record:
        """Scores an architecture with a seed."""
        arch, seed = job
        code = self._code(arch)
        stream = self._space.stream(arch) if self._settings.weights == "independent" else 0
        params, on_device = self._initial(seed, stream, code), self._put(code)
        scores: dict[str, float] = {}
        seconds: dict[str, float] = {}
        for one, reduce in zip(self._passes, self._reductions, strict=True):
            start = time.perf_counter()
            x, y = self._batch(seed)[one.group.noise]
            values = self._gradients[one.group.quantities, one.bn](params, on_device, x, y)
            if self._float64_device is not self._device:
                values = jax.device_put(values, self._float64_device)
            found = jax.device_get(reduce(values))
            elapsed = time.perf_counter() - start
            scores |= {name: float(value) for name, value in found.items()}
            seconds |= dict.fromkeys(found, elapsed)
        return Record(arch, seed, scores, seconds)

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
                for level in {one.group.noise for one in self._passes}
            }
            self._batches = {seed: batches}
        return batches

    def _put(self, value: ArrayLike) -> Array:
        return jax.device_put(value, self._device)


# Kept, so that a process that scores several times traces and compiles once. Where proxies are made
# once, groups of the same are equal.
_proxy = lru_cache(maxsize=None)(catalogue.make)


@lru_cache(maxsize=32)
def _program(network: ScoredNetwork, wanted: tuple[Quantity, ...]) -> Any:
    """The program of the quantities of a network."""
    return jax.jit(partial(_quantities, network, wanted))


@lru_cache(maxsize=32)
def _reduction(group: Group) -> Any:
    """The program of the scores of a group."""
    return jax.jit(group.reduce)


def _quantities(
    network: ScoredNetwork,
    wanted: Sequence[Quantity],
    params: Params,
    code: Array,
    x: Array,
    y: Array,
) -> list[Any]:
    def apply(params: Params, x: Array) -> Array:
        return network.apply(params, x, code)

    subject = Subject(apply, params, x, y, tuple(network.tensors), network.live(params, code))
    return compute(wanted, subject)
