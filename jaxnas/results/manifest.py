"""The manifest: which run a folder belongs to, what was asked of it, and who worked on it."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from jaxnas.results.records import ResultsError
from jaxnas.spaces import nb201

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

FORMAT_VERSION = 1
MANIFEST_FILE = "manifest.json"
_FORMAT = "jaxnas-results"
_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+))?")


@dataclass(frozen=True)
class Request:
    """Scores asked for: every column, of every cell, with every seed.

    Each attribute is sorted and without repetitions, however it was given.

    Attributes:
        cells: official indices.
        seeds: seeds.
        columns: names of scores.
    """

    cells: tuple[int, ...]
    seeds: tuple[int, ...]
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", tuple(sorted(set(map(operator.index, self.cells)))))
        object.__setattr__(self, "seeds", tuple(sorted(set(map(operator.index, self.seeds)))))
        object.__setattr__(self, "columns", tuple(sorted(set(self.columns))))
        for name, given in vars(self).items():
            if not given:
                raise ResultsError(f"A request's {name}: expected at least one, got none.")
        if self.cells[0] < 0 or self.cells[-1] >= nb201.NUM_CELLS:
            raise ResultsError(
                f"A request's cells: expected indices in 0..{nb201.NUM_CELLS - 1}, "
                f"got {self.cells[0]}..{self.cells[-1]}."
            )


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
        return replace(self, requests=(*self.requests, request))


def encode_ranges(numbers: Iterable[int]) -> str:
    """Writes a set of integers compactly, e.g. ``0-15624`` or ``-3--1,7,9-10``."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ",".join(f"{a}-{b}" if a < b else str(a) for a, b in ranges)


def decode_ranges(text: str) -> tuple[int, ...]:
    """Reads `encode_ranges`.

    Raises:
        ResultsError: if the text is not a list of rising ranges.
    """
    numbers: list[int] = []
    for part in text.split(",") if text else []:
        match = _RANGE.fullmatch(part)
        if match is None:
            raise ResultsError(f"Ranges: expected 'a' or 'a-b' between commas, got {part!r}.")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or (numbers and first <= numbers[-1]):
            raise ResultsError(f"Ranges: expected rising numbers, got {part!r} in {text!r}.")
        numbers.extend(range(first, last + 1))
    return tuple(numbers)


def canonical(value: JSON) -> str:
    """The one JSON text of a value: sorted keys, no spaces; 1, 1.0 and true are different.

    Raises:
        ResultsError: if the value has no JSON text.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_mapping
        )
    except (TypeError, ValueError) as error:
        raise ResultsError(
            f"Settings and sessions: expected finite numbers, texts, booleans, lists and mappings, "
            f"got {value!r} ({error})."
        ) from error


def plain_json(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """A copy as JSON would read it back: tuples become lists."""
    copy: dict[str, JSON] = json.loads(canonical(value))
    return copy


def differences(
    a: Mapping[str, JSON], b: Mapping[str, JSON]
) -> list[tuple[str, str | None, str | None]]:
    """How two settings differ.

    Returns:
        Name, JSON text in a and JSON text in b of each value that differs, None where there is
        none; empty if the settings are equal. Nested names are joined by dots.
    """
    leaves_a, leaves_b = _leaves(plain_json(a)), _leaves(plain_json(b))
    return [
        (".".join(name), leaves_a.get(name), leaves_b.get(name))
        for name in sorted(leaves_a.keys() | leaves_b.keys())
        if leaves_a.get(name) != leaves_b.get(name)
    ]


def phrases(values: Iterable[tuple[str, str | None]]) -> str:
    """Names and JSON texts as a message shows them: ``batch_size 64, no bn``."""
    return ", ".join(f"no {name}" if text is None else f"{name} {text}" for name, text in values)


def dump(manifest: Manifest) -> bytes:
    """A manifest as the bytes of its file."""
    content = {
        "format": _FORMAT,
        "version": FORMAT_VERSION,
        "settings": manifest.settings,
        "sessions": list(manifest.sessions),
        "requests": [
            {
                "cells": encode_ranges(request.cells),
                "seeds": encode_ranges(request.seeds),
                "columns": list(request.columns),
            }
            for request in manifest.requests
        ],
    }
    return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()


def parse(data: bytes, where: object) -> Manifest:
    """Reads `dump`.

    Args:
        data: the file's bytes.
        where: the file, for the message.

    Raises:
        ResultsError: if the bytes are not a manifest, or one of a newer jaxnas.
    """
    try:
        content = json.loads(data)
        version = content["version"]
        known = content["format"] == _FORMAT and type(version) is int and version >= 1
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(where, repr(error)) from error
    if not known:
        raise _damaged(where, f"format {content['format']!r}, version {version!r}")
    if version > FORMAT_VERSION:
        raise ResultsError(
            f"{where} was written by a newer jaxnas (format version {version}, this one reads up "
            f"to {FORMAT_VERSION}): update jaxnas or use another folder."
        )
    try:
        return Manifest(
            settings=_dict(content["settings"]),
            sessions=tuple(_dict(session) for session in content["sessions"]),
            requests=tuple(_request(request) for request in content["requests"]),
        )
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(where, repr(error)) from error


def _damaged(where: object, what: str) -> ResultsError:
    return ResultsError(
        f"{where} is damaged: expected a jaxnas manifest, got {what}; restore it from a copy or "
        "use another folder."
    )


def _request(content: Any) -> Request:
    return Request(
        decode_ranges(content["cells"]), decode_ranges(content["seeds"]), tuple(content["columns"])
    )


def _dict(content: Any) -> dict[str, JSON]:
    if not isinstance(content, dict):
        raise TypeError(f"expected a mapping, got {content!r}")
    return content


def _mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _leaves(value: JSON, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Path of each value that is not itself a mapping with entries → its JSON text."""
    if not isinstance(value, Mapping) or (path and not value):
        return {path: canonical(value)}
    return {
        name: text
        for key, inner in value.items()
        for name, text in _leaves(inner, (*path, key)).items()
    }
