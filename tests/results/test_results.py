"""Results on disk: nothing torn, nothing mixed up, and a table that is the same every time."""

from __future__ import annotations

import ast
import itertools
import json
import math
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import results as results_package
from jaxnas.proxies import derived
from jaxnas.results import (
    REQUIRES,
    Folder,
    Record,
    Request,
    ResultsError,
    assemble,
    merge,
    to_table,
    used_noise_range,
    with_bases,
    write_table,
)
from jaxnas.results.manifest import Manifest, decode_ranges, dump, encode_ranges, parse
from jaxnas.results.records import from_table
from jaxnas.spaces import nb201

SETTINGS: dict[str, Any] = {"data": "sha256:ab", "batch_size": 64, "bn": "batch", "merge": True}
SESSION: dict[str, Any] = {"jax": "0.9", "device": "cpu"}
JS = ("js", "js_n0.1", "js_n10", "js_n100")
JSC = ("jsc", "jsc_n0.1", "jsc_n10", "jsc_n100")
ORDER = ("params", "flops", "pjs", *JS, *JSC, *REQUIRES)
DISCONNECTED = np.flatnonzero(~nb201.is_connected(nb201.cell_ops())).tolist()


def fresh(path: Path, **changes: Any) -> Folder:
    return Folder.open(path, SETTINGS | changes, SESSION)


def part_files(folder: Path) -> list[Path]:
    return sorted((folder / "parts").glob("*.parquet"))


def everything(folder: Path) -> dict[str, bytes]:
    """Every file's bytes, but for the empty lock file."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def numbered(n: int) -> Record:
    return Record(n, 0, {"pjs": n + 0.5, "js": math.nan}, {"pjs": 0.25})


def table_of(records: Iterable[Record], requests: Sequence[Request], **changes: Any) -> pa.Table:
    options: dict[str, Any] = {"merged": True, "num_classes": 10, "image_size": 32}
    return assemble(to_table(records), requests, ORDER, **(options | changes))


def one_sentence(error: pytest.ExceptionInfo[BaseException]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


def run_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )


# ---- records


def test_records_survive_the_long_table() -> None:
    records = [
        Record(1, -(2**63), {"js": math.nan, "pjs": math.inf}, {}),
        Record(1, 2**63 - 1, {"pjs": 1 / 3}, {"jacobian": 0.5, "pjs": 2.0}),
        Record(15624, 0, {}, {"js": 1.0}),
    ]
    back = from_table(to_table(reversed(records)))
    assert [(r.cell, r.seed) for r in back] == [(r.cell, r.seed) for r in records]
    assert math.isnan(back[0].scores["js"])
    assert back[0].scores["pjs"] == math.inf
    assert back[1:] == records[1:]


@pytest.mark.parametrize(("cell", "seed"), [(-1, 0), (15625, 0), (0, 2**63)])
def test_record_refuses_what_the_columns_cannot_hold(cell: int, seed: int) -> None:
    with pytest.raises(ResultsError, match=r"expected .* got"):
        Record(cell, seed, {})


# ---- manifest


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
            folder.request(range(15625), [0], ["js", "pjs"])
            folder.request(reversed(range(15625)), [0, 0], ["pjs", "js", "js"])
            folder.request([4], [int(session["jax"])], ["js"])
    loaded = Folder.load(tmp_path / "out")
    assert loaded.requests == (
        Request(tuple(range(15625)), (0,), ("js", "pjs")),
        Request((4,), (1,), ("js",)),
        Request((4,), (2,), ("js",)),
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
        folder.request(cells, seeds, columns)


def test_requests_refuse_cells_that_do_not_exist(tmp_path: Path) -> None:
    with fresh(tmp_path) as folder, pytest.raises(ResultsError, match=r"got 3\.\.15625"):
        folder.request([3, 15625], [0], ["js"])


def test_reopening_with_nothing_new_rewrites_nothing(tmp_path: Path) -> None:
    with fresh(tmp_path) as folder:
        folder.request([1], [0], ["js"])
    os.utime(tmp_path / "manifest.json", (0, 0))
    with fresh(tmp_path) as folder:
        folder.request([1], [0], ["js"])
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
    content = json.loads(dump(Manifest(SETTINGS, (SESSION,), (Request((1,), (0,), ("js",)),))))
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


def test_manifest_is_read_back() -> None:
    manifest = parse(manifest_bytes(), "here")
    assert manifest == Manifest(SETTINGS, (SESSION,), (Request((1,), (0,), ("js",)),))


def test_newer_manifest_is_refused() -> None:
    with pytest.raises(ResultsError, match=r"newer jaxnas \(format version 2.*update jaxnas"):
        parse(manifest_bytes(version=2, settings="whatever"), "here")


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


# ---- parts


def test_appended_scores_are_known_after_reopening(tmp_path: Path) -> None:
    records = [numbered(3), numbered(1)]
    with fresh(tmp_path) as folder:
        assert folder.known() == {}
        assert folder.records() == []
        folder.append(records[:1])
        folder.append([])
        folder.append(records[1:])
        folder.append([Record(3, 1, {}, {"pjs": 1.0}), Record(3, 2, {"jsc": 0.25})])
    assert len(part_files(tmp_path)) == 3
    for folder in (Folder.load(tmp_path), fresh(tmp_path)):
        assert folder.known() == {(1, 0): {"pjs", "js"}, (3, 0): {"pjs", "js"}, (3, 2): {"jsc"}}
        one, three, timed, other = folder.records()
        assert (one.cell, three.cell, timed.seconds) == (1, 3, {"pjs": 1.0})
        assert one.scores["pjs"] == 1.5
        assert math.isnan(one.scores["js"])
        assert one.seconds == {"pjs": 0.25}
        assert other == Record(3, 2, {"jsc": 0.25}, {})
        folder.close()


def test_of_repeated_scores_the_first_written_wins(tmp_path: Path) -> None:
    for number in range(12):  # more than ten, so that names must sort as numbers do
        with fresh(tmp_path) as folder:
            folder.append([Record(5, 0, {"js": number, f"own{number}": number})])
    with fresh(tmp_path) as folder:
        folder.append([Record(6, 0, {}, {"js": 9.0})])  # seconds alone take no score's place
        folder.append([Record(6, 0, {"js": 2.0}), Record(6, 0, {"js": 3.0})])
        scores = {record.cell: record.scores for record in folder.records()}
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
            folder.request([1], [0], ["js"])


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
            assert reader.known().keys() == rest
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # warned about once
            assert {(r.cell, r.seed) for r in reader.records()} == rest
        assert victim.exists()
        with fresh(tmp_path) as folder:
            with pytest.warns(UserWarning, match=r"is damaged .* set aside as .* count as missing"):
                assert folder.known().keys() == rest
            assert aside.read_bytes() == data
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                assert {(r.cell, r.seed) for r in folder.records()} == rest
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
        folder.append_part(bytes(sink.getvalue()))
        folder.append_part(b"no parquet at all")
        with pytest.warns(UserWarning) as caught:
            assert folder.known() == {}
    assert "its columns are a" in str(caught[0].message)
    assert "not Parquet" in str(caught[1].message)


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


APPENDS = """
    import sys
    from jaxnas.results import Folder, Record
    with Folder.open(sys.argv[1], {"batch_size": 64}, {"run": int(sys.argv[2])}) as folder:
        folder.request(range(15625), [int(sys.argv[2])], ["pjs"])
        for n in range(15625):
            folder.append([Record(n, int(sys.argv[2]), {"pjs": n + 0.5, "js": -1.0})])
            print(n, flush=True)
"""


@pytest.mark.parametrize("delay", [0.0, 0.003, 0.011])
def test_killed_writer_loses_nothing_that_append_returned_from(
    tmp_path: Path, delay: float
) -> None:
    written = set()
    for run in range(2):
        process = run_python(APPENDS, tmp_path, run)
        assert process.stdout is not None
        for _ in range(5):
            process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
        done = 5 + rest.count("\n")
        written |= {(n, run) for n in range(done)}
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no part is damaged
            with Folder.open(tmp_path, {"batch_size": 64}) as folder:
                known = folder.known()
        extra = known.keys() - written
        assert written <= known.keys()
        assert extra <= {(done, run)}  # at most the one that was being reported
        written |= extra
        assert all(names == {"pjs", "js"} for names in known.values())
        assert folder.requests[-1] == Request(tuple(range(15625)), (run,), ("pjs",))
    assert not [path for path in tmp_path.rglob("*.tmp")]


DYING = """
    import os, signal, sys
    from jaxnas.results import Folder, Record
    folder = Folder.open(sys.argv[1], {})
    folder.append([Record(1, 0, {"js": 1.0})])
    def die(*_): os.kill(os.getpid(), signal.SIGKILL)
    setattr(os, sys.argv[2], die)
    if sys.argv[3] == "append":
        folder.append([Record(2, 0, {"js": 1.0})])
    else:
        folder.request([2], [0], ["js"])
"""


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("action", ["append", "request"])
def test_death_within_a_write_leaves_the_state_before(
    tmp_path: Path, call: str, action: str
) -> None:
    process = run_python(DYING, tmp_path, call, action)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".*.tmp"))) == 1
    with Folder.open(tmp_path, {}) as folder:
        assert folder.known().keys() == {(1, 0)}
        assert folder.requests == ()
    assert not list(tmp_path.rglob(".*.tmp"))


def test_content_is_on_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[str, Any]] = []
    fsync, replace = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        calls.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        calls.append(("replace", str(source)))
        replace(source, target)

    with fresh(tmp_path) as folder:
        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(os, "replace", noted_replace)
        folder.append([numbered(1)])
    temporary = calls[0][1]
    assert Path(temporary).parent == tmp_path / "parts"
    assert calls == [
        ("fsync", temporary),
        ("replace", temporary),
        ("fsync", str(tmp_path / "parts")),
    ]


def test_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    first = fresh(tmp_path)
    with pytest.raises(ResultsError, match="is being written by another jaxnas process"):
        fresh(tmp_path)
    Folder.load(tmp_path).known()  # reading is free
    first.append([numbered(1)])
    first.close()
    process = run_python(APPENDS, tmp_path / "other", 0)
    assert process.stdout is not None
    process.stdout.readline()
    with pytest.raises(ResultsError, match="is being written by another jaxnas process"):
        Folder.open(tmp_path / "other", {"batch_size": 64})
    process.kill()
    process.stdout.read()
    process.wait()
    Folder.open(tmp_path / "other", {"batch_size": 64}).close()


# ---- disks that refuse (permissions do not bind root, so other refusals stand in)


def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from jaxnas.results import Folder, Record, ResultsError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        folder = Folder.open(sys.argv[1], {})
        folder.append([Record(1, 0, {"js": 1.0})])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        actions = [
            lambda: folder.append([Record(2, 0, {"js": 1.0})]),
            lambda: folder.request(range(0, 15625, 2), [0], ["js"]),
        ]
        for action in actions:
            try:
                action()
            except ResultsError as error:
                print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        folder.append([Record(3, 0, {"js": 1.0})])
    """
    process = run_python(code, tmp_path / "out")
    output, _ = process.communicate()
    lines = output.splitlines()
    assert process.returncode == 0
    assert len(lines) == 2
    assert "parquet could not be written (File too large): expected a folder on a disk" in lines[0]
    assert "manifest.json could not be written (File too large)" in lines[1]
    assert not list((tmp_path / "out").rglob("*.tmp"))
    folder = Folder.load(tmp_path / "out")
    assert folder.known().keys() == {(1, 0), (3, 0)}
    assert folder.requests == ()


def test_places_where_nothing_can_be_made_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file/out", Path("/proc/jaxnas")):
        with pytest.raises(ResultsError, match=r"could not be created \(.+\): expected a folder"):
            fresh(path)
    assert (tmp_path / "file").read_text() == "mine"


def test_refused_replacement_removes_the_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").mkdir()  # a file cannot replace a folder
    table = table_of([], [Request((1,), (0,), ("js",))])
    with pytest.raises(ResultsError, match=r"scores\.parquet could not be written \(Is a dir"):
        write_table(table, tmp_path / "scores.parquet", settings=SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]


# ---- derived scores


def columns_from(values: dict[str, list[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in values.items()}


HAND = columns_from(
    {
        "js": [-100.0, -60.0],
        "js_n0.1": [-90.0, -60.0],
        "js_n10": [-80.0, -20.0],
        "js_n100": [0.0, -70.0],
        "jsc": [0.5, 0.8],
        "jsc_n0.1": [0.25, 0.8],
        "jsc_n10": [0.75, 0.3],
        "jsc_n100": [0.5, 0.3],
    }
)  # js~ = 0, .4; with noise .1 and .4, .2 and .8, 1 and .3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sns", [0.9, 1.0]),
        ("lns", [0.8, 0.6]),
        ("mnjs", [0.0, 0.4 * 1.0 * 0.6 * 0.9]),
        ("snsc", [0.75, 1.0]),
        ("lnsc", [0.75, 0.5]),
        ("mnjsc", [0.5 * 0.75 * 0.75 * 1.0, 0.8 * 1.0 * 0.5 * 0.5]),
    ],
)
def test_derived_scores_by_hand(name: str, expected: list[float]) -> None:
    assert derived.js_range(HAND) == (-100.0, 0.0)
    needed = {base: HAND[base] for base in REQUIRES[name]}
    np.testing.assert_allclose(derived.derive(name, needed, (-100.0, 0.0)), expected, atol=1e-12)


def test_constants_given_rescale_without_clipping() -> None:
    # js~ = -1 and 1; with noise 0.1: -0.5 and 1
    np.testing.assert_allclose(derived.derive("sns", HAND, (-80.0, -60.0)), [0.5, 1.0])
    np.testing.assert_allclose(derived.derive("mnjsc", HAND, None)[0], 0.28125)


def test_range_ignores_what_is_not_finite() -> None:
    columns = columns_from({name: [math.nan, -math.inf, math.inf] for name in JS})
    assert derived.js_range(columns) is None
    columns["js_n10"][0] = -3.0
    columns["js"][0] = 4.0
    assert derived.js_range(columns) == (-3.0, 4.0)


def test_js_that_never_varies_makes_no_noise_score() -> None:
    for limits in ((-90.0, -90.0), None):
        for name in derived.RESCALED:
            assert np.isnan(derived.derive(name, HAND, limits)).all()
        assert np.isfinite(derived.derive("snsc", HAND, limits)).all()


def test_every_derived_score_names_what_it_needs() -> None:
    assert with_bases(["mnjsc", "pjs", "lns"]) == ("mnjsc", "pjs", "lns", *JSC, *JS)
    for name, bases in REQUIRES.items():
        derived.derive(name, {base: HAND[base] for base in bases}, (0.0, 1.0))
    assert set(REQUIRES) == {"sns", "snsc", "lns", "lnsc", "mnjs", "mnjsc"}


@pytest.mark.parametrize("limits", [(1.0, 1.0), (2.0, 1.0), (math.nan, 1.0), (0.0, math.inf)])
def test_constants_that_are_no_range_are_refused(limits: tuple[float, float]) -> None:
    with pytest.raises(ResultsError, match="low < high"):
        table_of([], [Request((1,), (0,), ("sns",))], noise_range=limits)


# ---- the table


def slow_table(
    records: Sequence[Record],
    requests: Sequence[Request],
    merged: bool,
    noise_range: tuple[float, float] | None,
) -> list[dict[str, Any]]:
    """`assemble` as one would write it on a blackboard, row by row; null is None."""
    asked: dict[tuple[int, int], set[str]] = {}
    for request in requests:
        for cell, seed in itertools.product(request.cells, request.seeds):
            asked.setdefault((cell, seed), set()).update(with_bases(request.columns))
    stored: dict[tuple[int, int, str], float] = {}
    for record in records:
        for name, value in record.scores.items():
            stored.setdefault((record.cell, record.seed, name), value)
    rows = []
    for cell, seed in sorted(asked):
        ops = nb201.index_to_ops(cell)
        function = int(nb201.representatives()[cell])
        row: dict[str, Any] = {
            "cell": cell,
            "arch": nb201.index_to_arch(cell),
            "function": function,
            "seed": seed,
            "status": "ok" if nb201.is_connected(ops) else "disconnected",
        }
        for name in (name for name in ORDER if any(name in names for names in asked.values())):
            score = stored.get((function if merged else cell, seed, name))
            row[name] = slow_value(name, ops, score) if name in asked[cell, seed] else None
        rows.append(row)
    finite = [row[name] for row in rows for name in JS if name in row and row[name] is not None]
    finite = [value for value in finite if math.isfinite(value)]
    limits = noise_range or ((min(finite), max(finite)) if finite else (0.0, 0.0))
    for row in rows:
        for name in [name for name, value in row.items() if value == "derived"]:
            row[name] = slow_derived(name, row, limits)
        values = [value for value in row.values() if isinstance(value, float)]
        if row["status"] == "ok" and not all(map(math.isfinite, values)):
            row["status"] = "nonfinite"
    return rows


def slow_value(name: str, ops: tuple[int, ...], score: float | None) -> float | str | None:
    if name == "params":
        return int(nb201.num_params(ops, 7))
    if name == "flops":
        return int(nb201.num_flops(ops, 7, 16))
    if not nb201.is_connected(ops):
        return math.nan
    return "derived" if name in REQUIRES else score


def slow_derived(name: str, row: dict[str, Any], limits: tuple[float, float]) -> float | None:
    if any(row[base] is None for base in REQUIRES[name]):
        return None
    low, high = limits
    base = "jsc" if name.endswith("c") else "js"
    if base == "js" and low == high:
        return math.nan

    def scaled(column: str) -> float:
        return float((row[column] - low) / (high - low) if base == "js" else row[column])

    levels = {"s": ["n0.1"], "l": ["n10"], "m": ["n0.1", "n10", "n100"]}[name[0]]
    result = scaled(base) if name[0] == "m" else 1.0
    for level in levels:
        result *= 1 - abs(scaled(base) - scaled(f"{base}_{level}"))
    return result


# A few cells that share functions, some disconnected, and one that shares with none of them.
_COPIES = np.bincount(nb201.representatives(), minlength=nb201.NUM_CELLS)
_FUNCTIONS = [f for f in np.flatnonzero(_COPIES > 2).tolist() if f not in DISCONNECTED][:3]
_MATES = [np.flatnonzero(nb201.representatives() == f)[:3].tolist() for f in _FUNCTIONS]
CELLS = sorted({*itertools.chain(*_MATES), *DISCONNECTED[:2], 1234})

some_cells = st.lists(st.sampled_from(CELLS), min_size=1, max_size=6)
some_seeds = st.lists(st.sampled_from([-7, 0, 3, 10**12]), min_size=1, max_size=3)
some_values = st.one_of(
    st.floats(-100, 100), st.sampled_from([math.nan, -math.nan, math.inf, -math.inf])
)
some_records = st.lists(
    st.builds(
        Record,
        st.sampled_from(CELLS),
        st.sampled_from([-7, 0, 3, 10**12, 99]),
        st.dictionaries(st.sampled_from(["pjs", "unasked", *JS, *JSC]), some_values, min_size=1),
    ),
    max_size=20,
)
some_requests = st.lists(
    st.builds(
        lambda cells, seeds, columns: Request(tuple(cells), tuple(seeds), tuple(columns)),
        some_cells,
        some_seeds,
        st.lists(st.sampled_from(ORDER), min_size=1, max_size=5),
    ),
    min_size=1,
    max_size=3,
)


@settings(max_examples=120, deadline=None)
@given(some_records, some_requests, st.booleans(), st.sampled_from([None, (-50.0, 50.0)]))
def test_table_is_what_a_plain_loop_gives(
    records: list[Record],
    requests: list[Request],
    merged: bool,
    noise_range: tuple[float, float] | None,
) -> None:
    table = table_of(
        records, requests, merged=merged, num_classes=7, image_size=16, noise_range=noise_range
    )
    expected = slow_table(records, requests, merged, noise_range)
    assert table.schema.names == list(expected[0])
    for got, wanted in zip(table.to_pylist(), expected, strict=True):
        for name, value in wanted.items():
            if isinstance(value, float) and math.isfinite(value):
                assert got[name] == pytest.approx(value, rel=1e-12, abs=1e-12)
            elif isinstance(value, float):
                assert got[name] == value or (math.isnan(got[name]) and math.isnan(value))
            else:
                assert got[name] == value


def test_types_of_the_table() -> None:
    table = table_of([], [Request((1,), (0,), ("params", "flops", "mnjs"))])
    types = {field.name: str(field.type) for field in table.schema}
    assert types == {
        "cell": "int32",
        "arch": "string",
        "function": "int32",
        "seed": "int64",
        "status": "string",
        "params": "int64",
        "flops": "int64",
    } | dict.fromkeys([*JS, "mnjs"], "double")


def test_null_is_not_scored_or_not_asked_and_nan_is_failed(tmp_path: Path) -> None:
    dead = DISCONNECTED[0]
    cells = sorted({1, 2, 3, dead})
    requests = [Request(tuple(cells), (0,), ("pjs",)), Request((2,), (0,), ("js",))]
    records = [Record(1, 0, {"pjs": math.nan, "js": 1.0}), Record(2, 0, {"pjs": 1.0, "js": 2.0})]
    write_table(table_of(records, requests, merged=False), tmp_path / "t.parquet", settings={})
    rows = {row["cell"]: row for row in pq.read_table(tmp_path / "t.parquet").to_pylist()}
    assert math.isnan(rows[1]["pjs"])  # failed
    assert rows[1]["js"] is None  # scored, but never asked for
    assert rows[2]["js"] == 2.0
    assert rows[3]["pjs"] is None  # not scored yet
    assert math.isnan(rows[dead]["pjs"])  # has no gradient
    assert rows[dead]["js"] is None
    status = {cell: row["status"] for cell, row in rows.items()}
    assert status == {1: "nonfinite", 2: "ok", 3: "ok", dead: "disconnected"}


def test_disconnected_cells_are_nan_whatever_was_recorded() -> None:
    dead = DISCONNECTED[3]
    request = Request((dead,), (0,), ("pjs", "params"))
    for records in (
        [],
        [Record(dead, 0, {"pjs": 5.0})],
        [Record(DISCONNECTED[0], 0, {"pjs": 5.0})],
    ):
        (row,) = table_of(records, [request]).to_pylist()
        assert math.isnan(row["pjs"])
        assert row["params"] == nb201.num_params(nb201.index_to_ops(dead))


def test_merged_cells_take_the_scores_of_their_representative() -> None:
    function, copy = _MATES[1][:2]
    records = [Record(function, 0, {"pjs": 1.0}), Record(copy, 0, {"pjs": 2.0})]
    requests = [Request((function, copy), (0,), ("pjs",))]
    for merged, expected in ((True, [1.0, 1.0]), (False, [1.0, 2.0])):
        table = table_of(records, requests, merged=merged)
        assert table["pjs"].to_pylist() == expected
        assert table["function"].to_pylist() == [function, function]


def test_noise_range_is_kept_with_the_table(tmp_path: Path) -> None:
    records = [
        Record(cell, 0, {name: float(HAND[name][n]) for name in JS})
        for n, cell in enumerate((1, 2))
    ]
    requests = [Request((1, 2), (0,), ("sns",))]
    for given_range, expected in ((None, (-100.0, 0.0)), ((-200.0, 0.1), (-200.0, 0.1))):
        table = table_of(records, requests, merged=False, noise_range=given_range)
        write_table(table, tmp_path / "t.parquet", settings=SETTINGS)
        assert used_noise_range(pq.read_table(tmp_path / "t.parquet")) == expected
    assert used_noise_range(table_of(records, [Request((1,), (0,), ("js", "snsc"))])) is None
    assert used_noise_range(table_of([], requests)) is None


def test_nan_has_one_bit_pattern_however_it_came_about() -> None:
    record = Record(1, 0, {"pjs": -math.nan, **dict.fromkeys([*JS, *JSC], math.inf)})
    table = table_of([record], [Request((1,), (0,), ("pjs", *REQUIRES))], noise_range=(0.0, 1.0))
    for name in ("pjs", *REQUIRES):
        assert table[name].to_numpy().tobytes() == np.array([np.nan]).tobytes()


def test_table_refuses_columns_and_requests_it_cannot_place() -> None:
    with pytest.raises(ResultsError, match="got js2, which this version does not know"):
        table_of([], [Request((1,), (0,), ("js2", "js"))])
    with pytest.raises(ResultsError, match="at least one request"):
        table_of([], [])


def test_bytes_do_not_depend_on_order_or_grouping_of_parts(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    values = generator.normal(-70, 20, (len(CELLS), 3, 8))
    values[0, 0, 0] = np.nan
    values[1, 1, 1] = -np.nan  # another bit pattern
    values[2, 2, 2] = -np.inf
    records = [
        Record(cell, seed, dict(zip((*JS, *JSC), values[n, seed], strict=True)), {"js": n + 0.125})
        for n, cell in enumerate(CELLS)
        for seed in range(3)
    ]
    files = []
    for attempt in range(6):
        out = tmp_path / str(attempt)
        mixed = random.Random(attempt).sample(records, len(records))
        if attempt == 1:  # one score at a time, repeated, with other times and another NaN
            mixed = [
                Record(
                    r.cell,
                    r.seed,
                    {name: -r.scores[name] if math.isnan(r.scores[name]) else r.scores[name]},
                    {"js": 3.0},
                )
                for r in mixed
                for name in r.scores
            ] + mixed
        with Folder.open(out, SETTINGS, {"attempt": attempt}) as folder:
            groups = (1, 7, 100, 13, 2, 50)[attempt]
            for columns in random.Random(attempt).sample([REQUIRES, JS], 2):
                folder.request(reversed(CELLS), [2, 0, 1], columns)
            for start in range(0, len(mixed), groups * (40 if attempt == 1 else 1)):
                folder.append(mixed[start : start + groups * (40 if attempt == 1 else 1)])
            table = assemble(
                folder.scores(), folder.requests, ORDER, merged=False, num_classes=10, image_size=32
            )
            write_table(table, out / "scores.parquet", settings=folder.settings)
        files.append((out / "scores.parquet").read_bytes())
    assert all(data == files[0] for data in files)
    metadata = pq.read_schema(tmp_path / "0/scores.parquet").metadata
    assert json.loads(metadata[b"jaxnas.settings"]) == SETTINGS
    assert metadata[b"jaxnas.format"] == b"1"
    assert b"attempt" not in files[0]
    chunked = pa.concat_tables([table.slice(0, 5), table.slice(5)])
    chunked = chunked.replace_schema_metadata(dict(reversed(table.schema.metadata.items())))
    write_table(chunked, tmp_path / "chunked.parquet", settings=dict(reversed(SETTINGS.items())))
    assert (tmp_path / "chunked.parquet").read_bytes() == files[0]


def test_the_full_space_is_assembled_in_two_seconds() -> None:
    names = tuple(f"score{n}" for n in range(12)) + JS + JSC
    representatives = np.unique(nb201.representatives())
    scores = np.random.default_rng(0).normal(size=(len(representatives), len(names)))
    long = to_table(
        Record(cell, 0, dict(zip(names, row, strict=True)))
        for cell, row in zip(representatives.tolist(), scores.tolist(), strict=True)
    )
    requests = [Request(tuple(range(15625)), (0,), ("params", "flops", *names, *REQUIRES))]
    start = time.process_time()
    table = assemble(
        long,
        requests,
        ("params", "flops", *names, *REQUIRES),
        merged=True,
        num_classes=10,
        image_size=32,
    )
    assert time.process_time() - start < 2
    assert table.num_rows == 15625
    connected = nb201.is_connected(nb201.cell_ops())
    where = np.searchsorted(representatives, nb201.representatives())
    expected = np.where(connected[:, None], scores[where], np.nan)
    for n, name in enumerate(names):
        np.testing.assert_array_equal(table[name].to_numpy(), expected[:, n])


# ---- merging folders


def scored(path: Path, records: Iterable[Record], session: str, **changes: Any) -> Path:
    with Folder.open(path, SETTINGS | changes, {"host": session}) as folder:
        for record in records:
            folder.request([record.cell], [record.seed], record.scores)
            folder.append([record])
    return path


def test_merge_joins_scores_requests_and_sessions(tmp_path: Path) -> None:
    a = scored(tmp_path / "a", [Record(1, 0, {"js": 1.0}, {"js": 3.0})], "one")
    b = scored(tmp_path / "b", [Record(2, 0, {"js": 2.0}), Record(1, 0, {"pjs": 5.0})], "two")
    before = everything(a) | everything(b)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = merge([a, str(b)], tmp_path / "new/out")
    assert (report.parts, report.conflicts, report.largest_difference) == (3, 0, 0.0)
    out = Folder.load(tmp_path / "new/out")
    assert out.known() == {(1, 0): {"js", "pjs"}, (2, 0): {"js"}}
    assert out.records()[0].seconds == {"js": 3.0}
    assert out.requests == Folder.load(a).requests + Folder.load(b).requests
    assert out.manifest.sessions == ({"host": "one"}, {"host": "two"})
    assert out.settings == SETTINGS
    assert everything(a) | everything(b) == before
    with fresh(tmp_path / "new/out") as folder:  # and it goes on as any other folder
        folder.append([numbered(9)])


def test_merge_keeps_the_first_folder_s_values_and_counts_the_others(tmp_path: Path) -> None:
    nan = math.nan
    first = [
        Record(1, 0, {"js": 1.0, "pjs": 4.0, "jsc": nan}),
        Record(1, 0, {"js": 77.0}),  # loses within its own folder: no conflict
        Record(2, 0, {"js": nan}),
    ]
    second = [Record(1, 0, {"js": 1.0, "pjs": 5.0, "jsc": nan}), Record(3, 0, {"js": 8.0})]
    third = [Record(1, 0, {"pjs": 4.5}), Record(3, 0, {"js": 8.5})]
    a = scored(tmp_path / "a", first, "one")
    b = scored(tmp_path / "b", second, "two")
    c = scored(tmp_path / "c", third, "three")
    with pytest.warns(UserWarning, match=r"2 scores have different values .* 0\.2\): .* first"):
        report = merge([a, b, c], tmp_path / "out")
    assert report.conflicts == 2
    assert report.largest_difference == pytest.approx(0.2)
    values = {record.cell: record.scores for record in Folder.load(tmp_path / "out").records()}
    assert (values[1]["js"], values[1]["pjs"], values[3]["js"]) == (1.0, 4.0, 8.0)
    d = scored(tmp_path / "d", [Record(2, 0, {"js": 1.0})], "four")
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
        assert merge([a], tmp_path / "out").parts == 1
    assert Folder.load(tmp_path / "out").known().keys() == {(2, 0)}
    assert len(part_files(a)) == 2


def test_merge_of_folders_without_scores_is_empty(tmp_path: Path) -> None:
    a = scored(tmp_path / "a", [], "one")
    assert merge([a, a], tmp_path / "out").parts == 0
    assert Folder.load(tmp_path / "out").known() == {}


# ---- the package


def test_results_import_no_engine_and_no_jax() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "pyarrow"}
    files = sorted(Path(results_package.__path__[0]).glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                ours = name.startswith(("jaxnas.results", "jaxnas.spaces"))
                assert ours or name.split(".")[0] in allowed, f"{file.name} imports {name}"


def test_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with fresh(tmp_path / "out") as folder:
            folder.append([numbered(1)])
    finally:
        os.umask(old)
    for path in [tmp_path / "out/manifest.json", *part_files(tmp_path / "out")]:
        assert path.stat().st_mode & 0o777 == 0o640
