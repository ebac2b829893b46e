"""The plain network of a genotype beside the one network of all genotypes."""

from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict

from jaxnas.spaces import Sizes
from jaxnas.spaces.darts import OPS, Genotype, Op, cell_shapes, edges_of


def places(genotype: Genotype, sizes: Sizes) -> dict[tuple[str, ...], tuple[tuple[str, ...], int]]:
    """Of each parameter of an edge of the plain network its path and slot in the other."""
    found = {}
    for i, shape in enumerate(cell_shapes(*sizes)):
        genes = genotype.reduce if shape.reduction else genotype.normal
        for slot, (op, source, _) in enumerate(edges_of(genes)):
            edge, stack = ("params", f"cell{i}", f"edge{slot}"), ("params", f"cell{i}", OPS[op])
            if op == Op.SKIP_CONNECT and shape.reduction and source < 2:
                names = {("reduce", half): half for half in ("even", "odd")}
                names |= {("reduce", "bn", of): f"{of}0" for of in ("scale", "shift")}
            else:
                times = {"sep": 2, "dil": 1}.get(OPS[op][:3], 0)
                names = {
                    (f"{kind}{i}",): f"{kind}{i}"
                    for i in range(times)
                    for kind in ("depthwise", "pointwise")
                }
                names |= {
                    (f"bn{i}", of): f"{of}{i}" for i in range(times) for of in ("scale", "shift")
                }
            found |= {edge + own: ((*stack, name), slot) for own, name in names.items()}
    return found


def plain_params(genotype: Genotype, sizes: Sizes, params: Any) -> Any:
    """The parameters of the plain network among those of the network of all."""
    flat = flatten_dict(params)
    outside = {path: leaf for path, leaf in flat.items() if path[2] not in OPS}
    stacked = {path: flat[of][slot] for path, (of, slot) in places(genotype, sizes).items()}
    return unflatten_dict(outside | stacked)
