"""The manifest: settings, sessions and requests."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_cases import SESSION, SETTINGS, ask, everything, fresh, one_sentence, request

from jaxnas.results import Folder, Manifest, ResultsError
from jaxnas.results.manifest import decode_ranges, dump, encode_ranges, read_manifest


@given(st.sets(st.integers(-20, 40)))
def test_ranges_are_read_back(numbers: set[int]) -> None:
    assert decode_ranges(encode_ranges(numbers)) == tuple(sorted(numbers))


def test_ranges_are_compact() -> None:
    assert encode_ranges(range(15625)) == "0-15624"
    assert encode_ranges([3, 1, 2, 7, -3, -2]) == "-3--2,1-3,7"


@pytest.mark.parametrize("text", ["3-1", "1,1", "5,2", "1-", "a", ",", "1 2"])
def test_ranges_refuse_other_text(text: str) -> None:
    with pytest.raises(ResultsError, match="Ranges"):
        decode_ranges(text)


def test_requests_and_sessions_accumulate_without_repetitions(tmp_path: Path) -> None:
    for session in ({"jax": "1"}, {"jax": "2"}, {"jax": "1"}):
        with Folder.open(tmp_path / "out", SETTINGS, session) as folder:
            ask(folder, range(15625), [0], ["js", "pjs"])
            ask(folder, reversed(range(15625)), [0, 0], ["pjs", "js", "js"])
            ask(folder, [4], [int(session["jax"])], ["js"])
    loaded = Folder.load(tmp_path / "out")
    assert loaded.requests == (
        request(tuple(range(15625)), (0,), ("js", "pjs")),
        request((4,), (1,), ("js",)),
        request((4,), (2,), ("js",)),
    )
    assert loaded.manifest.sessions == ({"jax": "1"}, {"jax": "2"})
    assert loaded.settings == SETTINGS
    assert (tmp_path / "out/manifest.json").stat().st_size < 2000


@pytest.mark.parametrize(
    ("cells", "seeds", "columns"), [([], [0], ["js"]), ([0], [], ["js"]), ([0], [0], [])]
)
def test_empty_requests_are_refused(
    tmp_path: Path, cells: list[int], seeds: list[int], columns: list[str]
) -> None:
    with fresh(tmp_path) as folder, pytest.raises(ResultsError, match="at least one, got none"):
        ask(folder, cells, seeds, columns)


def test_reopening_with_nothing_new_rewrites_nothing(tmp_path: Path) -> None:
    with fresh(tmp_path) as folder:
        ask(folder, [1], [0], ["js"])
    os.utime(tmp_path / "manifest.json", (0, 0))
    with fresh(tmp_path) as folder:
        ask(folder, [1], [0], ["js"])
    assert (tmp_path / "manifest.json").stat().st_mtime == 0


def test_other_settings_are_refused_with_both_values(tmp_path: Path) -> None:
    out = tmp_path / "out"
    fresh(out).close()
    before = everything(out)
    with pytest.raises(ResultsError) as error:
        fresh(out, batch_size=32)
    assert one_sentence(error) == (
        f"{out} holds scores with batch_size 64; this run asks for 32: use another --out folder "
        "or the same settings."
    )
    with pytest.raises(ResultsError) as error:
        fresh(out, batch_size=32, bn="example", constants={"k": 1e-5})
    assert (
        'with batch_size 64, bn "batch", no constants.k; this run asks for batch_size 32, '
        'bn "example", constants.k 1e-05: use'
    ) in one_sentence(error)
    with pytest.raises(ResultsError, match=r"merge true; this run asks for 1:"):
        fresh(out, merge=1)  # in Python True == 1
    assert everything(out) == before
    fresh(out, bn="batch").close()  # and the refusals released the lock


def test_settings_compare_as_json_reads_them(tmp_path: Path) -> None:
    fresh(tmp_path, constants={"shape": (1, 2), "k": 1e-5}).close()
    fresh(tmp_path, constants={"k": 1e-5, "shape": [1, 2]}).close()
    fresh(tmp_path / "empty", constants={}).close()
    with pytest.raises(ResultsError, match=r"with constants \{\}; this run asks for no constants:"):
        fresh(tmp_path / "empty")
    with pytest.raises(ResultsError, match="expected finite numbers"):
        fresh(tmp_path, constants=math.nan)
    with pytest.raises(ResultsError, match="expected finite numbers"):
        fresh(tmp_path, constants=object())


def manifest_bytes(**changes: Any) -> bytes:
    content = json.loads(dump(Manifest(SETTINGS, (SESSION,), (request((1,), (0,), ("js",)),))))
    del content["checksum"]
    return json.dumps(content | changes).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"a": 1}',
        manifest_bytes()[:-20],
        manifest_bytes(format="other"),
        manifest_bytes(version="1"),
        manifest_bytes(version=0),
        manifest_bytes(settings=[]),
        manifest_bytes(sessions=[1]),
        manifest_bytes(requests=[{}]),
        manifest_bytes(requests=[{"cells": "0-15625", "seeds": "0", "columns": ["js"]}]),
    ],
)
def test_damaged_manifest_is_refused_and_kept(tmp_path: Path, data: bytes) -> None:
    fresh(tmp_path).close()
    (tmp_path / "manifest.json").write_bytes(data)
    for opening in (fresh, Folder.load):
        with pytest.raises(ResultsError, match="is damaged: expected a jaxnas manifest") as error:
            opening(tmp_path)
        assert str(tmp_path / "manifest.json") in one_sentence(error)
    assert (tmp_path / "manifest.json").read_bytes() == data


def read(path: Path, data: bytes) -> Manifest:
    path.write_bytes(data)
    return read_manifest(path)


def test_manifest_is_read_back(tmp_path: Path) -> None:
    manifest = read(tmp_path / "here", manifest_bytes())
    assert manifest == Manifest(SETTINGS, (SESSION,), (request((1,), (0,), ("js",)),))


def test_newer_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"newer jaxnas \(format version 3.*update jaxnas"):
        read(tmp_path / "here", manifest_bytes(version=3, settings="whatever"))
