"""What a user brings is checked here: numbers, words and files; no JAX and no numpy.

Each function gives back what it was given, in the type that the library works with, or raises one
sentence: what was expected, what came, what to do. A whole kind of input has one function, so that
it is refused alike on the command line, in Python and in files.
"""

from jaxnas.checks.files import (
    damaged,
    in_words,
    is_there,
    opened,
    read_bytes,
    shown,
    user_path,
)
from jaxnas.checks.numbers import LARGEST, flag, one_of, real, several_whole, whole
from jaxnas.checks.words import nearest, one_line, printable, quoted, shortened, unknown

__all__ = [
    "LARGEST",
    "damaged",
    "flag",
    "in_words",
    "is_there",
    "nearest",
    "one_line",
    "one_of",
    "opened",
    "printable",
    "quoted",
    "read_bytes",
    "real",
    "several_whole",
    "shortened",
    "shown",
    "unknown",
    "user_path",
    "whole",
]
