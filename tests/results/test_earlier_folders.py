"""Folders and tables of format 1, when cells of NAS-Bench-201 were known by their index."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from results_cases import ARCHS, JS, known, record, request, table_of

from jaxnas.results import Folder, ResultsError, best, read_finished, settings_of, space_of
from jaxnas.results.finished import requests_of, to_long
from jaxnas.results.merge import join, read_run
from jaxnas.results.records import OLD_LONG_SCHEMA, from_table
from jaxnas.spaces import DEFAULT, SPACES

OLD_SETTINGS = {
    "batch_size": 64,
    "bn": "paper",
    "merge": True,
    "stem_channels": 16,
    "cells_per_stage": 5,
    "num_classes": 10,
    "image_size": 32,
}
SETTINGS = {
    "space": "nb201",
    "batch_size": 64,
    "bn": "paper",
    "merge": True,
    "channels": 16,
    "depth": 5,
    "num_classes": 10,
    "image_size": 32,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder as the first format has it, byte by byte."""
    out = tmp_path / "old"
    (out / "parts").mkdir(parents=True)
    manifest = {
        "format": "jaxnas-results",
        "version": 1,
        "settings": OLD_SETTINGS,
        "sessions": [{"jax": "0.9"}],
        "requests": [{"cells": "1-3", "seeds": "0", "columns": ["js", "params"]}],
    }
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
    table = pa.table(
        [
            pa.array([1, 3, 3], pa.int32()),
            pa.array([0, 0, 0], pa.int64()),
            pa.array(["js", "js", "jsc"], pa.string()).dictionary_encode(),
            pa.array([-1.5, float("nan"), 0.25]),
            pa.array([0.5, None, None], pa.float64()),
        ],
        schema=OLD_LONG_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    data = bytes(sink.getvalue())
    name = f"00000001-{hashlib.sha256(data).hexdigest()[:16]}.parquet"
    (out / "parts" / name).write_bytes(data)
    return out


def test_an_earlier_folder_is_read_by_arch(folder: Path) -> None:
    with Folder.load(folder) as run:
        assert run.settings == SETTINGS
        assert run.requests == (request([1, 2, 3], [0], ["js", "params"]),)
        assert known(run) == {(1, 0): {"js"}, (3, 0): {"js", "jsc"}}
        assert {r.arch: r.seconds for r in run.records()}[ARCHS[1]] == {"js": 0.5}


def test_an_earlier_folder_goes_on(folder: Path) -> None:
    with Folder.open(folder, SETTINGS, {"jax": "1.0"}) as run:
        run.request(request([2, 4], [0], ["js"]))
        run.append([record(2, 0, {"js": 7.0})])
        assert known(run) == {(1, 0): {"js"}, (2, 0): {"js"}, (3, 0): {"js", "jsc"}}
    assert json.loads((folder / "manifest.json").read_text())["version"] == 2
    with Folder.load(folder) as run:
        assert run.manifest.sessions == ({"jax": "0.9"}, {"jax": "1.0"})
        assert known(run)[2, 0] == {"js"}
    with pytest.raises(ResultsError, match="channels 16; this run asks for 8"):
        Folder.open(folder, SETTINGS | {"channels": 8})


def test_an_earlier_folder_is_joined_with_one_of_today(folder: Path, tmp_path: Path) -> None:
    with Folder.open(tmp_path / "new", SETTINGS) as run:
        run.request(request([9], [0], ["js"]))
        run.append([record(9, 0, {"js": 9.0})])
    joined = join([read_run(folder, JS), read_run(tmp_path / "new", JS)])
    records = {one.arch: one.scores for one in from_table(joined.scores)}
    assert records[ARCHS[1]] == {"js": -1.5}
    assert records[ARCHS[9]] == {"js": 9.0}
    assert joined.manifest.settings == SETTINGS


def test_an_earlier_finished_table_is_read_and_ranked(tmp_path: Path) -> None:
    table = pa.table(
        {
            "cell": pa.array([1, 2, 3], pa.int32()),
            "arch": [ARCHS[1], ARCHS[2], ARCHS[3]],
            "function": pa.array([1, 2, 3], pa.int32()),
            "seed": pa.array([0, 0, 0], pa.int64()),
            "status": ["ok", "ok", "nonfinite"],
            "js": [-3.0, -2.0, float("nan")],
        },
        metadata={"jaxnas.format": "1", "jaxnas.settings": json.dumps(OLD_SETTINGS)},
    )
    pq.write_table(table, tmp_path / "scores.parquet")
    read = read_finished(tmp_path)
    assert settings_of(read) == SETTINGS
    assert space_of(read) is DEFAULT
    assert [(one.cell, one.value) for one in best(read, "js")] == [(2, -2.0), (1, -3.0)]


def test_a_finished_table_alone_is_what_its_run_recorded() -> None:
    records = [
        record(1, 0, {"pjs": 1.5, "js": float("nan")}),
        record(4, 0, {"pjs": 2.5}),
        record(4, 3, {"pjs": float("inf")}),
    ]
    requests = [request([1, 4], [0], ["pjs", "js", "params"]), request([4], [3], ["pjs"])]
    table = table_of(records, requests, settings=SETTINGS)
    again = table_of(
        from_table(to_long(table, ("pjs", "js"))), requests_of(table), settings=SETTINGS
    )
    assert again.schema.equals(table.schema, check_metadata=True)
    for name in table.column_names:
        assert str(again[name].to_pylist()) == str(table[name].to_pylist()), name


def test_a_space_without_indices_is_kept_by_arch(tmp_path: Path) -> None:
    from jaxnas.results import Record, Request

    space = SPACES["darts"]
    archs = space.draw(3, 0)
    settings = SETTINGS | {"space": "darts"}
    asked = Request(archs, (0,), ("js",))
    with Folder.open(tmp_path, settings) as run:
        run.request(asked)
        run.append([Record(archs[0], 0, {"js": 1.0})])
    with Folder.open(tmp_path, settings) as run:
        assert run.requests == (asked,)
        assert run.known() == {(archs[0], 0): {"js"}}
    with pytest.raises(ResultsError, match='space "darts"; this run asks for "nb201"'):
        Folder.open(tmp_path, settings | {"space": "nb201"})
