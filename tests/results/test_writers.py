"""Writers that are killed, or whose disk refuses."""

from __future__ import annotations

import os
import signal
import time
import warnings
from pathlib import Path
from typing import Any

import pytest
from results_cases import SETTINGS, fresh, known, numbered, request, run_python, table_of

from jaxnas.results import Folder, ResultsError
from jaxnas.results.table import write_table

APPENDS = """
    import sys
    from jaxnas.results import Folder, Record, Request
    from jaxnas.spaces import DEFAULT
    archs = [DEFAULT.arch(n) for n in range(15625)]
    with Folder.open(sys.argv[1], {"batch_size": 64}, {"run": int(sys.argv[2])}) as folder:
        folder.request(Request(archs, [int(sys.argv[2])], ["pjs"]))
        for n in range(15625):
            folder.append([Record(archs[n], int(sys.argv[2]), {"pjs": n + 0.5, "js": -1.0})])
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
                found = known(folder)
        extra = found.keys() - written
        assert written <= found.keys()
        assert extra <= {(done, run)}  # at most the one that was being reported
        written |= extra
        assert all(names == {"pjs", "js"} for names in found.values())
        assert folder.requests[-1] == request(range(15625), (run,), ("pjs",))
    assert not [path for path in tmp_path.rglob("*.tmp")]


DYING = """
    import os, signal, sys
    from jaxnas.results import Folder, Record, Request
    from jaxnas.spaces import DEFAULT
    folder = Folder.open(sys.argv[1], {})
    folder.append([Record(DEFAULT.arch(1), 0, {"js": 1.0})])
    def die(*_): os.kill(os.getpid(), signal.SIGKILL)
    setattr(os, sys.argv[2], die)
    if sys.argv[3] == "append":
        folder.append([Record(DEFAULT.arch(2), 0, {"js": 1.0})])
    else:
        folder.request(Request([DEFAULT.arch(2)], [0], ["js"]))
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
        assert known(folder).keys() == {(1, 0)}
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


def test_full_disk_is_one_sentence_and_leaves_nothing_half_written(tmp_path: Path) -> None:
    code = """
        import resource, signal, sys
        from jaxnas.results import Folder, Record, Request, ResultsError
        from jaxnas.spaces import DEFAULT
        arch = DEFAULT.arch
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        folder = Folder.open(sys.argv[1], {})
        folder.append([Record(arch(1), 0, {"js": 1.0})])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
        actions = [
            lambda: folder.append([Record(arch(2), 0, {"js": 1.0})]),
            lambda: folder.request(Request([arch(n) for n in range(0, 15625, 2)], [0], ["js"])),
        ]
        for action in actions:
            try:
                action()
            except ResultsError as error:
                print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        folder.append([Record(arch(3), 0, {"js": 1.0})])
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
    assert known(folder).keys() == {(1, 0), (3, 0)}
    assert folder.requests == ()


def test_places_where_nothing_can_be_made_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for path in (tmp_path / "file", tmp_path / "file/out", Path("/proc/jaxnas")):
        with pytest.raises(ResultsError, match=r"could not be created \(.+\): expected a folder"):
            fresh(path)
    assert (tmp_path / "file").read_text() == "mine"


def test_refused_replacement_removes_the_temporary_file(tmp_path: Path) -> None:
    (tmp_path / "scores.parquet").mkdir()  # a file cannot replace a folder
    table = table_of([], [request((1,), (0,), ("js",))], settings=SETTINGS)
    with pytest.raises(ResultsError, match=r"scores\.parquet could not be written \(Is a dir"):
        write_table(table, tmp_path / "scores.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["scores.parquet"]
