"""Cells of NAS-Bench-201 as candidates."""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np

from jaxnas.data import Images
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import Network, cell_parameters
from jaxnas.networks.nb201.trainable import TrainableNetwork
from jaxnas.spaces import nb201
from jaxnas.training.candidate import Candidate, cross_entropy
from jaxnas.training.settings import Settings
from jaxnas.types import Array, Params


def cell_candidates(
    cells: Iterable[int], images: Images, settings: Settings
) -> tuple[Candidate, ...]:
    """Candidates of official indices; a seed's parameters are those with which the engine scores.

    Args:
        cells: official indices.
        images: to be trained on.
        settings: of the networks.
    """
    shape: dict[str, Any] = {
        "num_classes": images.num_classes,
        "init_scheme": settings.init,
        "channels": settings.channels,
        "depth": settings.cells_per_stage,
    }
    side = images.x_train.shape[1]
    drawn = InitialParameters(Network(**shape), side, jax.devices("cpu")[0])
    return tuple(_candidate(cell, shape, drawn) for cell in cells)


def _candidate(cell: int, shape: dict[str, Any], drawn: InitialParameters) -> Candidate:
    written = nb201.cell_ops()[cell]
    ops = tuple(nb201.live_ops(written).tolist())
    network = TrainableNetwork(ops=ops, **shape)

    def loss(
        params: Params, batch_stats: Params, x: Array, y: Array, key: Array, done: Array
    ) -> tuple[Array, tuple[Array, Params]]:
        variables = {"params": params, "batch_stats": batch_stats}
        applied: Any = network.apply(variables, x, True, mutable=["batch_stats"])
        logits, changed = applied
        return cross_entropy(logits, y), (logits, changed["batch_stats"])

    def logits(params: Params, batch_stats: Params, x: Array) -> Array:
        applied: Any = network.apply({"params": params, "batch_stats": batch_stats}, x, False)
        return applied

    def initial(seed: int) -> Params:
        return cell_parameters(drawn(seed, cell, np.asarray(ops)), ops)["params"]

    params = nb201.num_params(written, shape["num_classes"], shape["channels"], shape["depth"])
    return Candidate(str(cell), nb201.index_to_arch(cell), int(params), loss, logits, initial)
