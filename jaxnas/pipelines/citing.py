"""What to cite of a run: exactly what its folder says it used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from jaxnas import references, results
from jaxnas.checks import check_path
from jaxnas.proxies import catalogue
from jaxnas.results import SCORES_FILE, ResultsError
from jaxnas.results.claim import stored_settings
from jaxnas.results.manifest import space_in
from jaxnas.scoring import read_table

SCORING_FILE = "manifest.json"
TRAINING_FILE = "training.json"
SEARCH_FILE = "search.json"
_FORMATS = {TRAINING_FILE: "jaxnas-training", SEARCH_FILE: "jaxnas-oneshot"}

# The folders of the stages of `jaxnas.pipelines.gt_nas`.
_STAGES = ("scores", "trained")

# What a search on a supernet is made of, the defining paper first. Straight-through samples have no
# paper of their own: their relaxation is the Gumbel softmax.
_METHODS = {
    "sf": ("improved-gradient-nas", "reinforce"),
    "relax": ("improved-gradient-nas", "relax"),
    "ram": ("improved-gradient-nas", "ram"),
    "snas": ("snas", "concrete"),
    "darts": ("darts",),
    "gdas": ("gdas", "gumbel-softmax"),
    "st": ("gumbel-softmax",),
    "pr-darts": ("pr-darts", "l0-regularization"),
    "enas": ("enas",),
    "rsps": ("rsps",),
}


def cite(folder: str | os.PathLike[str]) -> str:
    """The BibTeX of exactly what a folder's run used.

    Those are jaxnas itself, the search space, and the publications of the scores that were asked
    for, or of the method that searched.

    Args:
        folder: of `jaxnas.score`, `jaxnas.training.train`, or a search.

    Raises:
        ResultsError: there is no such folder, or it is none of these.
    """
    return references.cite(used(check_path("folder", folder)))


def used(folder: Path) -> tuple[str, ...]:
    """The keys of the publications, see `cite`."""
    keys = tuple(dict.fromkeys(_used(folder)))
    if not keys:
        files = ", ".join((SCORING_FILE, SCORES_FILE, TRAINING_FILE, SEARCH_FILE))
        raise ResultsError(
            f"{folder}: expected a folder of jaxnas score, train or search, with one of {files}, "
            "got none; check the path"
        )
    return ("jaxnas", *keys)


def _used(folder: Path) -> Iterator[str]:
    if all((folder / stage).is_dir() for stage in _STAGES):
        yield "gt-nas"
        for stage in _STAGES:
            yield from _used(folder / stage)
    if any(os.path.lexists(folder / file) for file in (SCORING_FILE, SCORES_FILE)):
        table = read_table(folder)
        yield results.space_of(table).reference
        for entry in catalogue.CATALOGUE:
            if entry.name in table.column_names and entry.kind != "count":
                yield from entry.references
    for file, format_name in _FORMATS.items():
        if os.path.lexists(folder / file):
            settings = stored_settings(folder / file, format_name, "a run")
            yield space_in(settings).reference
            yield from _METHODS.get(str(settings.get("method")), ())
