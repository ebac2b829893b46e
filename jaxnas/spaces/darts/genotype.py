"""The DARTS space: operations, edges, genotypes and their notations.

A network stacks cells of two kinds, normal and reduction. A cell has two inputs (nodes 0 and 1, the
outputs of the two cells before it) and four nodes (2 to 5), each the sum of its incoming edges; its
output is the concatenation of nodes. In the supernet every node has an edge from every node before
it, 14 in all; a genotype keeps two a node (SNAS: all of them).

Source: Liu, Simonyan & Yang, "DARTS: Differentiable Architecture Search", ICLR 2019, section 2.1.
"""

import ast
import difflib
import enum
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from jaxnas.checks import quoted, shortened
from jaxnas.spaces.notation import bare, python_of


class Op(enum.IntEnum):
    """What an edge does; the value is the operation's column in every matrix of weights."""

    NONE = 0
    MAX_POOL_3X3 = 1
    AVG_POOL_3X3 = 2
    SKIP_CONNECT = 3
    SEP_CONV_3X3 = 4
    SEP_CONV_5X5 = 5
    DIL_CONV_3X3 = 6
    DIL_CONV_5X5 = 7


OPS = tuple(op.name.lower() for op in Op)
"""DARTS' name of each `Op`, by its code."""

NODES = (2, 3, 4, 5)
"""The nodes of a cell that are computed; 0 and 1 are its inputs."""

EDGES = tuple((source, target) for target in NODES for source in range(target))
"""(source node, target node) of the supernet's 14 edges, in the order of the rows of weights."""

_FIELDS = ("normal", "normal_concat", "reduce", "reduce_concat")
_UNUSED = ("connectN", "connects")

# What stands before a genotype in a file of genotypes or a log: a name, a module, a date.
_BEFORE = re.compile(r"^[\w\s.,:;/=\[\]-]*\bGenotype(?=\()")

Gene = tuple[str, int]
"""An edge of a genotype: the operation's name and the source node."""


@dataclass(frozen=True)
class Genotype:
    """An architecture of the DARTS space; `str` gives DARTS' notation.

    Attributes:
        normal: edges of the normal cell, (operation, source node): 8, two for each node in turn, or
            14, one for each of `EDGES`.
        normal_concat: nodes whose concatenation is the normal cell's output.
        reduce: as `normal`, of the reduction cell.
        reduce_concat: as `normal_concat`, of the reduction cell.

    Raises:
        ValueError: if it is not an architecture of the space; the message says where and why.
    """

    normal: tuple[Gene, ...]
    normal_concat: tuple[int, ...]
    reduce: tuple[Gene, ...]
    reduce_concat: tuple[int, ...]

    def __post_init__(self) -> None:
        for kind in ("normal", "reduce"):
            object.__setattr__(self, kind, _checked_genes(kind, getattr(self, kind)))
            concat = f"{kind}_concat"
            object.__setattr__(self, concat, _checked_concat(concat, getattr(self, concat)))

    def __str__(self) -> str:
        fields = ("normal", "normal_concat", "reduce", "reduce_concat")
        return f"Genotype({', '.join(f'{name}={list(getattr(self, name))}' for name in fields)})"


def edges_of(genes: Sequence[Gene]) -> tuple[tuple[Op, int, int], ...]:
    """(operation, source node, target node) of each edge of a genotype's cell."""
    return tuple(
        (Op(OPS.index(name)), source, target)
        for (name, source), target in zip(genes, _targets(len(genes)), strict=True)
    )


def _targets(count: int) -> list[int]:
    """Target node of each of so many edges of a cell."""
    if count == len(EDGES):
        return [target for _, target in EDGES]
    return [node for node in NODES for _ in range(2)]


def _checked_genes(kind: str, genes: Any) -> tuple[Gene, ...]:
    pairs = tuple(genes) if isinstance(genes, Sequence) and not isinstance(genes, str) else genes
    if not isinstance(pairs, tuple) or len(pairs) not in (2 * len(NODES), len(EDGES)):
        came = f"{len(pairs)} edges" if isinstance(pairs, tuple) else quoted(genes, 60)
        raise ValueError(
            f"Genotype, {kind}: expected {2 * len(NODES)} edges, two for each of {len(NODES)} "
            f"nodes, or all {len(EDGES)}, got {came}."
        )
    whole = len(pairs) == len(EDGES)
    targets = _targets(len(pairs))
    checked = [
        _checked_gene(f"Genotype, {kind}, edge {i}", gene, target, none_allowed=whole)
        for i, (gene, target) in enumerate(zip(pairs, targets, strict=True))
    ]
    if whole:
        for i, ((_, source), edge) in enumerate(zip(checked, EDGES, strict=True)):
            if source != edge[0]:
                raise ValueError(
                    f"Genotype, {kind}, edge {i}: with all {len(EDGES)} edges they come in order, "
                    f"this one from node {edge[0]} to node {edge[1]}, got source {source}."
                )
    return tuple(checked)


def _checked_gene(where: str, gene: Any, target: int, *, none_allowed: bool) -> Gene:
    if not isinstance(gene, Sequence) or isinstance(gene, str) or len(gene) != 2:
        raise ValueError(f"{where}: expected (operation, source node), got {quoted(gene, 60)}.")
    name, source = gene
    if name not in OPS:
        near = difflib.get_close_matches(str(name), OPS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"{where}: expected one of {', '.join(OPS)}, got {quoted(name, 60)}{hint}."
        )
    if name == OPS[Op.NONE] and not none_allowed:
        raise ValueError(f"{where}: 'none' is no edge to keep; choose another operation.")
    if type(source) is not int or not 0 <= source < target:
        raise ValueError(
            f"{where}: node {target} takes its input from a node 0..{target - 1}, "
            f"got {quoted(source, 60)}."
        )
    return name, source


def _checked_concat(where: str, concat: Any) -> tuple[int, ...]:
    nodes = tuple(concat) if isinstance(concat, Sequence) and not isinstance(concat, str) else ()
    known = all(type(node) is int and node in NODES for node in nodes)
    if not nodes or not known or len(set(nodes)) != len(nodes):
        raise ValueError(
            f"Genotype, {where}: expected different nodes of {list(NODES)}, "
            f"got {quoted(concat, 60)}."
        )
    return nodes


def parse_genotype(text: str) -> Genotype:
    """Reads a genotype in the notations in use.

    - DARTS': ``Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...)``, by
      itself or assigned to a name, as in files of genotypes, with the name of its module before it
      or what a log has, with the fields by name or in their order, and with AutoDL-Projects'
      ``connectN=None, connects=None``;
    - a dict of the same fields, as GDAS' logs have it, whose edges are grouped by node and may
      carry their weight: ``{'normal': [(('skip_connect', 0, 0.2), ...), ...], ...}``;
    - JSON: an object of the same fields, or one whose "genotype" is any of these, in a string
      where it is no JSON.

    Nothing in the text is executed.

    Raises:
        ValueError: if the text is no genotype, or one outside the space.
    """
    try:
        fields = _fields(bare(text))
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"Genotype: expected Genotype(normal=[(operation, source), ...], normal_concat=[...], "
            f"reduce=[...], reduce_concat=[...]) or JSON of these fields, got {_shortened(text)!r}."
        ) from error
    # AutoDL-Projects' namedtuple has two more, which say nothing where they are None.
    fields = {
        name: value for name, value in fields.items() if value is not None or name not in _UNUSED
    }
    if set(fields) != set(_FIELDS):
        came = _shortened(", ".join(map(repr, fields)), 100) or "none"
        raise ValueError(f"Genotype: expected the fields {', '.join(_FIELDS)}, got {came}.")
    return Genotype(
        normal=_flat(fields["normal"]),
        normal_concat=fields["normal_concat"],
        reduce=_flat(fields["reduce"]),
        reduce_concat=fields["reduce_concat"],
    )


def _fields(text: str) -> dict[Any, Any]:
    """The fields of a genotype in JSON or in Python."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return _python_fields(text)
    if isinstance(value, dict) and "genotype" in value:
        value = value["genotype"]
    if isinstance(value, str):
        return _python_fields(value)
    if not isinstance(value, dict):
        raise ValueError("neither an object nor a string")
    return value


def _python_fields(text: str) -> dict[Any, Any]:
    """The fields of a call of `Genotype` or of a dict display."""
    match python_of(_BEFORE.sub("Genotype", text.strip(), count=1)):
        case [ast.Expr(value=node)]:
            return _fields_of(node)
    raise ValueError("not one expression")


def _fields_of(node: ast.expr) -> dict[Any, Any]:
    match node:
        case ast.Call(func=ast.Name(id="Genotype"), args=args, keywords=keywords):
            in_order = zip(_FIELDS + _UNUSED, args, strict=False)
            given = [*in_order, *((keyword.arg, keyword.value) for keyword in keywords)]
            if len(args) > len(_FIELDS + _UNUSED) or len(dict(given)) < len(given):
                raise ValueError("a field too many, or one twice")
            return {name: _value(value) for name, value in given}
        case ast.Dict(keys=keys, values=values):
            return {
                ast.literal_eval(key): _value(value)
                for key, value in zip(keys, values, strict=True)
                if key is not None
            }
    raise ValueError("neither a call of Genotype nor a dict")


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Call(func=ast.Name(id="range"), args=[_, _] | [_, _, _] as args, keywords=[]):
            bounds = map(ast.literal_eval, args)
            # Bounded here, so that a misprint does not fill the memory.
            return tuple(itertools.islice(range(*bounds), len(NODES) + 1))
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner], keywords=[]):
            return _value(inner)
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id="np" | "numpy"), attr="int64" | "int32"),
            args=[inner],
            keywords=[],
        ):
            return ast.literal_eval(inner)
        case ast.List(elts=inner) | ast.Tuple(elts=inner):
            return tuple(map(_value, inner))
    return ast.literal_eval(node)


def _flat(genes: Any) -> Any:
    """Edges grouped by node, with or without weights, as one list of pairs; others unchanged."""
    if not isinstance(genes, Sequence) or isinstance(genes, str):
        return genes
    grouped = [
        isinstance(node, Sequence) and bool(node) and all(_is_gene(gene) for gene in node)
        for node in genes
    ]
    if not genes or not all(grouped):
        return genes
    return tuple(tuple(gene[:2]) for node in genes for gene in node)


def _is_gene(value: Any) -> bool:
    return (
        isinstance(value, Sequence)
        and not isinstance(value, str)
        and len(value) in (2, 3)
        and isinstance(value[0], str)
    )


def _shortened(text: str, length: int = 60) -> str:
    return shortened(text, length)
