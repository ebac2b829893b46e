"""Writers that are killed, or whose disk refuses."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from results_cases import SETTINGS, fresh, known, numbered, request, run_python, table_of

from jaxnas.results import Folder, ResultsError
from jaxnas.results.files import check_writable, remove_leftovers, write_atomically
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


def test_a_link_laid_in_a_writer_s_way_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    monkeypatch.setattr(secrets, "token_hex", lambda size: "0" * 2 * size)  # were it foreseen
    (tmp_path / f".data.{'0' * 16}.tmp").symlink_to("precious")
    with pytest.raises(ResultsError, match=r"data could not be written \(File exists\)"):
        write_atomically(tmp_path / "data", b"new")
    monkeypatch.undo()
    (tmp_path / "data").symlink_to("precious")  # and a link in the file's own place is replaced
    write_atomically(tmp_path / "data", b"new")
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "data").is_symlink()
    assert (tmp_path / "data").read_bytes() == b"new"


def test_names_of_files_in_the_making_differ_and_are_known_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, replace = [], os.replace

    def killed(source: Path, target: Path) -> None:
        names.append(Path(source).name)
        shutil.copy(source, tmp_path / "kept")
        replace(source, target)
        (tmp_path / "kept").rename(source)  # as if this process had ended before

    monkeypatch.setattr(os, "replace", killed)
    for name in ("training.json", "log.csv", "a.png", "scores.parquet"):
        write_atomically(tmp_path / name, b"x")
        write_atomically(tmp_path / name, b"x")
    assert len(set(names)) == 8
    monkeypatch.undo()
    (tmp_path / ".a.0123456789abcdef.tmp").mkdir()  # a folder is nobody's leftover
    remove_leftovers(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "training.json", "log.csv", "a.png", "scores.parquet", ".a.0123456789abcdef.tmp"
    }  # fmt: skip


def test_files_are_made_with_the_user_s_usual_rights(tmp_path: Path) -> None:
    (tmp_path / "usual").write_bytes(b"")
    write_atomically(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_whether_a_folder_can_be_written_is_known_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "broken").symlink_to("nothing/at/all")
    for good in ("there", "new", "new/er/and/newer", "there/new"):
        check_writable(tmp_path / good)
    for bad in (tmp_path / "file", tmp_path / "file/new", Path("/proc/jaxnas"), Path("/proc")):
        with pytest.raises(ResultsError, match=r"could not be written \(.+\): expected a folder"):
            check_writable(bad)
    with pytest.raises(ResultsError, match="could not be written"):
        check_writable(tmp_path / "broken")
    with pytest.raises(ResultsError, match="could not be written"):
        check_writable(tmp_path / "new" / ("long" * 100))
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*")} == {
        "there", "file", "broken"
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
def test_what_is_no_file_in_the_lock_s_place_is_refused(tmp_path: Path, kind: str) -> None:
    (tmp_path / "other").write_text("mine")
    lock = tmp_path / "out/.lock"
    lock.parent.mkdir()
    make: dict[str, Callable[[], object]] = {
        "pipe": lambda: os.mkfifo(lock),
        "link": lambda: lock.symlink_to("../other"),
        "folder": lock.mkdir,
        "device": lambda: lock.symlink_to("/dev/null"),
    }
    make[kind]()
    with pytest.raises(ResultsError, match="could not be locked"):
        fresh(tmp_path / "out")
    assert (tmp_path / "other").read_text() == "mine"
