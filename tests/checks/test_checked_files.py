"""Files from outside: what is read, what is refused at once, and in which words."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from jaxnas import checks


def test_a_regular_file_is_read_whole_also_through_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"content")
    link.symlink_to(path)
    assert checks.read_bytes(path, "a table", 7) == b"content"
    assert checks.read_bytes(str(link), "a table", 7) == b"content"
    with checks.opened(path, "a table", 7) as file:
        assert (file.read(3), file.tell()) == (b"con", 3)


def test_a_larger_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(3_200_000_000_000)
    with pytest.raises(OverflowError) as error:
        checks.read_bytes(path, "a table", 16_000_000, OverflowError)
    assert str(error.value) == (
        f"{path} cannot be a table: expected at most 16 MB, got 3.2 TB; give another file"
    )


@pytest.mark.parametrize("kind", ["a folder", "a named pipe", "a device", "a socket"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "file"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/zero")
    else:
        with socket.socket(socket.AF_UNIX) as end:
            end.bind(os.path.relpath(path))  # such addresses are short
    with pytest.raises(ValueError) as error:
        checks.read_bytes(path, "a table", 100)
    assert str(error.value) == (
        f"{path} cannot be a table: expected a regular file, got {kind}; give the path of a file"
    )


def test_a_file_that_holds_more_than_it_claims_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a file that keeps its size, got more than its"):
        checks.read_bytes("/proc/self/status", "a table", 100)


def test_a_path_that_no_file_can_have_is_refused_and_one_of_nothing_is_the_systems(
    tmp_path: Path,
) -> None:
    for path in ("a\0b", "a\ud800b"):
        with pytest.raises(ValueError, match=r"a\\\w+b cannot be a table: expected a path"):
            checks.read_bytes(path, "a table", 100)
    with pytest.raises(FileNotFoundError):
        checks.read_bytes(tmp_path / "nothing", "a table", 100)


def test_damage_is_said_in_one_form_and_on_one_line() -> None:
    assert checks.damaged("a\x1b]0;b\n.npz:x", "numbers", "text", "save it again") == (
        "a\\x1b]0;b\\n.npz:x is damaged: expected numbers, got text; save it again"
    )


def test_sizes_are_rounded_and_have_units() -> None:
    sizes = (0, 999, 999_700, 15_600_000_000, 3 * 10**24)
    assert [checks.in_words(size) for size in sizes] == [
        "0 bytes",
        "999 bytes",
        "1 MB",
        "15.6 GB",
        "3,000,000 EB",
    ]


def test_paths_of_users_are_taken_as_they_are_or_refused(tmp_path: Path) -> None:
    home = Path.home()
    assert checks.user_path("oracle", "~/x") == home / "x"
    assert checks.user_path("oracle", "~nobody-of-that-name/x") == Path("~nobody-of-that-name/x")
    for wrong in (5, None, b"x", ["x"]):
        with pytest.raises(ValueError, match="^oracle: expected a path, got "):
            checks.user_path("oracle", wrong)
    assert checks.is_there(tmp_path)
    for nothing in (tmp_path / "x", "x" * 5000, "a\0b"):
        assert not checks.is_there(nothing)
    assert len(checks.shown("x" * 5000)) == 501
