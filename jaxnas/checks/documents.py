"""JSON from outside: one reader, bounded in size, depth and number of values.

What jaxnas writes for itself is sealed: a checksum of the content stands in the document, so that a
flipped bit cannot become another number. Documents without one, of earlier versions, are read too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import types
import typing
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, cast

from jaxnas.checks.files import damaged, read_bytes
from jaxnas.checks.words import one_line, quoted

# The largest document: some hundred thousand architectures, spelled out, are 100 MB.
_MOST_BYTES = 2**27
# A document of so many commas and brackets is at most some 300 MB of objects.
_MOST_PIECES = 2**22
_DEEPEST = 20
_SEAL = "checksum"

UNREADABLE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""All that libraries which read files are known to raise on damaged ones."""

T = TypeVar("T")


def read_document(
    path: str | os.PathLike[str],
    expected: str,
    remedy: str,
    error: type[Exception] = ValueError,
) -> dict[str, Any]:
    """The JSON object that a file holds, its seal checked and taken off where it has one.

    Args:
        path: of the file.
        expected: what it should hold, with its article.
        remedy: what to do where it does not.
        error: what is raised.

    Raises:
        error: it is no regular file, too large, or holds something else.
        OSError: it is not there or cannot be read.
    """
    data = read_bytes(path, expected, _MOST_BYTES, error)
    try:
        return unsealed(parse_json(data))
    except ValueError as problem:
        raise error(damaged(path, expected, str(problem), remedy)) from problem


def parse_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8, of JSON as it is defined: no NaN, no name twice.

    Raises:
        ValueError: it is none, or is nested deeper or longer than any that is written here; the
            message is what was got.
    """
    if sum(map(data.count, (b",", b"[", b"{"))) > _MOST_PIECES:
        raise ValueError(f"more than {_MOST_PIECES:,} values")
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_without_repetitions,
            parse_constant=_refuse_constant,
            parse_float=_finite,
        )
        if b"\\u" in data:  # an escape can be half of a surrogate pair, which no text may have
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError("brackets nested too deep") from None
    except (ValueError, MemoryError) as error:
        raise ValueError(f"no JSON ({one_line(error)})") from error
    _check_depth(value, _DEEPEST)
    return value


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """A document with the checksum of its content; `read_document` checks it."""
    return {**content, _SEAL: _checksum(content)}


def unsealed(document: Any) -> dict[str, Any]:
    """The content of a document, which has the checksum that it names, if it names one.

    Raises:
        ValueError: it has another, or is no object; the message is what was got.
    """
    if not isinstance(document, dict):
        raise ValueError(quoted(document))
    content = {name: value for name, value in document.items() if name != _SEAL}
    if _SEAL in document and document[_SEAL] != _checksum(content):
        raise ValueError("another content than its checksum is of")
    return content


def filled(kind: type[T], content: Any) -> T:
    """A dataclass of plain values from its fields' names and values, each of its field's type.

    Args:
        kind: a dataclass whose fields are numbers, texts, `Literal`s, None or tuples.
        content: as `dataclasses.asdict` gives it. A float may come as a whole number.

    Raises:
        ValueError: a name is missing or unknown, or a value has another type.
    """
    if not isinstance(content, Mapping):
        raise ValueError(f"{kind.__name__}: expected names with values, got {quoted(content)}")
    hints = typing.get_type_hints(kind)
    known = {field.name: field for field in dataclasses.fields(cast("Any", kind))}
    for name in content:
        if name not in known:
            raise ValueError(f"{quoted(name)}: expected one of {', '.join(known)}, got another")
    for name, field in known.items():
        if name not in content:
            if field.default is dataclasses.MISSING:
                raise ValueError(f"{name}: expected a value, got none")
        elif not _fits(content[name], hints[name]):
            raise ValueError(f"{name}: expected {_words(hints[name])}, got {quoted(content[name])}")
    return kind(**content)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that a field is annotated with."""
    origin = typing.get_origin(hint)
    if origin is Literal:
        return isinstance(value, str) and value in typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, one) for one in typing.get_args(hint))
    if isinstance(value, bool):
        return hint is bool
    if hint is float:
        return isinstance(value, int | float) and abs(value) != math.inf
    if hint is int:
        return isinstance(value, int) and abs(value) < 2**63
    return isinstance(value, origin or hint)


def _words(hint: Any) -> str:
    """A type as a sentence has it."""
    return str(getattr(hint, "__name__", hint)).replace("typing.", "")


def _checksum(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _without_repetitions(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {quoted(name)} twice")
        found[name] = value
    return found


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)}, which is no finite number")
    return number


def _check_depth(value: Any, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise ValueError("brackets nested too deep")
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)
