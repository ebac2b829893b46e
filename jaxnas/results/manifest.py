"""The manifest: which run a folder belongs to, what was asked of it, and who worked on it."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from jaxnas.results.files import ResultsError
from jaxnas.spaces import DEFAULT, Space, find

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"

FORMAT_VERSION = 2
MANIFEST_FILE = "manifest.json"
_FORMAT = "jaxnas-results"
_RANGE = re.compile(r"(-?\d+)(?:-(-?\d+))?")


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
        return replace(self, requests=(*self.requests, request))


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
                **_encode_archs(request.archs, manifest.space),
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
        settings = _dict(content["settings"])
        if version < FORMAT_VERSION:
            settings = current_settings(settings)
        space = space_in(settings)
        return Manifest(
            settings=settings,
            sessions=tuple(_dict(session) for session in content["sessions"]),
            requests=tuple(_request(request, space) for request in content["requests"]),
        )
    except ResultsError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(where, repr(error)) from error


def _damaged(where: object, what: str) -> ResultsError:
    return ResultsError(
        f"{where} is damaged: expected a jaxnas manifest, got {what}; restore it from a copy or "
        "use another folder."
    )


def _encode_archs(archs: Sequence[str], space: Space) -> dict[str, JSON]:
    """Architectures as ranges of their indices, or as they are where they have none."""
    indices = space.indices(archs)
    return {"archs": list(archs)} if indices is None else {"cells": encode_ranges(indices.tolist())}


def _request(content: Any, space: Space) -> Request:
    if "archs" in content:
        archs = tuple(space.parse(arch) for arch in content["archs"])
    else:
        archs = tuple(space.arch(index) for index in decode_ranges(content["cells"]))
    return Request(archs, decode_ranges(content["seeds"]), tuple(content["columns"]))


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
