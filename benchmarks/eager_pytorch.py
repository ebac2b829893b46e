"""The rival that jaxnas is timed against: NAS-Bench-201 scores in plain eager PyTorch.

Written from the papers, as a careful PyTorch user would: one `nn.Module` per cell, default
initialisation, autograd, and NumPy in float64 for correlations and eigenvalues. Nothing here
imports JAX. Three programs are timed:

- `score_js`: NASWOT v1's score as its users run it (`loss.backward()`, weights included);
- `score_js_input_only`: the same score without the gradients of the weights, which it never needs;
- `score_all`: every score of both papers, sharing forward and backward passes between them.

Run `python benchmarks/eager_pytorch.py --help` for the worker that prints seconds and scores as
JSON lines (jaxnas importable; limit NumPy's threads with OPENBLAS_NUM_THREADS).

Measured: PyTorch 2.13.0, one thread pinned to one of two Xeon (AVX-512) cores, CIFAR-10 images,
batch 64, eight random connected cells; seconds a cell, construction included:

    program                                            median    mean (slowest)
    score_js, nchw / nhwc                           .27 / .19    .44 / .25 (0.94 / 0.53)
    score_js_input_only, nchw / nhwc                .24 / .16    .38 / .21 (0.85 / 0.44)
    per-example gradients by hooks                        .32    .54 (1.26)
    per-example gradients by loop                         .55    .88 (2.32)
    per-example gradients by vmap                         .61    .92 (2.76)
    score_all, nchw / nhwc                        1.26 / 1.00   2.14 / 1.41 (4.55 / 2.95)

So `score_all` uses hooks. Channels-last ("nhwc") is one line more and the fairer rival: 3x3
average pools take 2 ms instead of 9 and convolutions need no reordering. The per-example pass
stays in "nchw", where BatchNorm over one example is faster. Each figure comes from one run.

References:
  Dong & Yang, "NAS-Bench-201", ICLR 2020, https://arxiv.org/abs/2001.00326
  Mellor et al., "Neural Architecture Search without Training", v1, https://arxiv.org/abs/2006.04647v1
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from jaxnas.spaces import nb201
from jaxnas.spaces.nb201 import Op

K = 1e-5
NOISE_LEVELS = (0.1, 10, 100)
SCORES = ("js", "js-input", "all")
LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}

_WIDTHS = (16, 32, 64)
_CELLS_PER_STAGE = 5
_NUM_NODES = 4
_GRAM_COLUMNS = 2048  # parameters whose gradients are converted to float64 at a time
_KERNEL = {Op.CONV1X1: 1, Op.CONV3X3: 3}


class BatchNorm(nn.BatchNorm2d):
    """BatchNorm in training mode: statistics of the batch, or of each example alone."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, track_running_stats=False)
        self.per_example = False

    def forward(self, x: Tensor) -> Tensor:
        if self.per_example:
            # One group per channel is instance_norm, whose own kernel takes 3 times as long.
            return functional.group_norm(x, len(self.weight), self.weight, self.bias, self.eps)
        return super().forward(x)


class ReLUConvBN(nn.Module):
    """ReLU, convolution without bias, BatchNorm."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = BatchNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(functional.relu(x)))


class Stem(nn.Module):
    """Convolution 3x3 without bias, BatchNorm."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, outputs, 3, padding=1, bias=False)
        self.bn = BatchNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class Cell(nn.Module):
    """A node is the sum of its edges; `edges` holds the convolutions only, by position in EDGES."""

    def __init__(self, ops: Sequence[int], channels: int) -> None:
        super().__init__()
        self.ops = tuple(ops)
        self.edges = nn.ModuleDict(
            {
                str(e): ReLUConvBN(channels, channels, _KERNEL[Op(op)])
                for e, op in enumerate(ops)
                if op in _KERNEL
            }
        )

    def forward(self, x: Tensor) -> Tensor:
        nodes: list[Tensor | None] = [x, *[None] * (_NUM_NODES - 1)]
        for e, (source, target) in enumerate(nb201.EDGES):
            value = nodes[source]
            if self.ops[e] == Op.NONE or value is None:
                continue
            if self.ops[e] == Op.POOL:
                value = functional.avg_pool2d(value, 3, 1, 1, count_include_pad=False)
            elif self.ops[e] != Op.SKIP:
                value = self.edges[str(e)](value)
            before = nodes[target]
            nodes[target] = value if before is None else before + value
        output = nodes[-1]
        return torch.zeros_like(x) if output is None else output


class Reduction(nn.Module):
    """Residual block of stride 2; its shortcut is an average pool and a convolution 1x1."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.a = ReLUConvBN(inputs, outputs, 3, stride=2)
        self.b = ReLUConvBN(outputs, outputs, 3)
        self.shortcut = nn.ModuleDict({"conv": nn.Conv2d(inputs, outputs, 1, bias=False)})

    def forward(self, x: Tensor) -> Tensor:
        return self.b(self.a(x)) + self.shortcut["conv"](functional.avg_pool2d(x, 2))


class Network(nn.Module):
    """NAS-Bench-201's network of one cell, with PyTorch's default initialisation.

    Edges that are none are not built and cost nothing; an edge whose source node has no input is
    built (its parameters count) but not run. To leave out all dead edges, pass
    `nb201.live_ops(ops)`.

    Names in `state_dict`, shapes as PyTorch has them (convolutions OIHW, linear [classes, 64]):

        stem.conv.weight                             stem.bn.{weight,bias}
        stages.{s}.{c}.edges.{e}.conv.weight         stages.{s}.{c}.edges.{e}.bn.{weight,bias}
        reductions.{r}.{a,b}.conv.weight             reductions.{r}.{a,b}.bn.{weight,bias}
        reductions.{r}.shortcut.conv.weight          last_bn.{weight,bias}
        classifier.{weight,bias}

    with stage s in 0..2, cell c in 0..4, e the position in `nb201.EDGES` (convolutions only) and
    reduction r in 1..2, the one in front of stage r. BatchNorm keeps no running statistics.

    Args:
      ops: integers [6], the cell as written.
      num_classes: outputs of the linear layer.
    """

    def __init__(self, ops: npt.ArrayLike, num_classes: int = 10) -> None:
        super().__init__()
        cell = np.asarray(ops).tolist()
        self.stem = Stem(_WIDTHS[0])
        self.stages = nn.ModuleList(
            nn.Sequential(*(Cell(cell, width) for _ in range(_CELLS_PER_STAGE)))
            for width in _WIDTHS
        )
        self.reductions = nn.ModuleDict(
            {str(r): Reduction(a, b) for r, (a, b) in enumerate(pairwise(_WIDTHS), start=1)}
        )
        self.last_bn = BatchNorm(_WIDTHS[-1])
        self.classifier = nn.Linear(_WIDTHS[-1], num_classes)

    def blocks(self) -> list[nn.Module]:
        """The parts that map images to features, in forward order."""
        first, *others = self.stages
        blocks = [self.stem, first]
        for reduction, stage in zip(self.reductions.values(), others, strict=True):
            blocks += [reduction, stage]
        return blocks

    def forward(self, x: Tensor) -> Tensor:
        """Images [B, 3, H, W] to logits [B, classes]."""
        for block in self.blocks():
            x = block(x)
        x = functional.relu(self.last_bn(x))
        return self.classifier(x.mean((2, 3)))

    def tensors(self) -> list[nn.Parameter]:
        """All parameters in forward order (`parameters` gives the order of registration)."""
        parts = [*self.blocks(), self.last_bn, self.classifier]
        return [p for part in parts for p in part.parameters()]

    def set_batch_norm(self, *, per_example: bool) -> None:
        """Takes the statistics of every BatchNorm from each example, or from the whole batch."""
        for module in self.modules():
            if isinstance(module, BatchNorm):
                module.per_example = per_example


def eig(rows: npt.ArrayLike) -> float:
    """-sum_j [log(s_j + k) + 1 / (s_j + k)], s the eigenvalues of the rows' correlation matrix.

    Args:
      rows: [B, D]; centred and scaled to unit norm here, in float64.
    """
    a = np.asarray(rows, dtype=np.float64)
    a = _unit(a - a.mean(axis=1, keepdims=True))
    sigma = np.linalg.eigvalsh(a @ a.T)
    return float(-np.sum(np.log(sigma + K) + 1 / (sigma + K)))


def cos(rows: npt.ArrayLike) -> float:
    """1 - mean over i != j of |<a_i, a_j>|^(1/20), rows [B, D] scaled to unit norm, not centred."""
    a = _unit(np.asarray(rows, dtype=np.float64))
    count = len(a)
    powers = np.abs(a @ a.T) ** (1 / 20)
    np.fill_diagonal(powers, 0)
    return float(1 - powers.sum() / (count**2 - count))


def _unit(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Rows [B, D] scaled to unit norm; a row of zeros stays."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(norms == 0, 1, norms)


def _rows(gradient: Tensor) -> npt.NDArray[np.float64]:
    return gradient.flatten(1).double().numpy()


def score_js(
    ops: npt.ArrayLike,
    x: Tensor,
    y: Tensor,
    num_classes: int = 10,
    layout: torch.memory_format = torch.contiguous_format,
) -> float:
    """NASWOT v1's score of a freshly initialised network, by a whole backward pass.

    Args:
      ops: integers [6].
      x: images [B, 3, H, W], float32.
      y: labels [B], int64.
      num_classes: outputs of the linear layer.
      layout: memory format of images and convolutions, one of `LAYOUTS`; no effect on the value
        but rounding.

    Returns:
      js, NaN for a disconnected cell.
    """
    if not nb201.is_connected(ops):
        return math.nan
    network, x = _in_layout(Network(ops, num_classes), x, layout)
    x.requires_grad_()
    torch.autograd.backward(functional.cross_entropy(network(x), y))
    return eig(_rows(_gradient(x)))


def score_js_input_only(
    ops: npt.ArrayLike,
    x: Tensor,
    y: Tensor,
    num_classes: int = 10,
    layout: torch.memory_format = torch.contiguous_format,
) -> float:
    """The score of `score_js` (same arguments) without computing the weights' gradients."""
    if not nb201.is_connected(ops):
        return math.nan
    network, x = _in_layout(Network(ops, num_classes).requires_grad_(False), x, layout)
    return eig(_rows(input_gradient(network, x, y)))


def _in_layout(network: Network, x: Tensor, layout: torch.memory_format) -> tuple[Network, Tensor]:
    """The network, changed in place, and a copy of the images, both in a memory format."""
    _set_layout(network, layout)
    return network, x.detach().clone(memory_format=layout)


def _set_layout(network: Network, layout: torch.memory_format) -> None:
    network.to(memory_format=layout)  # type: ignore[call-overload]  # missing in PyTorch's stubs


def input_gradient(network: Network, x: Tensor, y: Tensor) -> Tensor:
    """Gradient of the batch's mean cross-entropy with respect to the images: [B, 3, H, W]."""
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(functional.cross_entropy(network(x), y), x)
    return gradient


def _gradient(leaf: Tensor) -> Tensor:
    """The gradient that `backward` left on a tensor."""
    if leaf.grad is None:
        raise ValueError("Expected a tensor with a gradient: call backward() on the loss first.")
    return leaf.grad


def score_all(
    ops: npt.ArrayLike,
    x: Tensor,
    y: Tensor,
    noises: Sequence[Tensor],
    num_classes: int = 10,
    layout: torch.memory_format = torch.contiguous_format,
) -> dict[str, float]:
    """Every score of both papers for one freshly initialised network.

    One clean forward and backward pass gives the scores of the input and of the parameters, three
    passes without the weights' gradients the noisy ones, and one pass with BatchNorm over each
    example alone the per-example gradients.

    Args:
      ops: integers [6].
      x: images [B, 3, H, W], float32.
      y: labels [B], int64.
      noises: one standard normal draw of x's shape for each of `NOISE_LEVELS`.
      num_classes: outputs of the linear layer.
      layout: memory format of images and convolutions, one of `LAYOUTS`; no effect on the value
        but rounding.

    Returns:
      Scores by name, higher is better, NaN for a disconnected cell.
    """
    return score_network(Network(ops, num_classes), ops, x, y, noises, layout)


def score_network(
    network: Network,
    ops: npt.ArrayLike,
    x: Tensor,
    y: Tensor,
    noises: Sequence[Tensor],
    layout: torch.memory_format = torch.contiguous_format,
) -> dict[str, float]:
    """`score_all` of a network with given weights, which is left without gradients required.

    The per-example pass runs in "nchw" in either layout: it is faster there.
    """
    scores = dict.fromkeys(ALL_SCORES, math.nan)
    if not nb201.is_connected(ops):
        return scores
    network, clean = _in_layout(network.requires_grad_(True), x, layout)
    scores |= _clean_scores(network, clean, y)
    network.requires_grad_(False)
    spread = x.var(correction=0)
    for level, noise in zip(NOISE_LEVELS, noises, strict=True):
        noisy = (x + level * spread * noise).contiguous(memory_format=layout)
        rows = _rows(input_gradient(network, noisy, y))
        scores |= {f"js_n{level}": eig(rows), f"jsc_n{level}": cos(rows)}
    return scores | per_example_by_hooks(network, x, y).scores()


ALL_SCORES = (
    *("js", "jsc", "pjs", "pjsc", "wpjs", "wpjsi"),
    *(f"{name}_n{level}" for level in NOISE_LEVELS for name in ("js", "jsc")),
    *("gradient_kernel", "gradient_correlation", "gradient_value", "gradient_trace"),
)


def _clean_scores(network: Network, x: Tensor, y: Tensor) -> dict[str, float]:
    """Scores of the input and of the parameters from one backward pass."""
    x = x.detach().clone().requires_grad_()
    torch.autograd.backward(functional.cross_entropy(network(x), y))
    rows = _rows(_gradient(x))
    gradients = [p.grad for p in network.tensors() if p.ndim >= 2 and p.grad is not None]
    tensors = [_rows(gradient) for gradient in gradients if gradient.any()]
    network.zero_grad(set_to_none=True)
    s = np.array([eig(tensor) for tensor in tensors])
    n = len(s)
    i = np.arange(1, n + 1)
    scale = 2 / (n * n * (n + 1))
    return {
        "js": eig(rows),
        "jsc": cos(rows),
        "pjs": float(s.mean()),
        "pjsc": float(np.mean([cos(tensor) for tensor in tensors])),
        "wpjs": float(scale * (i @ s)),
        "wpjsi": float(scale * ((n + 1 - i) @ s)),
    }


@dataclass
class PerExample:
    """Sums over per-example gradients, added tensor by tensor so that memory stays bounded.

    Attributes:
      gram: [B, B], float64, inner products of the examples' gradients over all live parameters.
      total: sum of absolute values over examples and live parameters.
      count: live parameters.
    """

    gram: Tensor
    total: float = 0.0
    count: int = 0

    def add(self, gradients: Tensor) -> None:
        """Adds one parameter tensor's gradients [B, ...]."""
        rows = gradients.detach().flatten(1)
        self.total += float(rows.abs().sum())
        self.count += rows.shape[1]
        for part in torch.split(rows, _GRAM_COLUMNS, dim=1):
            columns = part.double()
            self.gram.addmm_(columns, columns.T)

    def scores(self) -> dict[str, float]:
        """The scores of the per-example gradients, by name."""
        norms = self.gram.diagonal().sqrt()
        return {
            "gradient_kernel": float(self.gram.mean()),
            "gradient_correlation": float((self.gram / norms.outer(norms)).mean()),
            "gradient_value": self.total / (len(self.gram) * self.count),
            "gradient_trace": float(self.gram.diagonal().mean()),
        }


def _no_gradients_yet(batch_size: int) -> PerExample:
    return PerExample(torch.zeros(batch_size, batch_size, dtype=torch.float64))


def per_example_by_hooks(network: Network, x: Tensor, y: Tensor) -> PerExample:
    """Per-example gradients from each layer's input and output gradient, in one backward pass.

    BatchNorm's scales must not be zero (its normalised input is recovered from its output).
    """
    sums = _no_gradients_yet(len(x))

    def watch(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if not output.requires_grad:  # The stem: no parameter and no image asks for a gradient.
            output.requires_grad_()
        output.register_hook(partial(add, module, inputs[0].detach(), output.detach()))

    def add(module: nn.Module, value: Tensor, output: Tensor, dy: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            sums.add(_conv_gradients(module, value, dy))
        elif isinstance(module, nn.Linear):
            sums.add(dy[:, :, None] * value[:, None, :])
            sums.add(dy)
        elif isinstance(module, BatchNorm):
            shift = dy.sum((2, 3))
            moment = torch.linalg.vecdot(dy.flatten(2), output.flatten(2))
            sums.add((moment - module.bias * shift) / module.weight)
            sums.add(shift)

    _set_layout(network, torch.contiguous_format)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d | nn.Linear | BatchNorm)]
    handles = [layer.register_forward_hook(watch) for layer in layers]
    wanted = [p.requires_grad for p in network.parameters()]
    network.requires_grad_(False)
    network.set_batch_norm(per_example=True)
    try:
        loss = functional.cross_entropy(network(x.detach()), y, reduction="sum")
        torch.autograd.backward(loss)
    finally:
        network.set_batch_norm(per_example=False)
        for parameter, flag in zip(network.parameters(), wanted, strict=True):
            parameter.requires_grad_(flag)
        for handle in handles:
            handle.remove()
    return sums


def _conv_gradients(conv: nn.Conv2d, value: Tensor, dy: Tensor) -> Tensor:
    """Gradients of a convolution's weight for each example: [B, ...]."""
    if conv.kernel_size == (1, 1):
        return dy.flatten(2) @ value.flatten(2).mT
    # The examples as groups of one convolution; unfold and a product take 2 to 10 times as long.
    examples, inputs, outputs = len(value), conv.in_channels, conv.out_channels
    gradients = conv2d_weight(
        value.reshape(1, examples * inputs, *value.shape[2:]),
        (examples * outputs, inputs, *conv.kernel_size),
        dy.reshape(1, examples * outputs, *dy.shape[2:]),
        conv.stride,
        conv.padding,
        groups=examples,
    )
    return gradients.reshape(examples, -1)


def per_example_by_vmap(network: Network, x: Tensor, y: Tensor) -> PerExample:
    """Per-example gradients as `vmap(grad)` over batches of one."""
    parameters = {name: p.detach() for name, p in network.named_parameters()}

    def loss(parameters: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        logits = functional_call(network, parameters, (image[None],))
        return functional.cross_entropy(logits, label[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))(parameters, x, y)
    return _live_sums(gradients.values(), len(x))


def per_example_by_loop(network: Network, x: Tensor, y: Tensor) -> PerExample:
    """Per-example gradients by one backward pass for each example."""
    parameters = list(network.parameters())
    wanted = [p.requires_grad for p in parameters]
    network.requires_grad_(True)
    rows = []
    for image, label in zip(x, y, strict=True):
        loss = functional.cross_entropy(network(image[None]), label[None])
        rows.append(torch.autograd.grad(loss, parameters, materialize_grads=True))
    for parameter, flag in zip(parameters, wanted, strict=True):
        parameter.requires_grad_(flag)
    return _live_sums(map(torch.stack, zip(*rows, strict=True)), len(x))


def _live_sums(gradients: Iterable[Tensor], batch_size: int) -> PerExample:
    """Sums over the parameter tensors [B, ...] whose gradients are not all zero."""
    sums = _no_gradients_yet(batch_size)
    for tensor in gradients:
        if tensor.any():
            sums.add(tensor)
    return sums


def load_batch(path: str | None, batch_size: int, seed: int) -> tuple[Tensor, Tensor, int]:
    """Normalised images [B, 3, H, W], labels [B] and the number of classes.

    Args:
      path: file with `x_train` (uint8 [N, H, W, 3]) and `y_train`; None for normal noise of
        CIFAR-10's shape with random labels.
      batch_size: images drawn without repetition.
      seed: of the draw.
    """
    rng = np.random.default_rng(seed)
    if path is None:
        x = rng.standard_normal((batch_size, 32, 32, 3))
        y, num_classes = rng.integers(10, size=batch_size), 10
    else:
        with np.load(path) as data:
            images, labels = data["x_train"], data["y_train"]
        num_classes = int(labels.max()) + 1
        scaled = images.astype(np.float32) / 255
        mean, std = scaled.mean((0, 1, 2), dtype=float), scaled.std((0, 1, 2), dtype=float)
        chosen = rng.choice(len(images), batch_size, replace=False)
        x, y = (scaled[chosen] - mean) / std, labels[chosen]
    images_first = np.ascontiguousarray(x.transpose(0, 3, 1, 2), dtype=np.float32)
    return torch.from_numpy(images_first), torch.from_numpy(y.astype(np.int64)), num_classes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description="Score cells in eager PyTorch; one JSON line per cell: index, seconds, scores."
    )
    parser.add_argument("--cells", required=True, help="official indices, separated by commas")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--score", choices=SCORES, default="js")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch's operations")
    parser.add_argument("--layout", choices=LAYOUTS, default="nchw", help="memory format")
    parser.add_argument("--data", help="npz with x_train and y_train; random images without it")
    parser.add_argument("--seed", type=int, default=0, help="of the batch, weights and noise")
    parser.add_argument(
        "--live", action="store_true", help="leave out dead edges, which plain code runs as written"
    )
    return parser.parse_args()


def main() -> None:
    """Scores the cells of the command line, after the first cell once for warming up."""
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    x, y, num_classes = load_batch(arguments.data, arguments.batch_size, arguments.seed)
    layout = LAYOUTS[arguments.layout]
    generator = torch.Generator().manual_seed(arguments.seed)
    noises = [torch.randn(x.shape, generator=generator) for _ in NOISE_LEVELS]
    programs: dict[str, Callable[[npt.ArrayLike], dict[str, float]]] = {
        "js": lambda ops: {"js": score_js(ops, x, y, num_classes, layout)},
        "js-input": lambda ops: {"js": score_js_input_only(ops, x, y, num_classes, layout)},
        "all": lambda ops: score_all(ops, x, y, noises, num_classes, layout),
    }
    program = programs[arguments.score]
    cells = [int(cell) for cell in arguments.cells.split(",")]
    for position, cell in enumerate([cells[0], *cells]):
        ops = nb201.index_to_ops(cell)
        torch.manual_seed(arguments.seed + cell)
        start = time.perf_counter()
        scores = program(nb201.live_ops(ops) if arguments.live else ops)
        seconds = time.perf_counter() - start
        if position > 0:
            print(json.dumps({"cell": cell, "seconds": seconds, "scores": scores}), flush=True)


if __name__ == "__main__":
    main()
