"""Genotypes of the DARTS space as candidates: drop path, and an auxiliary head in training."""

import hashlib
from collections.abc import Iterable
from typing import Any

from jaxnas.data import Images
from jaxnas.networks.darts import EvaluationNetwork
from jaxnas.networks.darts.initial import initial_parameters
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
        depth=settings.layers,
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
