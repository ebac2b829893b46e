"""What options and arguments take: numbers, words and paths, refused as in Python.

All commands use these and none of click's own types, so that a value is refused in one short line.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from jaxnas import checks
from jaxnas.checks.kinds import Kind, Whole, Word


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
        take = self.kind.parse if isinstance(value, str) else self.kind.check
        with _usage_errors(ctx):
            return take(_spelt(param), value)


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
        with _usage_errors(ctx):
            return Word(known).check(_spelt(param), found or value)


class Place(click.ParamType[Path]):
    """A path that a file or a folder can have; nothing is looked up."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """The path."""
        with _usage_errors(ctx):
            return checks.check_path(_spelt(param), value)


class DataSet(click.ParamType[str]):
    """The name of a data set of images, or the path of a file."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name as it is known, or the path."""
        from jaxnas import data

        with _usage_errors(ctx):
            path = checks.check_path(_spelt(param), value)
            return data.named(value, data.names()) or str(path)


@contextlib.contextmanager
def _usage_errors(ctx: click.Context | None) -> Iterator[None]:
    """Turns a refusal into one of click's, which names the command's help."""
    try:
        yield
    except ValueError as error:
        raise click.UsageError(str(error), ctx) from error


def _spelt(param: click.Parameter | None) -> str:
    """An option or an argument as its user writes it."""
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return "value" if param is None else param.human_readable_name
