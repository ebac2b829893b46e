"""What options and arguments take: numbers, words and paths, refused as in Python.

All commands use these and none of click's own types, so that a value is refused in one short line.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from jaxnas import checks
from jaxnas.checks.kinds import Kind, Whole


class Number(click.ParamType[Any]):
    """A number of a kind, such as one of `jaxnas.checks.ranges`.

    Attributes:
        kind: what is taken.
    """

    def __init__(self, kind: Any) -> None:
        """Takes what an annotation or a kind says."""
        found = kind if hasattr(kind, "parse") else checks.kind_of(kind)
        assert found is not None, kind
        self.kind: Kind = found
        self.name = "integer" if isinstance(found, Whole) else "float"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number that a text writes, or a default itself."""
        if isinstance(value, str):
            return self.kind.parse(_spelt(param), value)
        return self.kind.check(_spelt(param), value)


class Choice(click.Choice[str]):
    """One of several words.

    Attributes:
        loose: whether case, hyphens and underscores are of no matter, as in names of data sets.
    """

    def __init__(self, words: Iterable[str], *, loose: bool = False) -> None:
        """Takes these words."""
        super().__init__(list(words))
        self.loose = loose

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, as it is known."""
        known = tuple(self.choices)
        found = checks.same_word(value, known) if self.loose else None
        return checks.one_of(_spelt(param), found or value, known)


class Place(click.ParamType[Path]):
    """A path that a file or a folder can have; nothing is looked up."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        return checks.check_path(_spelt(param), value)


def _spelt(param: click.Parameter | None) -> str:
    """An option or an argument as its user writes it."""
    if param is None:
        return "value"
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return param.human_readable_name
