"""Parameters and FLOPs of NAS-Bench-201 networks, in closed form.

The network: stem conv3x3 + BN; three stages of cells at c, 2c and 4c channels with a residual
block of stride 2 between them; BN + ReLU; global average pool; linear layer. Cells are counted as
written, dead edges included. Convolutions have no bias, every BN is affine except that the
residual block's 1x1 shortcut has none.

References:
  Dong & Yang, "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326
"""

import itertools

import numpy as np
import numpy.typing as npt

from jaxnas.checks import checked, ranges
from jaxnas.spaces.nb201.cells import OPS, Op, as_ops

_IMAGE_CHANNELS = 3


def num_params(
    ops: npt.ArrayLike,
    num_classes: int = 10,
    channels: int = 16,
    depth: int = 5,
) -> npt.NDArray[np.int64]:
    """Counts trainable parameters: convolutions, BN scales and shifts, linear layer with bias.

    The published ``params`` are this count divided by 1e6.

    Args:
      ops: integers [..., 6].
      num_classes: outputs of the linear layer.
      channels: channels c of the first stage.
      depth: cells in each of the three stages.

    Returns:
      int64 [...], number of parameters.

    Raises:
      ValueError: if ops are not codes 0..4 with a last axis of 6, or a size is not positive.
    """
    _check_counts(num_classes, channels, depth)
    stages = widths(channels)
    stem = 9 * _IMAGE_CHANNELS * channels + 2 * channels
    # Two 3x3 convolutions with BN and the 1x1 shortcut without.
    residual = sum(
        9 * a * b + 2 * b + 9 * b * b + 2 * b + a * b for a, b in itertools.pairwise(stages)
    )
    last_bn = 2 * stages[-1]
    linear = stages[-1] * num_classes + num_classes
    edge = np.zeros(len(OPS), dtype=np.int64)
    edge[Op.CONV1X1] = depth * sum(w * w + 2 * w for w in stages)
    edge[Op.CONV3X3] = depth * sum(9 * w * w + 2 * w for w in stages)
    return np.asarray(stem + residual + last_bn + linear + edge[as_ops(ops)].sum(axis=-1))


def num_flops(
    ops: npt.ArrayLike,
    num_classes: int = 10,
    image_size: int = 32,
    channels: int = 16,
    depth: int = 5,
) -> npt.NDArray[np.int64]:
    """Counts FLOPs of one image's forward pass as NAS-Bench-201 publishes them.

    One unit is one multiply-add of a convolution or of the linear layer, plus one per bias of the
    linear layer. BN, ReLU, poolings and additions count nothing. The published ``flops`` are this
    count divided by 1e6.

    Args:
      ops: integers [..., 6].
      num_classes: outputs of the linear layer.
      image_size: height and width in pixels, a multiple of 4.
      channels: channels c of the first stage.
      depth: cells in each of the three stages.

    Returns:
      int64 [...], number of multiply-adds per image.

    Raises:
      ValueError: if ops are not codes 0..4 with a last axis of 6, a size is not positive, or
        image_size is not a multiple of 4.
    """
    check_sizes(num_classes, image_size, channels, depth)
    stages = widths(channels)
    pixels = [(image_size // shrink) ** 2 for shrink in (1, 2, 4)]
    stem = 9 * _IMAGE_CHANNELS * channels * pixels[0]
    residual = sum(
        (9 * a * b + 9 * b * b + a * b) * p
        for (a, b), p in zip(itertools.pairwise(stages), pixels[1:], strict=True)
    )
    linear = stages[-1] * num_classes + num_classes
    conv1x1 = depth * sum(w * w * p for w, p in zip(stages, pixels, strict=True))
    edge = np.zeros(len(OPS), dtype=np.int64)
    edge[Op.CONV1X1] = conv1x1
    edge[Op.CONV3X3] = 9 * conv1x1
    return np.asarray(stem + residual + linear + edge[as_ops(ops)].sum(axis=-1))


def widths(channels: int) -> list[int]:
    """Channels of the three stages."""
    return [channels, 2 * channels, 4 * channels]


def check_sizes(num_classes: int, image_size: int, channels: int, depth: int) -> None:
    """Raises ValueError if there is no such network."""
    _check_counts(num_classes, channels, depth)
    checked("image_size", image_size, ranges.Side)
    if image_size % 4:
        raise ValueError(
            f"image_size: expected a multiple of 4 (two blocks halve it), got {image_size}."
        )


def _check_counts(num_classes: int, channels: int, depth: int) -> None:
    """Raises ValueError naming the first number out of its range."""
    checked("num_classes", num_classes, ranges.Classes)
    checked("channels", channels, ranges.Channels)
    checked("depth", depth, ranges.Depth)
