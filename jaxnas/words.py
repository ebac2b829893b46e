"""Sentences that several parts of the library say."""

import difflib
from collections.abc import Iterable


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One sentence about a name that is not known, with the nearest that is.

    Args:
        what: it would be the name of, such as "space".
        name: what came.
        known: the names that there are.
    """
    names = list(known)
    hint = nearest(name, names) or f"choose one of {', '.join(names)}"
    return f"{what} {name!r}: expected one of {len(names)} known names, got another; {hint}"


def nearest(name: str, known: Iterable[str]) -> str:
    """A question about the nearest name that is known, empty where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else ""
