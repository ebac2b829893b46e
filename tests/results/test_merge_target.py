"""The folder of a merge: whole or not at all, whenever it is killed, wherever it shall go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hostile_results import ARCHS, copy_finished, write_finished
from results_cases import everything, run_python

from jaxnas import scoring
from jaxnas.results import Folder, Record, Request, ResultsError, read_finished
from jaxnas.results.folder import lock_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from jaxnas import scoring

    sources, out = sys.argv[1:3], Path(sys.argv[3])
    left, watched = [0], {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "shutil.rmtree"}

    def hook(event, arguments):
        if left[0] and event in watched and str(arguments[0]).startswith(str(out.parent)):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)

    def merged(calls):
        if pid := os.fork():
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        left[0] = calls
        scoring.merge(sources, out)
        os._exit(0)

    def contents(folder):
        return {
            str(p.relative_to(folder)): p.read_bytes()
            for p in folder.rglob("*") if p.is_file() and p.name != ".lock"
        }

    scoring.merge(sources)  # what is computed once is, before the processes part
    assert merged(0) == 0
    whole, calls = contents(out), 0  # every third call, to be quick
    while True:
        os.system(f"rm -r {out}")
        calls += 3
        status = merged(calls)
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        assert not out.exists() or contents(out) == whole, calls
        assert merged(0) == 0, calls
        assert contents(out) == whole, calls
        assert [p.name for p in out.parent.iterdir()] == [out.name], calls
    print(calls)
"""


def test_a_merge_killed_at_any_moment_is_repeated_to_the_same_bytes(tmp_path: Path) -> None:
    copy_finished(tmp_path / "a")
    write_finished(tmp_path / "b")
    before = everything(tmp_path / "a")
    (tmp_path / "made").mkdir()
    process = run_python(KILLED, tmp_path / "a", tmp_path / "b", tmp_path / "made/out")
    output, _ = process.communicate()
    assert process.returncode == 0
    assert int(output) > 15  # moments at which it was killed
    assert everything(tmp_path / "a") == before


def test_a_merge_that_is_there_already_stays_and_another_is_refused(tmp_path: Path) -> None:
    copy_finished(tmp_path / "a")
    scoring.merge([tmp_path / "a"], tmp_path / "out")
    before = everything(tmp_path / "out")
    scoring.merge([tmp_path / "a", tmp_path / "a"], tmp_path / "out")
    assert everything(tmp_path / "out") == before
    with Folder.open(tmp_path / "b", Folder.load(tmp_path / "a").settings) as folder:
        folder.request(Request(ARCHS, (1,), ("js",)))
        folder.append([Record(ARCHS[0], 1, {"js": 1.0})])
    for sources in (["a", "b"], ["b"]):
        with pytest.raises(ResultsError, match="out is not empty"):
            scoring.merge([tmp_path / name for name in sources], tmp_path / "out")
    assert everything(tmp_path / "out") == before
    assert names(tmp_path) == ["a", "b", "out"]


def test_a_merge_goes_neither_into_a_source_nor_over_anything(tmp_path: Path) -> None:
    copy_finished(tmp_path / "a")
    before = everything(tmp_path / "a")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/notes").write_text("mine")
    for out in ("a", "a/parts", "a/parts/new", "a/new/er", "link", "link/new", "full"):
        for sources in ([tmp_path / "a"], [read_finished(tmp_path / "a"), tmp_path / "link"]):
            with pytest.raises(ResultsError, match="is not empty: expected an absent or empty"):
                scoring.merge(sources, tmp_path / out)
    for out in ("file", "file/out"):
        with pytest.raises(
            ValueError, match="expected a folder, or a path where there is none, got"
        ):
            scoring.merge([tmp_path / "a"], tmp_path / out)
    assert everything(tmp_path / "a") == before
    assert names(tmp_path) == ["a", "file", "full", "link"]


def test_a_merge_takes_the_place_of_an_empty_folder_or_of_one_that_a_link_leads_to(
    tmp_path: Path,
) -> None:
    copy_finished(tmp_path / "a")
    (tmp_path / "empty").mkdir()
    (tmp_path / "link").symlink_to("empty")
    scoring.merge([tmp_path / "a"], tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert read_finished(tmp_path / "empty").equals(read_finished(tmp_path / "a"))
    scoring.merge([tmp_path / "a"], tmp_path / "new/er/out")
    assert everything(tmp_path / "new/er/out") == everything(tmp_path / "empty")


def test_a_failed_merge_leaves_nothing_and_one_at_work_is_not_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_finished(tmp_path / "a")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "full")))
        with pytest.raises(ResultsError, match="No space left"):
            scoring.merge([tmp_path / "a"], tmp_path / "out")
    assert names(tmp_path) == ["a"]
    others = tmp_path / ".out.0123456789abcdef.merging"
    others.mkdir()
    lock = lock_folder(others)
    with pytest.raises(ResultsError, match="is being written by another jaxnas process"):
        scoring.merge([tmp_path / "a"], tmp_path / "out")
    assert others.exists()
    os.close(lock)
    (tmp_path / ".out.mine.merging").mkdir()
    scoring.merge([tmp_path / "a"], tmp_path / "out")
    assert names(tmp_path) == [".out.mine.merging", "a", "out"]
