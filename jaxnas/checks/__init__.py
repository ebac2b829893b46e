"""What a user brings is checked here: numbers, words and files; no JAX and no numpy.

Each function gives back what it was given, in the type that the library works with, or raises one
sentence: what was expected, what came, what to do. A whole kind of input has one function, so that
it is refused alike on the command line, in Python and in files. `ranges` has the range of every
number; a dataclass of settings names it in its annotations, and `check_fields` holds it to them.
"""

from jaxnas.checks import ranges
from jaxnas.checks.files import damaged, in_words, is_there, opened, read_bytes, shown
from jaxnas.checks.kinds import Kind, check_fields, checked, kind_of, kinds_of, parsed
from jaxnas.checks.numbers import LARGEST, flag, one_of, real, several_whole, whole
from jaxnas.checks.places import check_path, folder_to_write, place_to_write, user_path
from jaxnas.checks.words import (
    nearest,
    one_line,
    printable,
    quoted,
    same_word,
    shortened,
    unknown,
)

__all__ = [
    "LARGEST",
    "Kind",
    "check_fields",
    "check_path",
    "checked",
    "damaged",
    "flag",
    "folder_to_write",
    "in_words",
    "is_there",
    "kind_of",
    "kinds_of",
    "nearest",
    "one_line",
    "one_of",
    "opened",
    "parsed",
    "place_to_write",
    "printable",
    "quoted",
    "ranges",
    "read_bytes",
    "real",
    "same_word",
    "several_whole",
    "shortened",
    "shown",
    "unknown",
    "user_path",
    "whole",
]
