"""The network by which genotypes are scored: one for all of them."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnas.networks.darts.initial import draw_kernel
from jaxnas.networks.darts.switch_network import SLOTS, SwitchNetwork, genes_of
from jaxnas.networks.initial import draw, generator
from jaxnas.networks.initialisers import Initialisation
from jaxnas.networks.layers import BatchNormMode
from jaxnas.networks.protocol import Draw
from jaxnas.spaces.darts import NODES, OPS, Op, cell_shapes
from jaxnas.spaces.darts.space import Darts
from jaxnas.spaces.space import Sizes
from jaxnas.types import Array, Params, Tensor


def scored(
    sizes: Sizes,
    *,
    num_classes: int,
    image_size: int,
    bn: BatchNormMode = "batch",
    init: Initialisation = "pytorch",
    dtype: DTypeLike = jnp.float32,
) -> "ScoredGenotype":
    """The network of all genotypes; an arch's code is that of its space, int32 [32].

    Args:
        sizes: channels of the first cell, an even number, and cells in all.
        num_classes: width of the output.
        image_size: height and width of the images in pixels, a multiple of 4.
        bn: mode of batch normalisation, "batch", "example" or "frozen".
        init: scheme of the initial parameters, "pytorch", "he" or "xavier".
        dtype: type of parameters and computation.
    """
    return ScoredGenotype(SwitchNetwork(num_classes, bn, init, dtype, *sizes), image_size)


@dataclass(frozen=True)
class ScoredGenotype:
    """A `jaxnas.networks.protocol.ScoredNetwork`."""

    network: SwitchNetwork
    image_size: int

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """Tensors with two or more axes from the input to the output, all operations in a slot."""
        return tuple(
            tensor._replace(path=("params", *tensor.path)) for tensor in self.network.tensors()
        )

    def code(self, arch: str) -> NDArray[np.int32]:
        """(operation, source) of each of 16 edges, int32 [32]."""
        return np.array(Darts().encode(arch), np.int32)

    def apply(self, params: Params, x: Array, code: Array) -> Array:
        """Logits [B, num_classes] of images [B, H, W, 3]."""
        applied: Any = self.network.apply(params, x, code)
        return applied

    def live(self, params: Params, code: Array) -> Params:
        """Whether the genotype uses each parameter: bools, [8] where it is a stack over slots."""
        genes = self._genes_of_cells(code)

        def used(path: tuple[Any, ...], _: Any) -> Any:
            place = _place(path)
            return True if place is None else _used(place.op, *genes[place.cell])

        return jax.tree_util.tree_map_with_path(used, params)

    def initial(self, device: jax.Device) -> Draw:
        """Draws the parameters that a genotype uses, each tensor of a stack by itself.

        Tensor `slot` of leaf i draws from the stream (seed, stream, i, slot), a leaf that is no
        stack from (seed, stream, i).
        """
        network = self.network
        image = jax.ShapeDtypeStruct((1, self.image_size, self.image_size, 3), network.dtype)
        code = jax.ShapeDtypeStruct((2 * 2 * SLOTS,), jnp.int32)
        shapes = jax.eval_shape(network.init, jax.eval_shape(jax.random.key, 0), image, code)
        leaves, tree = jax.tree_util.tree_flatten_with_path(shapes)
        (features,) = {leaf.shape[0] for path, leaf in leaves if path[1:] == _CLASSIFIER_KERNEL}

        def one(name: str, shape: tuple[int, ...], *numbers: int) -> NDArray[Any]:
            dtype = np.dtype(network.dtype)
            if name.startswith(("scale", "shift")):
                return np.full(shape, name.startswith("scale"), dtype)
            random, scheme = generator(*numbers), network.init_scheme
            if name == "bias":
                return draw(random, scheme, "bias", shape, features, dtype)
            return draw_kernel(random, scheme, name, shape, dtype)

        def drawn(seed: int, stream: int, code: NDArray[Any]) -> Params:
            genes = self._genes_of_cells(code)
            tensors = []
            for i, (path, leaf) in enumerate(leaves):
                name, place = path[-1].key, _place(path)
                if place is None:
                    tensors.append(one(name, leaf.shape, seed, stream, i))
                    continue
                stack = np.zeros(leaf.shape, leaf.dtype)
                for slot in np.flatnonzero(_used(place.op, *genes[place.cell])).tolist():
                    stack[slot] = one(name, leaf.shape[1:], seed, stream, i, slot)
                tensors.append(stack)
            return jax.device_put(jax.tree.unflatten(tree, tensors), device)

        return drawn

    def _genes_of_cells(self, code: Any) -> dict[str, tuple[Any, Any]]:
        """`Op` and source of each slot, int [8] each, by the cell's name."""
        normal, reduce = genes_of(code)
        shapes = cell_shapes(self.network.channels, self.network.depth)
        return {f"cell{i}": reduce if shape.reduction else normal for i, shape in enumerate(shapes)}


def _used(op: Op, ops: Any, sources: Any) -> Any:
    """Slots that use the parameters of an operation, bool [8]."""
    # Only with stride 2, from a cell's input, has the skip any.
    return (ops == op) & (sources < NODES[0]) if op == Op.SKIP_CONNECT else ops == op


class _Place(NamedTuple):
    """Where the parameters of an operation are."""

    cell: str
    op: Op


def _place(path: tuple[Any, ...]) -> _Place | None:
    """The place of a parameter that is a stack over slots; None of another."""
    cell, name = path[1].key, path[2].key
    return _Place(cell, Op(OPS.index(name))) if name in OPS else None


_CLASSIFIER_KERNEL = tuple(jax.tree_util.DictKey(key) for key in ("classifier", "kernel"))
