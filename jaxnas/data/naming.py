"""Names of data sets, as the field writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from jaxnas.checks import same_word
from jaxnas.data.images import DataError


def named(text: str | os.PathLike[str], known: Iterable[str]) -> str | None:
    """The known data set that a text names; None where it is a path or names none.

    Case, hyphens, underscores and spaces are of no matter: NAS-Bench-201 writes ImageNet16-120,
    torchvision CIFAR10. A file of such a name is a path.

    Args:
        text: what came.
        known: the names that there are.

    Raises:
        DataError: it is the benchmark's name of half of a data set.
    """
    names = tuple(known)
    if not isinstance(text, str) or text in names:
        return text if isinstance(text, str) else None
    if same_word(text, ("cifar10-valid",)):
        raise DataError(
            f"dataset {text!r}: expected the name of a whole data set, got that of half of one; "
            "give cifar10, and hold half of it out by valid_fraction=0.5 where it is trained on"
        )
    found = same_word(text, names)
    return None if found is None or Path(text).is_file() else found
