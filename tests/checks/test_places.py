"""Paths that a user gives, and whether anything can be kept there."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from jaxnas import checks


def refusal(path: object, check=checks.folder_to_write) -> str:
    with pytest.raises(ValueError) as error:
        check("--out", path)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert "expected" in sentence
    return sentence


@pytest.mark.parametrize(
    "path",
    ["", " ", "\n", "a\0b", "x" * 256, "é" * 128, "a/" * 2048, "\ud800", b"x", 3, None, Path("\0")],
    ids=lambda value: repr(value)[:20],
)  # fmt: skip
def test_what_no_file_can_be_called_is_refused(path: object) -> None:
    assert refusal(path, checks.check_path).startswith("--out: expected a path")


def test_other_paths_are_taken_as_they_are() -> None:
    for path in ("x", "x" * 255, "/a/b", "~", ".", "with space"):
        assert checks.check_path("--out", path) == Path(path)


def test_a_folder_that_can_be_made_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for path in (tmp_path, tmp_path / "a", tmp_path / "a/b/c", tmp_path / "link/a"):
        assert checks.folder_to_write("--out", str(path)) == path
    assert [path.name for path in tmp_path.iterdir()] == ["link"]


def test_what_is_in_the_way_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nothing")
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("file", "got a file"),
        ("file/run", "which is a file"),
        ("pipe", "got a file"),
        ("link", "does not"),
        ("link/run", "does not"),
        ("circle", "symbolic links"),
    ):
        assert words in refusal(tmp_path / name)
    assert "got a folder" in refusal(tmp_path, checks.place_to_write)
    assert "no regular file" in refusal(tmp_path / "pipe", checks.place_to_write)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EDQUOT])
def test_a_disk_that_takes_nothing_is_known_before(
    code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        def __init__(self, **_: object) -> None: ...
        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None: ...
        def write(self, _: bytes) -> None:
            raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "TemporaryFile", Full)
    assert os.strerror(code) in refusal(tmp_path / "run")
    assert os.strerror(code) in refusal(tmp_path / "x.png", checks.place_to_write)


def test_places_where_the_system_keeps_nothing() -> None:
    for path in ("/proc/run", "/proc/self/run", "/dev/null/run"):
        refusal(path)
