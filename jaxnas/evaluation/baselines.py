"""What a score has to beat: counts of the architecture that need no network, and chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]

from jaxnas.evaluation.pairs import Floats
from jaxnas.results import settings_of, space_of
from jaxnas.results.manifest import require_settings
from jaxnas.spaces import DEFAULT, Sizes, Space

# A zero eigenvalue's share of an eigenvalue score, -(log k + 1/k) at k = 1e-5, rounded.
_ZERO_EIGENVALUE = 1e5

RANDOM = "random"
PARAMS = "params"
NAMES = (PARAMS, "flops", "num_tensors", "tensor_count", RANDOM)


def counts(
    archs: Sequence[str],
    space: Space = DEFAULT,
    sizes: Sizes | None = None,
    num_classes: int = 10,
    image_size: int = 32,
) -> dict[str, Floats]:
    """Counts of architectures by name, higher meaning better, each [n].

    - ``params``, ``flops``: of the architecture as written, see `jaxnas.spaces.Counts`.
    - ``num_tensors``: N, the live tensors of two or more axes.
    - ``tensor_count``: -1e5·Z / N, with Z the eigenvalues of these tensors' gradients that are zero
      because of their shapes. It is what is left of `pjs` when of every eigenvalue only these are
      counted.

    The last two are NaN for disconnected architectures, as the scores are that they are to be
    compared with. NAS-Bench-201's network of 16 channels and five cells a stage has
    N = 8 + 15·n_conv and Z = 51 + 15·n_conv1x1, with the live convolutions of the cell.

    Args:
        archs: [n].
        space: whose archs they are.
        sizes: of the network; the space's own by default.
        num_classes: outputs of the linear layer.
        image_size: height and width in pixels.

    Raises:
        ValueError: one is no architecture of the space, or there are no such networks.
    """
    found = space.counts(archs, sizes or space.sizes, num_classes, image_size)
    tensors = np.where(found.tensors > 0, found.tensors, np.nan)
    return {
        PARAMS: found.params.astype(np.float64),
        "flops": found.flops.astype(np.float64),
        "num_tensors": tensors,
        "tensor_count": -_ZERO_EIGENVALUE * found.zeros / tensors,
    }


def counted(table: pa.Table, archs: Sequence[str]) -> dict[str, Floats]:
    """Counts of architectures' networks as a table's run has them, by name, [n] each.

    Args:
        table: of `jaxnas.score`.
        archs: [n].

    Raises:
        ResultsError: the table has no settings, or one of these is missing.
    """
    settings = settings_of(table)
    require_settings(settings, (*Sizes._fields, "num_classes", "image_size"))
    sizes = Sizes(*(settings[name] for name in Sizes._fields))
    return counts(archs, space_of(table), sizes, settings["num_classes"], settings["image_size"])


def chance(archs: Sequence[str], draws: int, seed: int, space: Space = DEFAULT) -> Floats:
    """A random number in [0, 1) for each architecture, whatever others there are, [draws, n].

    Args:
        archs: [n].
        draws: how many independent ones.
        seed: fixes them.
        space: whose archs they are.
    """
    cells = space.indices(archs)
    if cells is not None:
        return np.random.default_rng(seed).random((draws, space.size))[:, cells]
    streams = [np.random.default_rng((seed, space.stream(arch))) for arch in archs]
    return np.array([stream.random(draws) for stream in streams]).reshape(len(archs), draws).T
