"""What the user asks for, as text: cells, genotypes, proxies, seeds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from jaxnas.spaces import darts, nb201
from jaxnas.spaces.darts import Genotype

_FORMS = "all, START:STOP, random:N, an arch string, comma-separated indices, or @FILE"
_INTEGER = re.compile(r"-?[0-9]+")
_LARGEST_SEED = 2**63 - 1


def parse_cells(spec: str, seed: int) -> tuple[int, ...]:
    """Official indices of the cells that a SPEC names, without repetitions, as it orders them.

    Args:
        spec: `all`; `START:STOP`, half-open; `random:N`, see `draw`; arch strings or indices
            separated by commas; or `@FILE` with one index or arch string a line, where blank
            lines and what follows a # are left out.
        seed: the run's first seed, by which `random:N` draws.

    Raises:
        ValueError: the SPEC names no cells; the sentence says what is wrong and where.
        OSError: the file cannot be read.
    """
    spec = spec.strip()
    if spec == "all":
        return tuple(range(nb201.NUM_CELLS))
    if spec.startswith("@"):
        return _from_file(Path(spec[1:]).expanduser())
    if spec.startswith("random:"):
        return draw(_number(spec.removeprefix("random:"), spec), seed)
    if ":" in spec:
        return _from_range(spec)
    return tuple(dict.fromkeys(_cell(item.strip()) for item in spec.split(",")))


def draw(count: int, seed: int) -> tuple[int, ...]:
    """Cells drawn without replacement.

    Cell i has the i-th raw 64-bit output of PCG64(seed) as its key, and those with the lowest keys
    are drawn, lowest first; numpy promises to keep that stream (NEP 19). So the cells are the same
    with every release of numpy, and the smaller draw of a seed is the beginning of the larger.

    Raises:
        ValueError: there are not that many cells, or the seed is negative.
    """
    if not 1 <= count <= nb201.NUM_CELLS:
        raise ValueError(f"cells random:{count}: expected 1 to {nb201.NUM_CELLS} cells")
    keys = np.random.PCG64(seed).random_raw(nb201.NUM_CELLS)
    return tuple(np.argsort(keys, kind="stable")[:count].tolist())


def parse_genotype(text: str) -> Genotype:
    """A genotype given by a published one's name, in any notation, or as @FILE that has one.

    Raises:
        ValueError: it is none of these; the sentence says what is wrong and where.
        OSError: the file cannot be read.
    """
    text = text.strip()
    if text.startswith("@"):
        path = Path(text[1:]).expanduser()
        content = _read_text(path)
        try:
            return darts.parse_genotype(content)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    if any(mark in text for mark in "({["):
        return darts.parse_genotype(text)
    try:
        return darts.published_genotype(text)
    except ValueError as error:
        raise ValueError(f"{error} A genotype itself and @FILE will also do.") from error


def parse_architecture(text: str) -> int | Genotype:
    """A cell of NAS-Bench-201, by its index or arch string, or a genotype of the DARTS space.

    Raises:
        ValueError: it is neither.
        OSError: a file cannot be read.
    """
    text = text.strip()
    if _INTEGER.fullmatch(text) or text.startswith("|"):
        return _cell(text)
    return parse_genotype(text)


def parse_proxies(text: str) -> tuple[str, ...]:
    """Names separated by commas; whether there are such proxies is the engine's to say.

    Raises:
        ValueError: there is an empty name.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise ValueError(f"proxies {text!r}: expected names separated by commas, or all")
    return names


def parse_seeds(text: str) -> tuple[int, ...]:
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


def _from_range(spec: str) -> tuple[int, ...]:
    start, stop = (_number(end, spec) for end in spec.split(":", 1))
    if not 0 <= start < stop <= nb201.NUM_CELLS:
        raise ValueError(
            f"cells {spec}: expected 0 <= START < STOP <= {nb201.NUM_CELLS} (STOP is not included)"
        )
    return tuple(range(start, stop))


def _from_file(path: Path) -> tuple[int, ...]:
    lines = _read_text(path).splitlines()
    cells: dict[int, None] = {}
    for number, line in enumerate(lines, 1):
        item = line.split("#", 1)[0].strip()
        if not item:
            continue
        try:
            cells[_cell(item)] = None
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    if not cells:
        raise ValueError(f"{path}: expected one index or arch string a line, got none")
    return tuple(cells)


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected lines of text, got other bytes ({error})") from error


def _cell(item: str) -> int:
    """The index of one cell, given as such or as an arch string."""
    if _INTEGER.fullmatch(item):
        nb201.index_to_ops(int(item))  # raises if there is no such cell
        return int(item)
    if any(mark in item for mark in "|~+"):
        return nb201.arch_to_index(item)
    raise ValueError(f"cells {item!r}: expected {_FORMS}")


def _number(text: str, spec: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"cells {spec}: expected a whole number, got {text!r}; cells are {_FORMS}")
    return int(text)
