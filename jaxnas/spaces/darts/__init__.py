"""The DARTS space: genotypes and their notations, discretisation, parameter and FLOP counts."""

from jaxnas.spaces.darts.counts import (
    KERNEL_SIZE,
    STEM_MULTIPLIER,
    TWICE,
    CellShape,
    Count,
    cell_shapes,
    check_network,
    count,
)
from jaxnas.spaces.darts.discretising import Rule, discretise, every_edge, top_edges, top_pairs
from jaxnas.spaces.darts.genotype import (
    EDGES,
    NODES,
    OPS,
    Gene,
    Genotype,
    Op,
    edges_of,
    parse_genotype,
)
from jaxnas.spaces.darts.published import (
    DARTS_V1,
    DARTS_V2,
    P_DARTS,
    PC_DARTS,
    PR_DARTS,
    PUBLISHED,
    published_genotype,
)

__all__ = [
    "DARTS_V1",
    "DARTS_V2",
    "EDGES",
    "KERNEL_SIZE",
    "NODES",
    "OPS",
    "PC_DARTS",
    "PR_DARTS",
    "PUBLISHED",
    "P_DARTS",
    "STEM_MULTIPLIER",
    "TWICE",
    "CellShape",
    "Count",
    "Gene",
    "Genotype",
    "Op",
    "Rule",
    "cell_shapes",
    "check_network",
    "count",
    "discretise",
    "edges_of",
    "every_edge",
    "parse_genotype",
    "published_genotype",
    "top_edges",
    "top_pairs",
]
