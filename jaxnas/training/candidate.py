"""A candidate: a network to be trained, by its architecture, as pure functions."""

import hashlib
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import optax  # type: ignore[import-untyped]

from jaxnas.data import Images
from jaxnas.networks.protocol import TrainedNetwork
from jaxnas.spaces import Space
from jaxnas.training.settings import TrainingSettings
from jaxnas.types import Array, Params


class Loss(Protocol):
    """What training minimises."""

    def __call__(
        self,
        params: Params,
        batch_stats: Params,
        x: Array,
        y: Array,
        key: Array,
        done: Array,
        /,
    ) -> tuple[Array, tuple[Array, Params]]:
        """The loss [], the logits [B, classes], and the running statistics moved by the batch.

        Args:
            params: parameters of the network.
            batch_stats: its running statistics.
            x: images [B, H, W, 3], augmented and normalised.
            y: labels int [B].
            key: key of what is drawn in the network.
            done: [], the part of the epochs that is over, from 0, the same through an epoch.
        """


@dataclass(frozen=True)
class Candidate:
    """A network that can be trained.

    Attributes:
        arch: the architecture, as its space spells it.
        cell: its official index; None where its space has none.
        name: its name in folders and rows, see `name_of`.
        params: number of trainable parameters, without what only training uses.
        loss: the loss of training.
        logits: (parameters, running statistics, x [B, H, W, 3]) -> [B, classes], once trained.
        initial: draws the parameters of a seed.
    """

    arch: str
    cell: int | None
    name: str
    params: int
    loss: Loss
    logits: Callable[[Params, Params, Array], Array]
    initial: Callable[[int], Params]


def make_candidates(
    archs: Iterable[str], space: Space, images: Images, settings: TrainingSettings
) -> tuple[Candidate, ...]:
    """Candidates of architectures; a seed's parameters are those with which they are scored.

    Args:
        archs: the architectures.
        space: whose architectures they are.
        images: images to be trained on.
        settings: how they are trained.

    Raises:
        ValueError: there are no such networks.
    """
    several, side = tuple(archs), images.x_train.shape[1]
    options = _network_options(space, settings)
    indices = space.indices(several)
    counts = space.trainable.counts(several, settings.sizes, images.num_classes, side)
    candidates = []
    for i, arch in enumerate(several):
        network: TrainedNetwork = space.networks.trained(
            arch,
            settings.sizes,
            num_classes=images.num_classes,
            image_size=side,
            init=settings.init,
            **options,
        )
        candidates.append(
            Candidate(
                arch=arch,
                cell=None if indices is None else int(indices[i]),
                name=name_of(arch, space),
                params=int(counts.params[i]),
                loss=_loss(network, settings.auxiliary_weight),
                logits=network.logits,
                initial=network.initial,
            )
        )
    return tuple(candidates)


def name_of(arch: str, space: Space) -> str:
    """An architecture's name in folders and rows, the same whenever the architecture is.

    It is the official index, otherwise a published architecture's name, otherwise a word made of
    the arch.
    """
    indices = space.indices([arch])
    if indices is not None:
        return str(int(indices[0]))
    for name, published in space.published.items():
        if arch == published:
            return name
    return f"genotype-{hashlib.sha256(arch.encode()).hexdigest()[:10]}"


def cross_entropy(logits: Array, y: Array) -> Array:
    """Mean cross-entropy in nats, []."""
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def _loss(network: TrainedNetwork, auxiliary_weight: float) -> Loss:
    def loss(
        params: Params, batch_stats: Params, x: Array, y: Array, key: Array, done: Array, /
    ) -> tuple[Array, tuple[Array, Params]]:
        logits, auxiliary, moved = network.train(params, batch_stats, x, key, done)
        total = cross_entropy(logits, y)
        if auxiliary is not None:
            total += auxiliary_weight * cross_entropy(auxiliary, y)
        return total, (logits, moved)

    return loss


def _network_options(space: Space, settings: TrainingSettings) -> dict[str, Any]:
    """What only the networks of some spaces have, where the space's have it.

    Raises:
        ValueError: it is asked for, and the space's networks do not have it.
    """
    known = inspect.signature(space.networks.trained).parameters
    options: dict[str, Any] = {}
    for setting, option, value in (
        ("drop_path", "drop_path", settings.drop_path),
        ("auxiliary_weight", "auxiliary", settings.auxiliary_weight > 0),
    ):
        if option in known:
            options[option] = value
        elif value:
            raise ValueError(
                f"{setting}: expected 0, as the networks of {space.title} have no "
                f"{setting.split('_')[0]} {'head' if option == 'auxiliary' else 'path'}, got "
                f"{getattr(settings, setting):g}; leave it out"
            )
    return options
