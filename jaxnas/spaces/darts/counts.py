"""Parameters and multiply-adds of the DARTS evaluation network, in closed form.

The network: stem conv3x3 to 3c channels; cells of c channels, doubled in the reduction cells at 1/3
and 2/3 of the depth; global average pool; linear layer. Every cell brings its two inputs to its own
width and size by ReLU, conv1x1, BN, or a factorised reduction where the input is twice as large.
Convolutions have no bias; every BN has scale and shift; poolings have no BN.

Source: Liu, Simonyan & Yang, "DARTS", ICLR 2019, section 3 and the released code.
"""

from typing import NamedTuple

from jaxnas.checks import checked, ranges, whole
from jaxnas.spaces.darts.genotype import Genotype, Op, edges_of

STEM_MULTIPLIER = 3
"""The stem has so many times the channels of the first cell."""

KERNEL_SIZE = {
    Op.SEP_CONV_3X3: 3,
    Op.SEP_CONV_5X5: 5,
    Op.DIL_CONV_3X3: 3,
    Op.DIL_CONV_5X5: 5,
}
"""Size of the depthwise kernels of the operations that have any."""

TWICE = (Op.SEP_CONV_3X3, Op.SEP_CONV_5X5)
"""Operations that apply their separable convolution twice; only the first has the stride."""

_IMAGE_CHANNELS = 3
_AUXILIARY_WIDTHS = (128, 768)


class Count(NamedTuple):
    """Of a network or a part of it.

    Attributes:
        params: trainable parameters.
        multiply_adds: for one image, of convolutions and linear layers, and one for each output of
            an average pool, its division, as the published figures have it; biases, BN, ReLU,
            max pools and sums count nothing.
    """

    params: int
    multiply_adds: int

    def __add__(self, other: "Count") -> "Count":  # type: ignore[override]
        return Count(self.params + other.params, self.multiply_adds + other.multiply_adds)


class CellShape(NamedTuple):
    """Where a cell stands in the network.

    Attributes:
        inputs: channels of its two inputs.
        channels: of each of its nodes.
        reduction: whether it halves the image.
        halve_first: whether its first input is twice as large as the second.
        size: of its second input, a part of the image's (1, 2 or 4: a half, a quarter).
    """

    inputs: tuple[int, int]
    channels: int
    reduction: bool
    halve_first: bool
    size: int


def cell_shapes(
    channels: int, cells: int, normal_width: int = 4, reduce_width: int = 4
) -> tuple[CellShape, ...]:
    """The cells of a network with so many channels in the first; widths are nodes concatenated."""
    reductions = {cells // 3, 2 * cells // 3}
    before = last = STEM_MULTIPLIER * channels
    shapes: list[CellShape] = []
    shrink, halved = 1, False
    for i in range(cells):
        reduction = i in reductions
        channels *= 2 if reduction else 1
        shapes.append(CellShape((before, last), channels, reduction, halved, shrink))
        before, last = last, channels * (reduce_width if reduction else normal_width)
        shrink, halved = shrink * (2 if reduction else 1), reduction
    return tuple(shapes)


def count(
    genotype: Genotype,
    num_classes: int = 10,
    channels: int = 36,
    cells: int = 20,
    image_size: int = 32,
    *,
    auxiliary: bool = False,
) -> Count:
    """Counts the evaluation network.

    Args:
        genotype: the architecture.
        num_classes: outputs of the linear layer.
        channels: of the first cell.
        cells: in all, two of them reductions.
        image_size: height and width in pixels, a multiple of 4.
        auxiliary: with the auxiliary head after the second reduction, which only training uses;
            published figures leave it out.

    Raises:
        ValueError: if a size is not positive, or there are fewer than 3 cells, or the image does
            not fit.
    """
    check_network(num_classes, channels, cells, image_size, auxiliary=auxiliary)
    shapes = cell_shapes(channels, cells, len(genotype.normal_concat), len(genotype.reduce_concat))
    stem = STEM_MULTIPLIER * channels
    total = _convolution(_IMAGE_CHANNELS, stem, 3, image_size**2)
    for shape in shapes:
        total += _cell(genotype, shape, image_size // shape.size)
    width = shapes[-1].channels * _concatenated(genotype, shapes[-1])
    total += Count(0, width) + _linear(width, num_classes)
    if auxiliary:
        after = shapes[2 * cells // 3]
        total += _auxiliary(after.channels * _concatenated(genotype, after), num_classes)
    return total


def check_network(
    num_classes: int, channels: int, cells: int, image_size: int, *, auxiliary: bool = False
) -> None:
    """Raises ValueError if there is no such network."""
    checked("num_classes", num_classes, ranges.Classes)
    checked("channels", channels, ranges.Channels)
    if channels % 2:
        raise ValueError(
            f"channels: expected an even number (reductions halve it), got {channels}."
        )
    whole("depth", cells, 3, 1000, "two of them reductions")
    checked("image_size", image_size, ranges.Side)
    if image_size % 4:
        raise ValueError(
            f"image_size: expected a multiple of 4 (two cells halve it), got {image_size}."
        )
    if auxiliary and not 32 <= image_size <= 40:
        raise ValueError(
            f"auxiliary: the head fits images of 32 to 40 pixels, got {image_size}; leave it out."
        )


def _concatenated(genotype: Genotype, shape: CellShape) -> int:
    return len(genotype.reduce_concat if shape.reduction else genotype.normal_concat)


def _convolution(inputs: int, outputs: int, size: int, pixels: int, groups: int = 1) -> Count:
    """A convolution with the BN after it."""
    weights = size * size * inputs // groups * outputs
    return Count(weights + 2 * outputs, weights * pixels)


def _linear(inputs: int, outputs: int) -> Count:
    return Count(inputs * outputs + outputs, inputs * outputs)


def _cell(genotype: Genotype, shape: CellShape, size: int) -> Count:
    channels, pixels = shape.channels, size * size
    total = _convolution(shape.inputs[0], channels, 1, pixels)
    total += _convolution(shape.inputs[1], channels, 1, pixels)
    genes = genotype.reduce if shape.reduction else genotype.normal
    for op, source, _ in edges_of(genes):
        halves = shape.reduction and source < 2
        total += _operation(op, channels, pixels // (4 if shape.reduction else 1), halves=halves)
    return total


def _operation(op: Op, channels: int, pixels: int, *, halves: bool) -> Count:
    """An edge whose output has so many pixels."""
    if op == Op.SKIP_CONNECT and halves:
        return _convolution(channels, channels, 1, pixels)
    if op not in KERNEL_SIZE:
        return Count(0, channels * pixels if op == Op.AVG_POOL_3X3 else 0)
    depthwise = KERNEL_SIZE[op] ** 2 * channels
    separable = _convolution(channels, channels, 1, pixels) + Count(depthwise, depthwise * pixels)
    return separable + separable if op in TWICE else separable


def _auxiliary(inputs: int, num_classes: int) -> Count:
    narrow, wide = _AUXILIARY_WIDTHS
    head = _convolution(inputs, narrow, 1, 4) + _convolution(narrow, wide, 2, 1)
    return Count(0, 4 * inputs) + head + _linear(wide, num_classes)
