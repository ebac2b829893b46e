"""The rival that jaxnas' DARTS supernet is timed against: the same network in plain eager PyTorch.

Written from the paper as a careful PyTorch user would, without JAX. Batch normalisation uses the
batch's statistics and has no scale or shift; `train_step` is what a search repeats: loss, gradients
of the weights, left in `.grad`.

Reference:
  Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019,
  https://arxiv.org/abs/1806.09055
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

LAYOUTS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}

_NODES = 4


def batch_norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, affine=False, track_running_stats=False)


def separable(channels: int, size: int, stride: int, dilation: int = 1) -> list[nn.Module]:
    """ReLU, depthwise convolution, pointwise convolution, batch normalisation."""
    padding = (size - 1) // 2 * dilation
    return [
        nn.ReLU(),
        nn.Conv2d(channels, channels, size, stride, padding, dilation, groups=channels, bias=False),
        nn.Conv2d(channels, channels, 1, bias=False),
        batch_norm(channels),
    ]


class FactorizedReduce(nn.Module):
    """Halves the image by two 1x1 convolutions of stride 2, one of them off by a pixel."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.even = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(inputs, outputs // 2, 1, 2, bias=False)
        self.bn = batch_norm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.relu(x)
        return self.bn(torch.cat([self.even(x), self.odd(x[:, :, 1:, 1:])], 1))


class MixedOp(nn.Module):
    """The weighted sum of the eight operations; `none` adds nothing and is left out."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        skip = nn.Identity() if stride == 1 else FactorizedReduce(channels, channels)
        self.ops = nn.ModuleList(
            [
                nn.Sequential(nn.MaxPool2d(3, stride, 1), batch_norm(channels)),
                nn.Sequential(
                    nn.AvgPool2d(3, stride, 1, count_include_pad=False), batch_norm(channels)
                ),
                skip,
                nn.Sequential(*separable(channels, 3, stride), *separable(channels, 3, 1)),
                nn.Sequential(*separable(channels, 5, stride), *separable(channels, 5, 1)),
                nn.Sequential(*separable(channels, 3, stride, 2)),
                nn.Sequential(*separable(channels, 5, stride, 2)),
            ]
        )

    def forward(self, x: Tensor, weights: Tensor) -> Tensor:
        terms = [w * op(x) for w, op in zip(weights[1:], self.ops, strict=True)]
        return sum(terms[1:], terms[0])


def relu_conv_bn(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ReLU(), nn.Conv2d(inputs, outputs, 1, bias=False), batch_norm(outputs))


class Cell(nn.Module):
    def __init__(
        self, inputs: Sequence[int], channels: int, reduction: bool, halve_first: bool
    ) -> None:
        super().__init__()
        first = FactorizedReduce if halve_first else relu_conv_bn
        self.first = first(inputs[0], channels)
        self.second = relu_conv_bn(inputs[1], channels)
        self.reduction = reduction
        self.edges = nn.ModuleList(
            MixedOp(channels, 2 if reduction and source < 2 else 1)
            for node in range(_NODES)
            for source in range(2 + node)
        )

    def forward(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        states = [self.first(x), self.second(y)]
        edges = zip(self.edges, weights, strict=True)
        for _ in range(_NODES):
            terms = [edge(s, w) for s, (edge, w) in zip(states, edges, strict=False)]
            states.append(sum(terms[1:], terms[0]))
        return torch.cat(states[2:], 1)


class Supernet(nn.Module):
    """Logits of images [B, 3, H, W], given weights [14, 8] for each of the two kinds of cell."""

    def __init__(self, num_classes: int = 10, channels: int = 16, cells: int = 8) -> None:
        super().__init__()
        stem = 3 * channels
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, 3, padding=1, bias=False), nn.BatchNorm2d(stem)
        )
        reductions = {cells // 3, 2 * cells // 3}
        before, last = stem, stem
        self.cells = nn.ModuleList()
        for i in range(cells):
            channels *= 2 if i in reductions else 1
            self.cells.append(Cell((before, last), channels, i in reductions, i - 1 in reductions))
            before, last = last, _NODES * channels
        self.classifier = nn.Linear(last, num_classes)

    def forward(self, x: Tensor, normal: Tensor, reduce: Tensor) -> Tensor:
        before = last = self.stem(x)
        for cell in self.cells:
            weights = reduce if cell.reduction else normal
            before, last = last, cell(before, last, weights)
        return self.classifier(last.mean((2, 3)))


def train_step(net: Supernet, x: Tensor, y: Tensor, normal: Tensor, reduce: Tensor) -> float:
    """The loss; its gradients are left in the parameters."""
    net.zero_grad(set_to_none=True)
    loss = functional.cross_entropy(net(x, normal, reduce), y)
    loss.backward()
    return loss.item()
