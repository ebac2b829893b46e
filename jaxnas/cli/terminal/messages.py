"""How the command line speaks: of what went wrong, in one line, and of what it has to say.

All text on the screen passes through here or is built from `rich.text.Text` of `printable` text:
what comes from outside may hold control characters, which a terminal would obey.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import click

from jaxnas.checks import printable

PREFIX = "jaxnas: error: "

# A word and a sentence beyond these lengths lose their middles.
_LONGEST_WORD = 200
_LONGEST = 450


def echo(text: str = "", *, err: bool = False) -> None:
    """Prints a line, or several, to stdout or stderr, fit for a terminal."""
    click.echo(printable(text), err=err)


def show_error(error: Exception) -> None:
    """Prints an error as one line on stderr, if that can be written to."""
    with contextlib.suppress(OSError):
        echo(PREFIX + sentence(error), err=True)


def sentence(error: Exception) -> str:
    """An error in one line, without its type, and without the middle of what is very long."""
    if isinstance(error, click.UsageError):
        text = error.format_message().rstrip(".")
        where = error.ctx.command_path if error.ctx else "jaxnas"
        text = f"{text}; see {where} --help"
    elif isinstance(error, click.ClickException):
        text = error.format_message()
    elif isinstance(error, OSError) and error.strerror:
        text = error.strerror if error.filename is None else f"{error.filename}: {error.strerror}"
    else:
        text = str(error) or type(error).__name__
    return _line(text)


@contextlib.contextmanager
def one_line_warnings() -> Iterator[None]:
    """Shows each warning as one line on stderr, without the line of code it came from."""

    def show(message: Warning | str, *_: object, **__: object) -> None:
        echo(f"jaxnas: warning: {_line(str(message))}", err=True)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def _line(text: str) -> str:
    """A text on one line, printable; its beginning says what is wrong, its end what to do."""
    bounded = _without_middle(text, 100 * _LONGEST)
    words = (_without_middle(word, _LONGEST_WORD) for word in printable(bounded).split())
    return _without_middle(" ".join(words), _LONGEST)


def _without_middle(text: str, longest: int) -> str:
    half = longest // 2
    return text if len(text) <= longest else f"{text[:half]}…{text[-half:]}"
