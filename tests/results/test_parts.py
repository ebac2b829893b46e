"""Parts of a folder: appended, damaged, set aside."""

from __future__ import annotations

import math
import random
import warnings
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from results_cases import ask, cell_of, fresh, known, numbered, part_files, record

from jaxnas.results import Folder, ResultsError
from jaxnas.results.parts import write_part_bytes


def test_load_refuses_what_is_no_results_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path, tmp_path / "absent", tmp_path / "file"):
        with pytest.raises(ResultsError, match="is not a results folder"):
            Folder.load(path)
    assert not (tmp_path / "absent").exists()


def test_parts_without_a_manifest_are_refused(tmp_path: Path) -> None:
    with fresh(tmp_path) as folder:
        folder.append([numbered(1)])
    (tmp_path / "manifest.json").unlink()
    with pytest.raises(ResultsError, match=r"holds scores but no manifest\.json"):
        fresh(tmp_path)


def test_appended_scores_are_known_after_reopening(tmp_path: Path) -> None:
    records = [numbered(3), numbered(1)]
    with fresh(tmp_path) as folder:
        assert folder.known() == {}
        assert folder.records() == []
        folder.append(records[:1])
        folder.append([])
        folder.append(records[1:])
        folder.append([record(3, 1, {}, {"pjs": 1.0}), record(3, 2, {"jsc": 0.25})])
    assert len(part_files(tmp_path)) == 3
    for folder in (Folder.load(tmp_path), fresh(tmp_path)):
        assert known(folder) == {(1, 0): {"pjs", "js"}, (3, 0): {"pjs", "js"}, (3, 2): {"jsc"}}
        ordered = sorted(folder.records(), key=lambda r: (cell_of(r), r.seed))
        one, three, timed, other = ordered
        assert (cell_of(one), cell_of(three), timed.seconds) == (1, 3, {"pjs": 1.0})
        assert one.scores["pjs"] == 1.5
        assert math.isnan(one.scores["js"])
        assert one.seconds == {"pjs": 0.25}
        assert other == record(3, 2, {"jsc": 0.25}, {})
        folder.close()


def test_of_repeated_scores_the_first_written_wins(tmp_path: Path) -> None:
    for number in range(12):  # more than ten, so that names must sort as numbers do
        with fresh(tmp_path) as folder:
            folder.append([record(5, 0, {"js": number, f"own{number}": number})])
    with fresh(tmp_path) as folder:
        folder.append([record(6, 0, {}, {"js": 9.0})])  # seconds alone take no score's place
        folder.append([record(6, 0, {"js": 2.0}), record(6, 0, {"js": 3.0})])
        scores = {cell_of(record): record.scores for record in folder.records()}
    assert scores[5] == {"js": 0.0} | {f"own{n}": float(n) for n in range(12)}
    assert scores[6] == {"js": 2.0}


def test_loaded_or_closed_folders_refuse_to_write(tmp_path: Path) -> None:
    closed = fresh(tmp_path)
    closed.close()
    closed.close()
    for folder in (closed, Folder.load(tmp_path)):
        with pytest.raises(ResultsError, match="not open for writing"):
            folder.append([numbered(1)])
        with pytest.raises(ResultsError, match="not open for writing"):
            ask(folder, [1], [0], ["js"])


def damaged_copies(data: bytes) -> Iterable[bytes]:
    generator = random.Random(0)
    for position in [0, len(data) - 1, *generator.sample(range(len(data)), 10)]:
        flipped = bytearray(data)
        flipped[position] ^= 1 << generator.randrange(8)
        yield bytes(flipped)
    for length in (0, 1, len(data) // 2, len(data) - 1):
        yield data[:length]
    yield data + b"\0"


def test_every_damage_sets_that_part_aside_and_no_other(tmp_path: Path) -> None:
    with fresh(tmp_path) as folder:
        for n in range(3):
            folder.append([numbered(n)])
    victims = part_files(tmp_path)
    good = [victim.read_bytes() for victim in victims]
    for n, data in [(i, copy) for i in range(3) for copy in damaged_copies(good[i])]:
        victim = victims[n]
        victim.write_bytes(data)
        aside = victim.with_name(victim.name + ".damaged")
        rest = {(m, 0) for m in range(3) if m != n}
        reader = Folder.load(tmp_path)
        with pytest.warns(UserWarning, match=r"is damaged .* left out"):
            assert known(reader).keys() == rest
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # warned about once
            assert {(cell_of(r), r.seed) for r in reader.records()} == rest
        assert victim.exists()
        with fresh(tmp_path) as folder:
            with pytest.warns(UserWarning, match=r"is damaged .* set aside as .* count as missing"):
                assert known(folder).keys() == rest
            assert aside.read_bytes() == data
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert {(cell_of(r), r.seed) for r in folder.records()} == rest
        aside.unlink()
        victim.write_bytes(good[n])


@pytest.mark.parametrize("name", ["copy.parquet", "00000007.parquet"])
def test_parts_under_other_names_are_set_aside(tmp_path: Path, name: str) -> None:
    with fresh(tmp_path) as folder:
        folder.append([numbered(1)])
        part_files(tmp_path)[0].rename(tmp_path / "parts" / name)
        with pytest.warns(UserWarning, match="its name is not that of a part"):
            assert folder.known() == {}


def test_foreign_parquet_under_its_own_checksum_is_set_aside(tmp_path: Path) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"a": [1]}), sink)
    with fresh(tmp_path) as folder:
        write_part_bytes(tmp_path / "parts", 1, bytes(sink.getvalue()))
        write_part_bytes(tmp_path / "parts", 2, b"no parquet at all")
        with pytest.warns(UserWarning) as caught:
            assert folder.known() == {}
    assert "its columns are 'a'" in str(caught[0].message)
    assert "no Parquet" in str(caught[1].message)


def test_number_of_a_part_set_aside_is_not_given_again(tmp_path: Path) -> None:
    with fresh(tmp_path) as folder:
        folder.append([numbered(1)])
        part_files(tmp_path)[0].write_bytes(b"")
        with pytest.warns(UserWarning):
            folder.known()
    with fresh(tmp_path) as folder:
        folder.append([numbered(1)])
    assert [path.name[:8] for path in part_files(tmp_path)] == ["00000002"]


def test_leftovers_of_killed_writers_are_cleaned_and_other_files_kept(tmp_path: Path) -> None:
    fresh(tmp_path).close()
    leftovers = [
        tmp_path / ".manifest.json.17.tmp",
        tmp_path / ".scores.parquet.17.tmp",
        tmp_path / "parts/.00000001-0123456789abcdef.parquet.17.tmp",
    ]
    kept = [tmp_path / "notes.txt", tmp_path / ".mine.tmp", tmp_path / "scores.parquet"]
    for path in leftovers + kept:
        path.write_bytes(b"x")
    assert Folder.load(tmp_path).known() == {}
    assert all(path.exists() for path in leftovers)  # they may belong to a writer at work
    with fresh(tmp_path) as folder:
        assert folder.known() == {}
    assert not any(path.exists() for path in leftovers)
    assert all(path.exists() for path in kept)
