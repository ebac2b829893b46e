"""What a score has to beat: counts of the cell that need no network, and chance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jaxnas.evaluation.pairs import Floats
from jaxnas.spaces import nb201

# A zero eigenvalue's share of an eigenvalue score, -(log k + 1/k) at k = 1e-5, rounded.
_ZERO_EIGENVALUE = 1e5

# Convolutions of the two residual blocks, three each; the stem; the linear layer.
_TENSORS_WITHOUT_CELLS = 8

RANDOM = "random"
PARAMS = "params"
NAMES = (PARAMS, "flops", "num_tensors", "tensor_count", RANDOM)


def counts(
    cells: NDArray[np.integer],
    num_classes: int = 10,
    image_size: int = 32,
    stem_channels: int = 16,
    cells_per_stage: int = 5,
) -> dict[str, Floats]:
    """Counts of cells by name, higher meaning better, each [n].

    - ``params``, ``flops``: of the cell as written, see `nb201.num_params` and `nb201.num_flops`.
    - ``num_tensors``: N = 8 + 15·n_conv, the live tensors of two or more axes.
    - ``tensor_count``: the closed form -(5.1e6 + 1.5e6·n_conv1x1) / N, which is what is left of
      `pjs` when of every eigenvalue only the zeros that shapes force are counted.

    The last two count live convolutions, and are NaN for disconnected cells, as the scores are that
    they are to be compared with. Both are given for NAS-Bench-201's network of 16 channels and
    five cells a stage; with c channels and m cells N = 8 + 3m·n_conv, and the zeros number
    3c + 3 + 3m·n_conv1x1.

    Args:
        cells: official indices, [n].
        num_classes: outputs of the linear layer.
        image_size: height and width in pixels.
        stem_channels: channels c of the first stage.
        cells_per_stage: cells m in each of the three stages.
    """
    ops = nb201.cell_ops()[cells]
    live = nb201.live_ops(ops)
    copies = 3 * cells_per_stage
    conv1x1 = copies * (live == nb201.Op.CONV1X1).sum(axis=1)
    conv3x3 = copies * (live == nb201.Op.CONV3X3).sum(axis=1)
    tensors = np.where(nb201.is_connected(ops), _TENSORS_WITHOUT_CELLS + conv1x1 + conv3x3, np.nan)
    params = nb201.num_params(ops, num_classes, stem_channels, cells_per_stage)
    flops = nb201.num_flops(ops, num_classes, image_size, stem_channels, cells_per_stage)
    return {
        PARAMS: params.astype(np.float64),
        "flops": flops.astype(np.float64),
        "num_tensors": tensors,
        "tensor_count": -_ZERO_EIGENVALUE * (3 * stem_channels + 3 + conv1x1) / tensors,
    }


def chance(cells: NDArray[np.integer], draws: int, seed: int) -> Floats:
    """A random number in [0, 1) for each cell, the same whatever other cells there are, [draws, n].

    Args:
        cells: official indices, [n].
        draws: how many independent ones.
        seed: fixes them.
    """
    return np.random.default_rng(seed).random((draws, nb201.NUM_CELLS))[:, cells]
