"""Kinds of settings: what each may be is said once, beside its type, and checked alike everywhere.

A dataclass says it in its annotations, as `epochs: Epochs` with `Epochs = Annotated[int, Whole(1,
1_000_000)]`; `check_fields` holds it to that in Python, and the command line makes its options of
the same kinds. The arguments of a function are held to them by `checked`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from jaxnas.checks.numbers import LARGEST, flag, real, whole
from jaxnas.checks.words import nearest, quoted

# Digits as they are written in ASCII: Python's own int and float take "1_000" and those of every
# script. No number has more characters than these.
_WHOLE = re.compile(r"[+-]?[0-9]{1,40}")
_REAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,5})?")
_LONGEST = 400


class Kind(Protocol):
    """What a value may be."""

    def check(self, name: str, value: Any) -> Any:
        """The value in the type that the library works with, or a ValueError that opens so."""

    def parse(self, name: str, text: str) -> Any:
        """The value that a text writes, or a ValueError that opens so."""


@dataclass(frozen=True)
class Whole:
    """Whole numbers in a range, see `numbers.whole`."""

    least: int = 0
    most: int = LARGEST
    why: str = ""

    def check(self, name: str, value: Any) -> int:
        return whole(name, value, self.least, self.most, self.why)

    def parse(self, name: str, text: str) -> int:
        written = text.strip()
        return self.check(name, int(written) if _WHOLE.fullmatch(written) else text)


@dataclass(frozen=True)
class Real:
    """Finite numbers in a range, see `numbers.real`."""

    low: float = -math.inf
    high: float = math.inf
    above: bool = False
    below: bool = False

    def check(self, name: str, value: Any) -> float:
        return real(name, value, self.low, self.high, above=self.above, below=self.below)

    def parse(self, name: str, text: str) -> float:
        written = text.strip()
        right = len(written) <= _LONGEST and _REAL.fullmatch(written)
        number = float(written) if right else math.nan
        return self.check(name, number if math.isfinite(number) else text)


@dataclass(frozen=True)
class Flag:
    """True or False."""

    def check(self, name: str, value: Any) -> bool:
        return flag(name, value)

    def parse(self, name: str, text: str) -> bool:
        return self.check(name, {"true": True, "false": False}.get(text.strip().lower(), text))


@dataclass(frozen=True)
class Word:
    """One of several words."""

    known: tuple[str, ...]

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.known:
            hint = nearest(value, self.known) if isinstance(value, str) else ""
            raise ValueError(
                f"{name}: expected one of {', '.join(self.known)}, got {quoted(value)}"
                + (f"; {hint}" if hint else "")
            )
        return value

    def parse(self, name: str, text: str) -> str:
        return self.check(name, text)


@dataclass(frozen=True)
class Text:
    """Any text, which is looked up elsewhere."""

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{name}: expected text, got {quoted(value)}")
        return value

    def parse(self, name: str, text: str) -> str:
        return self.check(name, text)


@dataclass(frozen=True)
class OrNone:
    """None, or what another kind may be."""

    kind: Kind

    def check(self, name: str, value: Any) -> Any:
        return None if value is None else self.kind.check(name, value)

    def parse(self, name: str, text: str) -> Any:
        if text.strip().lower() == "none":
            return None
        try:
            return self.kind.parse(name, text)
        except ValueError as error:
            raise ValueError(f"{error}; or none") from error


@dataclass(frozen=True)
class Several:
    """A tuple of values of one kind, at least one, or so many; numbers separated by commas."""

    kind: Kind
    count: int | None = None

    def check(self, name: str, value: Any) -> tuple[Any, ...]:
        right = isinstance(value, Sequence) and not isinstance(value, str | bytes)
        if not right or not value or len(value) != (self.count or len(value)):
            expected = "at least one value" if self.count is None else f"{self.count} values"
            raise ValueError(f"{name}: expected {expected} in a sequence, got {quoted(value)}")
        return tuple(self.kind.check(name, one) for one in value)

    def parse(self, name: str, text: str) -> tuple[Any, ...]:
        return self.check(name, [self.kind.parse(name, one) for one in text.split(",")])


def kind_of(hint: Any) -> Kind | None:
    """The kind that a type annotation says; None where it says none that can be checked."""
    for said in getattr(hint, "__metadata__", ()):
        if hasattr(said, "check") and hasattr(said, "parse"):
            return typing.cast("Kind", said)
    if hint in _PLAIN:
        return _PLAIN[hint]
    members = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if origin is Literal:
        return Word(tuple(map(str, members)))
    if origin in (types.UnionType, typing.Union):
        return _of_union(members)
    inner = kind_of(members[0]) if origin is tuple else None
    several = None if members[1:] == (...,) else len(members)
    return None if inner is None else Several(inner, several)


_PLAIN: Mapping[Any, Kind] = {bool: Flag(), int: Whole(), float: Real(), str: Text()}


def kinds_of(settings: type) -> Mapping[str, Kind]:
    """The kind of each field of a dataclass that has one, by the field's name."""
    return _kinds_of(settings)


def checked(name: str, value: Any, hint: Any) -> Any:
    """A value that is what an annotation says.

    Args:
        name: what it is, which opens the sentence.
        value: what came.
        hint: the annotation, such as `ranges.Seed`.

    Raises:
        ValueError: it is not.
    """
    kind = kind_of(hint)
    assert kind is not None, hint
    return kind.check(name, value)


def parsed(name: str, text: str, hint: Any) -> Any:
    """The value that a text writes, if it is what an annotation says; see `checked`.

    Raises:
        ValueError: it is not.
    """
    kind = kind_of(hint)
    assert kind is not None, hint
    return kind.parse(name, text)


def check_fields(settings: Any) -> None:
    """Holds the fields of a dataclass to their annotations, numpy's values made Python's.

    A whole number in a field of real ones stays as it was written, as manifests hold it.

    Raises:
        ValueError: one is not what it should be.
    """
    for name, kind in kinds_of(type(settings)).items():
        value = getattr(settings, name)
        found = kind.check(name, value)
        if type(value) not in (int, float):
            object.__setattr__(settings, name, found)


@functools.cache
def _kinds_of(settings: type) -> Mapping[str, Kind]:
    hints = typing.get_type_hints(settings, include_extras=True)
    kinds = {field.name: kind_of(hints[field.name]) for field in dataclasses.fields(settings)}
    return types.MappingProxyType({name: kind for name, kind in kinds.items() if kind is not None})


def _of_union(members: tuple[Any, ...]) -> Kind | None:
    """The kind of a union: one with None, or one of words."""
    kinds = [kind_of(member) for member in members if member is not types.NoneType]
    if len(kinds) == 1 and len(members) == 2:
        return None if kinds[0] is None else OrNone(kinds[0])
    words = [kind for kind in kinds if isinstance(kind, Word)]
    if len(words) == len(members):
        return Word(tuple(word for kind in words for word in kind.known))
    return None
