"""How architectures come in files and on command lines, whatever their space writes."""

from __future__ import annotations

import ast
import codecs
import re
import warnings

_LONGEST = 10_000
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’"}

# Where a list of quoted notations has one end and the next begin.
_BETWEEN = re.compile(r"""(["'`”’])\s*,\s*["'`“‘]""")

# The marks that an encoding begins a file with, and the encoding.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def bare(text: str) -> str:
    """A notation without the byte-order mark, the spaces and the pairs of quotes around it."""
    while True:
        inner = text.strip().strip("\ufeff").strip()
        if len(inner) > 1 and _QUOTES.get(inner[0]) == inner[-1] and not _BETWEEN.search(inner):
            inner = inner[1:-1]
        if inner == text:
            return text
        text = inner


def python_of(text: str) -> list[ast.stmt]:
    """The statements that a text is in Python, none of which is executed, without its warnings.

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it is none, or longer than any
            notation.
    """
    if len(text) > _LONGEST:
        raise ValueError("longer than any architecture")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text.strip()).body


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8, or what its byte-order mark says.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    return content.decode(encoding)
