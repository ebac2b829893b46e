"""The manifest: which run a folder belongs to, what was asked of it, and who worked on it."""

from __future__ import annotations

import contextlib
import json
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jaxnas.checks import LARGEST, flag, one_line, quoted, whole
from jaxnas.checks.documents import read_document, sealed
from jaxnas.checks.files import damaged, shown
from jaxnas.results.files import ResultsError
from jaxnas.results.identity import JSON, canonical, plain_json
from jaxnas.spaces import DEFAULT, Space, find

FORMAT_VERSION = 2
MANIFEST_FILE = "manifest.json"
_FORMAT = "jaxnas-results"
_EXPECTED = "a jaxnas manifest"
_REMEDY = "restore it from a copy or use another folder."
_RANGE = re.compile(r"(-?[0-9]{1,19})(?:-(-?[0-9]{1,19}))?")
# Settings of every run that are whole numbers of at least 1.
_SIZES = ("batch_size", "channels", "depth", "num_classes", "image_size")
_LARGEST_SIZE = 10**6
_TEXTS = ("space", "data", "bn", "init", "dtype", "weights")
# Rows that a folder is asked for, over all requests: all cells with 250 seeds.
_MOST_ROWS, _MOST_SEEDS = 2**22, 2**16


@dataclass(frozen=True)
class Request:
    """Scores asked for: every column, of every architecture, with every seed.

    Each attribute is sorted and without repetitions, however it was given.

    Attributes:
        archs: architectures.
        seeds: seeds.
        columns: names of scores.
    """

    archs: tuple[str, ...]
    seeds: tuple[int, ...]
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "archs", tuple(sorted(set(self.archs))))
        object.__setattr__(self, "seeds", tuple(sorted(set(map(operator.index, self.seeds)))))
        object.__setattr__(self, "columns", tuple(sorted(set(self.columns))))
        for name, given in vars(self).items():
            if not given:
                raise ResultsError(f"A request's {name}: expected at least one, got none.")

    @property
    def rows(self) -> int:
        """Number of rows of the table that it asks for."""
        return len(self.archs) * len(self.seeds)


@dataclass(frozen=True)
class Manifest:
    """What a results folder knows about itself.

    Attributes:
        settings: everything that identifies the run; equal in every session.
        sessions: versions, devices and the like of the processes that wrote here.
        requests: what was asked for, over all sessions.
    """

    settings: dict[str, JSON]
    sessions: tuple[dict[str, JSON], ...] = ()
    requests: tuple[Request, ...] = ()

    @property
    def space(self) -> Space:
        """The space whose architectures were scored."""
        return space_in(self.settings)

    def with_session(self, session: Mapping[str, JSON]) -> Manifest:
        """The manifest with the session added, if it is new."""
        plain = plain_json(session)
        if any(canonical(plain) == canonical(known) for known in self.sessions):
            return self
        return replace(self, sessions=(*self.sessions, plain))

    def with_request(self, request: Request) -> Manifest:
        """The manifest with the request added, if it is new."""
        if request in self.requests:
            return self
        requests = (*self.requests, request)
        if sum(one.rows for one in requests) > _MOST_ROWS:
            raise ResultsError(
                f"A folder's requests: expected at most {_MOST_ROWS:,} rows, an architecture and a "
                f"seed each, got {sum(one.rows for one in requests):,}; ask for fewer, or use "
                "another folder"
            )
        return replace(self, requests=requests)


def space_in(settings: Mapping[str, Any]) -> Space:
    """The space that a run's settings name.

    Raises:
        ResultsError: this jaxnas has no space of that name.
    """
    try:
        return find(str(settings.get("space", DEFAULT.name)))
    except ValueError as error:
        raise ResultsError(f"The settings of a run: {error}") from error


# Names of settings in format 1, when there was one space.
_OLD_NAMES = {"stem_channels": "channels", "cells_per_stage": "depth"}


def current_settings(settings: Mapping[str, JSON]) -> dict[str, JSON]:
    """Settings of a run of any format by today's names."""
    if "space" in settings:
        return dict(settings)
    renamed = {_OLD_NAMES.get(name, name): value for name, value in settings.items()}
    return {"space": DEFAULT.name, **renamed}


def encode_ranges(numbers: Iterable[int]) -> str:
    """Writes a set of integers compactly, e.g. ``0-15624`` or ``-3--1,7,9-10``."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ",".join(f"{a}-{b}" if a < b else str(a) for a, b in ranges)


def decode_ranges(
    text: str, least: int = -LARGEST - 1, most: int = LARGEST, count: int = _MOST_SEEDS
) -> tuple[int, ...]:
    """Reads `encode_ranges`.

    Args:
        text: the ranges.
        least: the smallest number that is taken.
        most: the largest.
        count: how many numbers there may be.

    Raises:
        ResultsError: if the text is not a list of rising ranges, or of others or more than these.
    """
    numbers: list[int] = []
    for part in text.split(",") if text else []:
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ResultsError(f"Ranges: expected 'a' or 'a-b' between commas, got {quoted(part)}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or (numbers and first <= numbers[-1]):
            raise ResultsError(
                f"Ranges: expected rising numbers, got {quoted(part)} in {quoted(text)}."
            )
        if first < least or last > most or last - first >= count - len(numbers):
            raise ResultsError(
                f"Ranges: expected at most {count:,} numbers from {least} to {most}, got "
                f"{quoted(part)} in {quoted(text)}."
            )
        numbers.extend(range(first, last + 1))
    return tuple(numbers)


def dump(manifest: Manifest) -> bytes:
    """A manifest as the bytes of its file."""
    content = {
        "format": _FORMAT,
        "version": FORMAT_VERSION,
        "settings": manifest.settings,
        "sessions": list(manifest.sessions),
        "requests": [
            {
                **_encode_archs(request.archs, manifest.space),
                "seeds": encode_ranges(request.seeds),
                "columns": list(request.columns),
            }
            for request in manifest.requests
        ],
    }
    return (json.dumps(sealed(content), indent=2, allow_nan=False) + "\n").encode()


def read_manifest(path: Path) -> Manifest:
    """Reads the file with what `dump` gave.

    Raises:
        ResultsError: if it is not a manifest, or one of a newer jaxnas.
        OSError: it is not there or cannot be read.
    """
    content = read_document(path, _EXPECTED, _REMEDY, ResultsError)
    version = content.get("version")
    if content.get("format") != _FORMAT or type(version) is not int or version < 1:
        found = f"format {quoted(content.get('format'))}, version {quoted(version)}"
        raise ResultsError(damaged(path, _EXPECTED, found, _REMEDY))
    if version > FORMAT_VERSION:
        raise ResultsError(
            f"{shown(path)} was written by a newer jaxnas (format version {quoted(version)}, this "
            f"one reads up to {FORMAT_VERSION}): update jaxnas or use another folder."
        )
    with _damage(path):
        settings = _dict("settings", content["settings"])
        if version < FORMAT_VERSION:
            settings = current_settings(settings)
        settings = checked_settings(settings)
    space = space_in(settings)
    with _damage(path):
        sessions = tuple(_dict("a session", one) for one in _list("sessions", content["sessions"]))
        requests: list[Request] = []
        for one in _list("requests", content["requests"]):
            requests.append(_request(one, space, _MOST_ROWS - sum(r.rows for r in requests)))
    return Manifest(settings, sessions, tuple(requests))


@contextlib.contextmanager
def _damage(path: Path) -> Iterator[None]:
    """Says of which file something is missing or wrong."""
    try:
        yield
    except KeyError as error:
        found = f"none without {quoted(error.args[0])}"
        raise ResultsError(damaged(path, _EXPECTED, found, _REMEDY)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        found = f"one in which {str(error) or one_line(error)}"
        raise ResultsError(damaged(path, _EXPECTED, found, _REMEDY)) from error


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a run, whose values are of the types that they must have, as far as they go.

    Raises:
        ValueError: one is not.
    """
    for name in _SIZES:
        if name in settings:
            whole(f"setting {name}", settings[name], 1, _LARGEST_SIZE)
    whole("setting definitions", settings.get("definitions", 0))
    if "merge" in settings:
        flag("setting merge", settings["merge"])
    for name in _TEXTS:
        if not isinstance(settings.get(name, ""), str):
            raise ValueError(f"setting {name}: expected a text, got {quoted(settings[name])}")
    return dict(settings)


def require_settings(settings: Mapping[str, Any], names: Iterable[str]) -> None:
    """Refuses settings that lack what is needed.

    Raises:
        ResultsError: they lack one of these names.
    """
    lacking = [name for name in names if name not in settings]
    if lacking:
        raise ResultsError(
            f"The settings of a run: expected {', '.join(lacking)} among them, got none; use the "
            "folder or the table of a run of jaxnas score"
        )


def _encode_archs(archs: Sequence[str], space: Space) -> dict[str, JSON]:
    """Architectures as ranges of their indices, or as they are where they have none."""
    indices = space.indices(archs)
    return {"archs": list(archs)} if indices is None else {"cells": encode_ranges(indices.tolist())}


def _request(content: Any, space: Space, left: int) -> Request:
    """A request, which asks for no more rows than are left."""
    content = _dict("a request", content)
    if "archs" in content:
        archs = tuple(space.parse(arch) for arch in _list("archs", content["archs"], str))
    elif not space.indexed:
        raise ValueError(f"cells: expected archs, as {space.title} has no indices, got cells")
    else:
        cells = _text("cells", content["cells"])
        archs = tuple(space.arch(index) for index in decode_ranges(cells, 0, space.size - 1))
    most = min(_MOST_SEEDS, left // max(len(archs), 1))
    seeds = decode_ranges(_text("seeds", content["seeds"]), count=most)
    return Request(archs, seeds, tuple(_list("columns", content["columns"], str)))


def _dict(name: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError(f"{name}: expected names with values, got {quoted(content)}")
    return content


def _list(name: str, content: Any, kind: type = object) -> list[Any]:
    if not isinstance(content, list) or not all(isinstance(one, kind) for one in content):
        raise ValueError(f"{name}: expected a list, got {quoted(content)}")
    return content


def _text(name: str, content: Any) -> str:
    if not isinstance(content, str):
        raise ValueError(f"{name}: expected a text, got {quoted(content)}")
    return content
