"""Joining runs of several machines."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from results_cases import (
    ORDER,
    SETTINGS,
    ask,
    cell_of,
    everything,
    fresh,
    known,
    numbered,
    one_sentence,
    part_files,
    record,
    request,
    table_of,
)

from jaxnas.results import Folder, Record, ResultsError
from jaxnas.results.merge import Joined, join, read_run
from jaxnas.results.target import check_target, write_joined

TABLE = table_of([], [request((1,), (0,), ("js",))], settings=SETTINGS)


def merge(sources: Sequence[Any], out: Path) -> Joined:
    check_target(out, sources)
    joined = join([read_run(source, ORDER[2:]) for source in sources])
    write_joined(joined, TABLE, out)
    return joined


def scored(path: Path, records: Iterable[Record], session: str, **changes: Any) -> Path:
    with Folder.open(path, SETTINGS | changes, {"host": session}) as folder:
        for one in records:
            ask(folder, [cell_of(one)], [one.seed], one.scores)
            folder.append([one])
    return path


def test_merge_joins_scores_requests_and_sessions(tmp_path: Path) -> None:
    a = scored(tmp_path / "a", [record(1, 0, {"js": 1.0}, {"js": 3.0})], "one")
    b = scored(tmp_path / "b", [record(2, 0, {"js": 2.0}), record(1, 0, {"pjs": 5.0})], "two")
    before = everything(a) | everything(b)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = merge([a, str(b)], tmp_path / "new/out")
    assert (report.conflicts, report.largest_difference) == (0, 0.0)
    out = Folder.load(tmp_path / "new/out")
    assert known(out) == {(1, 0): {"js", "pjs"}, (2, 0): {"js"}}
    assert next(r for r in out.records() if r.seed == 0 and cell_of(r) == 1).seconds == {"js": 3.0}
    assert out.requests == Folder.load(a).requests + Folder.load(b).requests
    assert out.manifest.sessions == ({"host": "one"}, {"host": "two"})
    assert out.settings == SETTINGS
    assert everything(a) | everything(b) == before
    with fresh(tmp_path / "new/out") as folder:  # and it goes on as any other folder
        folder.append([numbered(9)])


def test_merge_keeps_the_first_folder_s_values_and_counts_the_others(tmp_path: Path) -> None:
    nan = math.nan
    first = [
        record(1, 0, {"js": 1.0, "pjs": 4.0, "jsc": nan}),
        record(1, 0, {"js": 77.0}),  # loses within its own folder: no conflict
        record(2, 0, {"js": nan}),
    ]
    second = [record(1, 0, {"js": 1.0, "pjs": 5.0, "jsc": nan}), record(3, 0, {"js": 8.0})]
    third = [record(1, 0, {"pjs": 4.5}), record(3, 0, {"js": 8.5})]
    a = scored(tmp_path / "a", first, "one")
    b = scored(tmp_path / "b", second, "two")
    c = scored(tmp_path / "c", third, "three")
    with pytest.warns(UserWarning, match=r"2 scores have different values .* 0\.2\): .* first"):
        report = merge([a, b, c], tmp_path / "out")
    assert report.conflicts == 2
    assert report.largest_difference == pytest.approx(0.2)
    values = {cell_of(one): one.scores for one in Folder.load(tmp_path / "out").records()}
    assert (values[1]["js"], values[1]["pjs"], values[3]["js"]) == (1.0, 4.0, 8.0)
    d = scored(tmp_path / "d", [record(2, 0, {"js": 1.0})], "four")
    with pytest.warns(UserWarning, match="largest relative difference inf"):
        assert merge([d, a], tmp_path / "out2").largest_difference == math.inf


def test_merge_refuses_other_settings_and_used_folders(tmp_path: Path) -> None:
    a = scored(tmp_path / "a", [numbered(1)], "one")
    b = scored(tmp_path / "b", [numbered(2)], "two", batch_size=32)
    with pytest.raises(ResultsError) as error:
        merge([a, b], tmp_path / "out")
    assert f"{a} holds scores with batch_size 64, {b} with batch_size 32" in one_sentence(error)
    assert not (tmp_path / "out").exists()
    for target in (a, a / "manifest.json"):
        with pytest.raises(ResultsError, match="is not empty: expected an absent or empty folder"):
            merge([a], target)
    with pytest.raises(ResultsError, match="at least one"):
        merge([], tmp_path / "out")
    with pytest.raises(ResultsError, match="is not a results folder"):
        merge([a, tmp_path], tmp_path / "out")


def test_merge_leaves_damaged_parts_behind(tmp_path: Path) -> None:
    a = scored(tmp_path / "a", [numbered(1), numbered(2)], "one")
    part_files(a)[0].write_bytes(b"")
    (tmp_path / "out").mkdir()
    with pytest.warns(UserWarning, match="is damaged"):
        merge([a], tmp_path / "out")
    assert known(Folder.load(tmp_path / "out")).keys() == {(2, 0)}
    assert len(part_files(a)) == 2


def test_merge_of_folders_without_scores_is_empty(tmp_path: Path) -> None:
    a = scored(tmp_path / "a", [], "one")
    merge([a, a], tmp_path / "out")
    assert Folder.load(tmp_path / "out").known() == {}
