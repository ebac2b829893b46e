"""Commands and options that were published under other names, and what replaces them."""

from __future__ import annotations

from collections.abc import Sequence

OPTIONS = {
    "--stem-channels": "--channels",
    "--cells-per-stage": "--depth",
    "--layers": "--depth",
    "--genotype": "--space darts --cells",
}

# Searches that look their trainings up, and the options that only such searches have.
LOOKED_UP = ("random", "rea", "reinforce", "bohb")
OF_A_LOOK_UP = ("--search-on", "--runs", "--budget", "--queries", "--scores")


def check(arguments: Sequence[str]) -> None:
    """Refuses what has another name now.

    Args:
        arguments: of the command line, without the program's name.

    Raises:
        ValueError: a command or an option has another name; the sentence says which.
    """
    given = [argument.split("=", 1)[0] for argument in arguments if argument.startswith("--")]
    for old, new in OPTIONS.items():
        if old in given:
            raise ValueError(f"{old}: expected its new name, got the old one; give {new} instead")
    if len(arguments) < 2 or arguments[0] != "search":
        return
    method = arguments[1]
    if "--cells" in given:
        raise ValueError(
            "--cells: expected the name of a search's size, got that of a selection; give --depth"
        )
    if method == "gt-nas" and "--train" in given:
        raise ValueError(
            "--train: expected its new name, got the old one; give the images as "
            "jaxnas search gt-nas --dataset NAME_OR_NPZ"
        )
    names = [name for name in given if name in OF_A_LOOK_UP]
    if method in LOOKED_UP or names:
        got = f"{names[0]}, which is" if names else "one that is"
        raise ValueError(
            f"jaxnas search {method}: expected a search on images, got {got} of searches that look "
            f"their trainings up in a table; use jaxnas simulate {method} --oracle TABLE"
        )
