"""Folders of results that are damaged or hostile: one sentence, soon, and never other numbers."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hostile_results as hostile
import pyarrow as pa  # type: ignore[import-untyped]
import pytest
from commands import SETTINGS
from hypothesis import given, seed, settings
from hypothesis import strategies as st

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


FILES = ("manifest.json", "scores.parquet", "parts/0", "parts/1", "alone")


@seed(11)
@settings(max_examples=100, deadline=None, database=None)
@given(st.sampled_from(FILES), st.floats(0, 1, exclude_max=True), st.integers(0, 7))
def test_a_flipped_bit_changes_no_number(file: str, place: float, bit: int) -> None:
    """It is found, or the part is put aside, or nothing depends on it."""
    good = read_table(hostile.finished())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run"
        hostile.copy_finished(path)
        parts = sorted((path / "parts").iterdir())
        victim = path / "scores.parquet"
        if file == "alone":
            shutil.rmtree(path / "parts")
            (path / "manifest.json").unlink()
        else:
            victim = parts[int(file[-1])] if "/" in file else path / file
        data = bytearray(victim.read_bytes())
        data[int(place * len(data))] ^= 1 << bit
        victim.write_bytes(data)
        for read in (read_table, read_finished):
            answer, told = asked(read, path)
            if isinstance(answer, ResultsError):
                assert_sentence(str(answer))
                assert str(path) in str(answer)
            else:
                assert same_or_missing(answer, good)
                assert told or answer.equals(good)
                assert answer.schema.metadata[b"jaxnas.settings"] == settings_text(good)


def settings_text(table: pa.Table) -> bytes:
    return bytes(table.schema.metadata[b"jaxnas.settings"])


def test_the_table_of_another_run_is_refused(tmp_path: Path) -> None:
    hostile.copy_finished(tmp_path / "run")
    hostile.write_finished(tmp_path / "other", batch_size=32)
    assert read_finished(tmp_path / "other").num_rows == len(hostile.ARCHS)
    shutil.copy(tmp_path / "other/scores.parquet", tmp_path / "run/scores.parquet")
    with pytest.raises(
        ResultsError, match="another run: expected batch_size 4, .*got batch_size 32"
    ):
        read_finished(tmp_path / "run")
