"""Words in sentences: text from outside made fit to be shown, and names that are not known."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any

_LONGEST = 80
# Beyond some 4,300 digits Python refuses to write a whole number.
_MOST_BITS = 10_000

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 2 * _LONGEST


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One sentence about a name that is not known, with the nearest that is.

    Args:
        what: it would be the name of, such as "space".
        name: what came.
        known: the names that there are.
    """
    names = list(known)
    hint = nearest(name, names) or f"choose one of {', '.join(names)}"
    return f"{what} {quoted(name)}: expected one of {len(names)} known names, got another; {hint}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question about the nearest name that is known, empty where none is near."""
    near = difflib.get_close_matches(name[:_LONGEST], list(known), n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else ""


def same_word(text: Any, known: Iterable[str]) -> str | None:
    """The known word that a text is but for case, spaces, hyphens and underscores; None for none.

    Args:
        text: what came; the field writes "CIFAR-10", "cifar10" and "CIFAR_10".
        known: words that differ in more than that.
    """
    if not isinstance(text, str) or len(text) > _LONGEST:
        return None
    return next((word for word in known if _bare(word) == _bare(text)), None)


def _bare(word: str) -> str:
    return "".join(character for character in word.casefold() if character not in " -_\t\n")


def quoted(value: Any, length: int = _LONGEST) -> str:
    """A value as Python writes it, on one line, cut, and safe to show on a terminal."""
    if isinstance(value, int) and value.bit_length() > _MOST_BITS:
        return f"a whole number of about {value.bit_length() * 3 // 10:,} digits"
    # Text is cut before it is written, so that a long one costs nothing; containers by reprlib.
    try:
        text = repr(value[: length + 1]) if isinstance(value, str | bytes) else _REPR.repr(value)
    except (ValueError, RecursionError):
        text = f"<{type(value).__name__}>"
    return shortened(text, length)


def shortened(text: str, length: int = _LONGEST) -> str:
    """A text on one line, cut where it is longer, and safe to show on a terminal."""
    line = " ".join(text[: 16 * length].split())
    return printable(line if len(line) <= length else line[:length] + "…")


def printable(text: str) -> str:
    """A text with its control characters written out, as "\\x1b", so that a terminal shows them.

    Lines stay lines: the newline and the tab are kept.
    """
    if text.isprintable():
        return text
    return "".join(
        character
        if character.isprintable() or character in "\n\t"
        else character.encode("unicode_escape").decode("ascii")
        for character in text
    )


def one_line(error: BaseException) -> str:
    """A library's error as `Type: message` on one line, to be quoted in a sentence."""
    return shortened(f"{type(error).__name__}: {error}", 200)
