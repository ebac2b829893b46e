"""Which architectures a user means, on the command line and in Python.

A SPEC is "all", "START:STOP", "random:N", "@FILE", an architecture in its space's notation, the
name of a published one, or indices or archs separated by commas.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jaxnas.checks import unknown
from jaxnas.spaces.space import Space

Selection = str | int | Iterable[str | int]
"""A SPEC, an index, or a sequence of indices, archs and SPECs."""

_INTEGER = re.compile(r"-?[0-9]+")
_MOST = 10_000_000
_LARGEST_SEED = 2**63 - 1


def select(cells: Selection, space: Space, seed: int = 0) -> tuple[str, ...]:
    """The archs that a selection names, without repetitions, in its order.

    Args:
        cells: a SPEC, see the module; or an index, or a sequence of indices and SPECs.
        space: whose architectures they are.
        seed: by which "random:N" draws.

    Returns:
        Archs, at least one.

    Raises:
        ValueError: the selection names no architecture of the space; the sentence says what is
            wrong and where.
        OSError: a file cannot be read.
    """
    if isinstance(cells, str):
        return _from_spec(cells.strip(), space, seed)
    several = [cells] if isinstance(cells, int | np.integer) else list(cells)
    if not several:
        raise ValueError("cells: expected at least one, got none")
    found: dict[str, None] = {}
    for cell in several:
        if isinstance(cell, str):
            found |= dict.fromkeys(_from_spec(cell.strip(), space, seed))
        elif isinstance(cell, int | np.integer) and not isinstance(cell, bool):
            found[space.arch(int(cell))] = None
        else:
            raise ValueError(
                f"cells: expected indices and {space.notation}, got {cell!r}; write each as text "
                "or as a whole number"
            )
    return tuple(found)


def select_seeds(text: str) -> tuple[int, ...]:
    """Seeds separated by commas, without repetitions, in their order.

    Raises:
        ValueError: one is not a whole number from 0 to 2^63 - 1.
    """
    seeds = []
    for item in text.split(","):
        if not _INTEGER.fullmatch(item.strip()) or not 0 <= int(item) <= _LARGEST_SEED:
            raise ValueError(
                f"seeds {text!r}: expected whole numbers from 0 up, separated by commas, "
                f"got {item.strip()!r}"
            )
        seeds.append(int(item))
    return tuple(dict.fromkeys(seeds))


def _from_spec(spec: str, space: Space, seed: int) -> tuple[str, ...]:
    if spec == "all":
        if space.size > _MOST:
            raise ValueError(
                f"cells all: expected a space that can be enumerated, but {space.title} has "
                f"{space.size:.2g} architectures; ask for random:N or @FILE"
            )
        return tuple(map(space.arch, range(space.size)))
    if spec.startswith("@"):
        return _from_file(Path(spec[1:]).expanduser(), space)
    if spec.startswith("random:"):
        return space.draw(_number(spec.removeprefix("random:"), spec, space), seed)
    if re.fullmatch(r"[^:()|{]*:[^:()|{]*", spec):
        return _from_range(spec, space)
    if any(mark in spec for mark in "({["):
        return (_one(spec, space),)
    return tuple(dict.fromkeys(_one(item.strip(), space) for item in spec.split(",")))


def _from_range(spec: str, space: Space) -> tuple[str, ...]:
    if not space.indexed:
        raise ValueError(
            f"cells {spec}: expected {space.notation}, as {space.title} has no indices; "
            "random:N and @FILE will also do"
        )
    start, stop = (_number(end, spec, space) for end in spec.split(":", 1))
    if not 0 <= start < stop <= space.size:
        raise ValueError(
            f"cells {spec}: expected 0 <= START < STOP <= {space.size} (STOP is not included)"
        )
    return tuple(map(space.arch, range(start, stop)))


def _from_file(path: Path, space: Space) -> tuple[str, ...]:
    try:
        content = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected lines of text, got other bytes ({error})") from error
    if content.lstrip().startswith("{"):  # one architecture as JSON, such as a search's
        try:
            return (_one(_found_in(content).strip(), space),)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    found: dict[str, None] = {}
    for number, line in enumerate(content.splitlines(), 1):
        item = line.split("#", 1)[0].strip()
        if not item:
            continue
        try:
            found[_one(item, space)] = None
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not found:
        raise ValueError(f"{path}: expected one architecture a line, got none")
    return tuple(found)


def _found_in(content: str) -> str:
    """What the file of a search on a supernet says was found, or the content of another file."""
    try:
        found = json.loads(content)["architecture"]
    except (json.JSONDecodeError, KeyError):
        return content
    return found if isinstance(found, str) else content


def _one(item: str, space: Space) -> str:
    """The arch of one architecture, given as its index, in its notation, or by its name."""
    if _INTEGER.fullmatch(item):
        return space.arch(int(item))
    if item in space.published:
        return space.published[item]
    if any(mark in item for mark in "|~+({["):
        try:
            return space.parse(item)
        except ValueError:
            _refuse_of_another(item, space)
            raise
    if space.published:
        raise ValueError(unknown("published architecture", item, space.published))
    raise ValueError(
        f"cells {item!r}: expected all, START:STOP, random:N, @FILE, comma-separated indices, or "
        f"{space.notation}"
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
    if not _INTEGER.fullmatch(text):
        raise ValueError(
            f"cells {spec}: expected a whole number, got {text!r}; cells are all, START:STOP, "
            f"random:N, @FILE, or {space.notation}"
        )
    return int(text)
