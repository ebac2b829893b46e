"""Genotypes published for CIFAR-10, each as its authors' code states it."""

from types import MappingProxyType

from jaxnas.checks import nearest, quoted, same_word
from jaxnas.spaces.darts.genotype import Genotype, parse_genotype

DARTS_V1 = parse_genotype(
    "Genotype(normal=[('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('skip_connect', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 0), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('avg_pool_3x3', 0)], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""First-order DARTS: Liu, Simonyan & Yang, ICLR 2019."""

DARTS_V2 = parse_genotype(
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), "
    "('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], reduce=[('max_pool_3x3', 0), "
    "('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""Second-order DARTS: Liu, Simonyan & Yang, ICLR 2019."""

P_DARTS = parse_genotype(
    "Genotype(normal=[('skip_connect', 0), ('dil_conv_3x3', 1), ('skip_connect', 0), "
    "('sep_conv_3x3', 1), ('sep_conv_3x3', 1), ('sep_conv_3x3', 3), ('sep_conv_3x3', 0), "
    "('dil_conv_5x5', 4)], normal_concat=[2, 3, 4, 5], reduce=[('avg_pool_3x3', 0), "
    "('sep_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), ('max_pool_3x3', 0), "
    "('dil_conv_3x3', 1), ('dil_conv_3x3', 1), ('dil_conv_5x5', 3)], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""Chen, Xie, Wu & Tian, "Progressive Differentiable Architecture Search", ICCV 2019."""

PC_DARTS = parse_genotype(
    "Genotype(normal=[('sep_conv_3x3', 1), ('skip_connect', 0), ('sep_conv_3x3', 0), "
    "('dil_conv_3x3', 1), ('sep_conv_5x5', 0), ('sep_conv_3x3', 1), ('avg_pool_3x3', 0), "
    "('dil_conv_3x3', 1)], normal_concat=[2, 3, 4, 5], reduce=[('sep_conv_5x5', 1), "
    "('max_pool_3x3', 0), ('sep_conv_5x5', 1), ('sep_conv_5x5', 2), ('sep_conv_3x3', 0), "
    "('sep_conv_3x3', 3), ('sep_conv_3x3', 1), ('sep_conv_3x3', 2)], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""Xu et al., "PC-DARTS: Partial Channel Connections", ICLR 2020; its CIFAR-10 cell."""

PR_DARTS = parse_genotype(
    "Genotype(normal=[('skip_connect', 0), ('sep_conv_3x3', 1), ('dil_conv_3x3', 2), "
    "('sep_conv_3x3', 0), ('dil_conv_3x3', 3), ('sep_conv_3x3', 1), ('dil_conv_3x3', 4), "
    "('dil_conv_3x3', 1)], normal_concat=[2, 3, 4, 5], reduce=[('avg_pool_3x3', 0), "
    "('dil_conv_5x5', 1), ('sep_conv_3x3', 0), ('dil_conv_5x5', 2), ('sep_conv_5x5', 1), "
    "('dil_conv_3x3', 3), ('dil_conv_5x5', 4), ('dil_conv_5x5', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""Zhou et al., "Theory-Inspired Path-Regularized DARTS", NeurIPS 2020."""

PUBLISHED = MappingProxyType(
    {
        "darts-v1": DARTS_V1,
        "darts-v2": DARTS_V2,
        "p-darts": P_DARTS,
        "pc-darts": PC_DARTS,
        "pr-darts": PR_DARTS,
    }
)
"""The genotypes above by name."""


def published_genotype(name: str) -> Genotype:
    """A genotype above by its name; case, and - or _, do not matter.

    Raises:
        ValueError: there is none of this name.
    """
    key = same_word(name, PUBLISHED)
    if key is None:
        near = nearest(str(name), PUBLISHED)
        hint = f" ({near})" if near else ""
        known = ", ".join(PUBLISHED)
        raise ValueError(f"Published genotype: expected one of {known}, got {quoted(name)}{hint}.")
    return PUBLISHED[key]
