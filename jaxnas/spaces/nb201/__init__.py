"""NAS-Bench-201: codec, functionally equal cells, parameter and FLOP counts."""

from jaxnas.spaces.nb201.cells import (
    EDGES,
    NUM_CELLS,
    OPS,
    Op,
    arch_to_index,
    arch_to_ops,
    cell_ops,
    index_to_arch,
    index_to_ops,
    naslib_to_ops,
    ops_to_arch,
    ops_to_index,
)
from jaxnas.spaces.nb201.counts import num_flops, num_params
from jaxnas.spaces.nb201.functions import is_connected, live_ops, matching, representatives

__all__ = [
    "EDGES",
    "NUM_CELLS",
    "OPS",
    "Op",
    "arch_to_index",
    "arch_to_ops",
    "cell_ops",
    "index_to_arch",
    "index_to_ops",
    "is_connected",
    "live_ops",
    "matching",
    "naslib_to_ops",
    "num_flops",
    "num_params",
    "ops_to_arch",
    "ops_to_index",
    "representatives",
]
