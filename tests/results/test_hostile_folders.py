"""Folders of results that are damaged or hostile: one sentence, soon, and never other numbers."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_results as hostile
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from commands import SETTINGS

from jaxnas.results import ResultsError, read_finished
from jaxnas.results.manifest import Manifest
from jaxnas.scoring import read_table
from jaxnas.scoring.run import open_folder

Answer = tuple[Any, list[str]]


def asked(read: Callable[[Path], Any], path: Path) -> Answer:
    """What a reader says, an error as itself, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            answer = read(path)
        except ResultsError as error:
            answer = error
    return answer, [str(warning.message) for warning in caught]


def assert_sentence(text: str) -> None:
    assert text.isprintable()
    assert len(text) < 3_000


def same_or_missing(found: pa.Table, wanted: pa.Table) -> bool:
    """Whether a table has the values of another, or none in their place."""
    if found.column_names != wanted.column_names:
        return False
    pairs = zip(found.to_pylist(), wanted.to_pylist(), strict=True)
    return all(a[k] is None or a[k] == b[k] for a, b in pairs for k in b if k != "status")


def reopened(path: Path) -> Manifest:
    with open_folder(path, SETTINGS) as folder:
        folder.scores()
        return folder.manifest


READERS: dict[str, tuple[Callable[[Path], Any], ...]] = {
    "manifest": (read_table, reopened),
    "table": (read_table,),
    "place": (read_table, read_finished, reopened),
    "part": (read_table, reopened),
}


@pytest.mark.parametrize("kind", hostile.KINDS)
def test_every_hostile_folder_is_one_sentence_or_the_same_numbers(
    kind: str, tmp_path: Path
) -> None:
    good = read_table(hostile.finished())
    for number, (name, write) in enumerate(hostile.KINDS[kind]()):
        path = tmp_path / str(number)
        write(path)
        for read in READERS[kind]:
            answer, told = asked(read, path)
            for text in told:
                assert_sentence(text)
            if isinstance(answer, ResultsError):
                assert_sentence(str(answer))
            elif isinstance(answer, pa.Table):
                assert same_or_missing(answer, good), name
                assert told or answer.equals(good), name
