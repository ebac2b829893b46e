"""Which architectures a user means, on the command line and in Python.

A SPEC is "all", "START:STOP", "random:N", "@FILE", an architecture in its space's notation, the
name of a published one, or indices or archs separated by commas.

What may be read in two ways is refused. Six numbers 0 to 4 are cells of NAS-Bench-201 by index to
this library, and one cell by its operations to NASLib: as indices some of them come twice, which
says nothing, so whoever means them can leave the repetitions out; one cell is marked "naslib:".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxnas.checks import (
    quoted,
    ranges,
    read_bytes,
    same_word,
    shortened,
    unknown,
    user_path,
)
from jaxnas.checks.kinds import Whole
from jaxnas.spaces.notation import bare, decoded
from jaxnas.spaces.space import Space

Selection = str | int | Iterable[str | int]
"""A SPEC, an index, or a sequence of indices, archs and SPECs."""

_INTEGER = re.compile(r"-?[0-9]+")
_SEEDS = Whole()

# Of a file with an architecture a line; the whole of NAS-Bench-201 takes 2 MB.
_LARGEST_FILE = 64_000_000


def select(cells: Selection, space: str | Space, seed: int = 0) -> tuple[str, ...]:
    """The archs that a selection names, without repetitions, in its order.

    Args:
        cells: a SPEC, see the module; or an index, or a sequence of indices and SPECs.
        space: whose architectures they are, or its name.
        seed: by which "random:N" draws.

    Returns:
        Archs, at least one.

    Raises:
        ValueError: the selection names no architecture of the space, or may be read in two ways;
            the sentence says what is wrong and where.
        OSError: a file cannot be read.
    """
    from jaxnas.spaces import find

    space = find(space)
    if isinstance(cells, str):
        return _from_spec(bare(cells), space, seed)
    several = _listed(cells, space)
    if not several:
        raise ValueError("cells: expected at least one, got none")
    _refuse_a_code(several, space)
    found: dict[str, None] = {}
    for cell in several:
        if isinstance(cell, str):
            found |= dict.fromkeys(_from_spec(bare(cell), space, seed))
        elif isinstance(cell, int | np.integer) and not isinstance(cell, bool):
            found[space.arch(int(cell))] = None
        else:
            raise ValueError(
                f"cells: expected indices and {space.notation}, got {quoted(cell)}; write each as "
                f"text or as a whole number{_as_code(cell, space)}"
            )
    return tuple(found)


def select_seeds(text: str) -> tuple[int, ...]:
    """Seeds separated by commas, without repetitions, in their order.

    Raises:
        ValueError: one is not a whole number from 0 to 2^63 - 1.
    """
    seeds = []
    for item in text.split(","):
        try:
            seeds.append(_SEEDS.parse("seeds", item))
        except ValueError as error:
            raise ValueError(
                f"seeds {quoted(text)}: expected whole numbers from 0 up, separated by commas, "
                f"got {quoted(item.strip())}"
            ) from error
    return tuple(dict.fromkeys(seeds))


def _listed(cells: Any, space: Space) -> list[Any]:
    """The items of a selection that is no text."""
    if isinstance(cells, bytes | dict) or not isinstance(cells, Iterable):
        return [cells]
    if isinstance(cells, np.ndarray) and not cells.ndim:
        return [cells[()]]
    items = []
    for item in cells:
        items.append(item)
        if len(items) > ranges.MOST:
            raise ValueError(
                f"cells: expected at most {ranges.MOST:,} of {space.title}, got more; score them "
                "in parts"
            )
    return items


def _as_code(item: Any, space: Space) -> str:
    """How to write a sequence of numbers as one architecture; empty where it cannot be one."""
    if not space.coded or not isinstance(item, Sequence) or len(item) != len(space.choices):
        return ""
    return f", NASLib's six numbers as {space.coded}{','.join(map(str, item))}"


def _refuse_a_code(items: Sequence[Any], space: Space) -> None:
    """Raises ValueError if indices may as well be the numbers of one architecture.

    There are fewer values than entries, so that as indices some of them come twice.
    """
    if not space.coded or len(items) != len(space.choices):
        return
    numbers = [_small(item) for item in items]
    if any(n is None or n >= most for n, most in zip(numbers, space.choices, strict=True)):
        return
    written, once = (",".join(map(str, some)) for some in (numbers, dict.fromkeys(numbers)))
    raise ValueError(
        f"cells {written}: expected numbers that can be read in one way, got indices or the "
        f"operations of one architecture; write {once} for those with these indices, "
        f"{space.coded}{written} for the one that NASLib writes so"
    )


def _small(item: Any) -> int | None:
    """A number of one digit, as a number or as text; None for anything else."""
    if isinstance(item, int | np.integer) and not isinstance(item, bool):
        return int(item) if 0 <= item < 10 else None
    if isinstance(item, str) and re.fullmatch(r"[0-9]", bare(item)):
        return int(bare(item))
    return None


def _from_spec(spec: str, space: Space, seed: int) -> tuple[str, ...]:
    if spec == "all":
        if space.size > ranges.MOST:
            raise ValueError(
                f"cells all: expected a space that can be enumerated, but {space.title} has "
                f"{space.size:.2g} architectures; ask for random:N or @FILE"
            )
        return tuple(map(space.arch, range(space.size)))
    if spec.startswith("@"):
        return _from_file(user_path("cells @FILE", spec[1:]), space)
    if spec.startswith("random:"):
        return space.draw(_number(spec.removeprefix("random:"), spec, space), seed)
    coded = space.coded and spec.startswith(space.coded)
    if coded or any(mark in spec for mark in "({["):
        return (_one(spec, space),)
    if re.fullmatch(r"[^:|]*:[^:|]*", spec):
        return _from_range(spec, space)
    items = [bare(item) for item in spec.split(",")]
    _refuse_a_code(items, space)
    return tuple(dict.fromkeys(_one(item, space) for item in items))


def _from_range(spec: str, space: Space) -> tuple[str, ...]:
    if not space.indexed:
        raise ValueError(
            f"cells {shortened(spec)}: expected {space.notation}, as {space.title} has no indices; "
            "random:N and @FILE will also do"
        )
    start, stop = (_number(end, spec, space) for end in spec.split(":", 1))
    if not 0 <= start < stop <= space.size:
        raise ValueError(
            f"cells {shortened(spec)}: expected 0 <= START < STOP <= {space.size} (STOP is not "
            "included)"
        )
    return tuple(map(space.arch, range(start, stop)))


def _from_file(path: Path, space: Space) -> tuple[str, ...]:
    try:
        content = decoded(read_bytes(path, "a list of architectures", _LARGEST_FILE))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected lines of text, got other bytes ({error})") from error
    # One architecture over several lines, such as a search's JSON or a genotype as printed.
    if content.lstrip().startswith("{") or _is_one_genotype(content):
        uncommented = "\n".join(line.split("#", 1)[0] for line in content.splitlines())
        try:
            return (_one(bare(_found_in(uncommented)), space),)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    found: dict[str, None] = {}
    for number, line in enumerate(content.splitlines(), 1):
        item = bare(line.split("#", 1)[0])
        if not item:
            continue
        try:
            found[_one(item, space)] = None
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not found:
        raise ValueError(f"{path}: expected one architecture a line, got none")
    return tuple(found)


def _is_one_genotype(content: str) -> bool:
    """Whether a file has one genotype, and that goes over several lines."""
    lines = [line for line in content.splitlines() if "Genotype(" in line]
    return len(lines) == 1 and lines[0].count("(") > lines[0].count(")")


def _found_in(content: str) -> str:
    """What the file of a search on a supernet says was found, or the content of another file."""
    try:
        found = json.loads(content)["architecture"]
    except (ValueError, KeyError, RecursionError):
        return content
    return found if isinstance(found, str) else content


def _one(item: str, space: Space) -> str:
    """The arch of one architecture, given as its index, in its notation, or by its name."""
    if _INTEGER.fullmatch(item):
        return space.arch(_number(item, item, space))
    name = same_word(item, space.published)
    if name is not None:
        return space.published[name]
    if any(mark in item for mark in "|~+({[") or (space.coded and item.startswith(space.coded)):
        try:
            return space.parse(item)
        except ValueError:
            _refuse_of_another(item, space)
            raise
    if space.published:
        raise ValueError(unknown("published architecture", item, space.published))
    raise ValueError(
        f"cells {quoted(item)}: expected all, START:STOP, random:N, @FILE, comma-separated "
        f"indices, or {space.notation}"
    )


def _refuse_of_another(item: str, space: Space) -> None:
    """Raises ValueError if a text is an architecture of another space."""
    from jaxnas.spaces import SPACES

    for other in SPACES.values():
        try:
            other.parse(item)
        except ValueError:
            continue
        if other.name != space.name:
            raise ValueError(
                f"cells: expected architectures of {space.title}, got one of {other.title}; "
                f"choose the space {other.name}"
            )


def _number(text: str, spec: str, space: Space) -> int:
    written = text.strip()
    if not _INTEGER.fullmatch(written):
        raise ValueError(
            f"cells {shortened(spec)}: expected a whole number, got {quoted(text)}; cells are all, "
            f"START:STOP, random:N, @FILE, or {space.notation}"
        )
    if len(written) > len(str(ranges.MOST)) + 1:
        raise ValueError(
            f"cells {shortened(spec)}: expected a number of at most {ranges.MOST:,}, got one of "
            f"{len(written):,} digits"
        )
    return int(written)
