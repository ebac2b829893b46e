"""Every place of every command for a file or a folder, given what is none that it expects."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
from judging import judge, nothing_computed, some, world

from jaxnas.results import SCORES_FILE
from jaxnas.results.manifest import MANIFEST_FILE

ESCAPES = "\x1b]0;owned\x07\x1b[2J"

# Commands, with what comes before and after the path of a file, and the file's ending.
FILES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "cells": (("score", "--no-cache", "--dataset", "images.npz", "--cells", "@{}"), ".json"),
    "drawn cell": (("draw", "@{}", "--out", "out.png"), ".json"),
    "images to score": (("score", "--no-cache", "--cells", "0", "--dataset", "{}"), ".npz"),
    "images to train on": (
        ("train", "--no-cache", "--cells", "0", "--out", "out", "--dataset", "{}"),
        ".npz",
    ),
    "images to search on": (
        ("search", "darts", "--no-cache", "--out", "out", "--dataset", "{}"),
        ".npz",
    ),
    "oracle in npz": (("oracle", "{}"), ".npz"),
    "oracle in CSV": (("oracle", "{}"), ".csv"),
    "oracle in Parquet": (("oracle", "{}"), ".parquet"),
    "oracle of a simulation": (
        ("simulate", "random", "--dataset", "cifar10", "--runs", "1", "--oracle", "{}"),
        ".csv",
    ),
    "merged table": (("merge", "run", "{}", "--out", "out"), ".parquet"),
}
# Commands that read a folder of results.
FOLDERS: Mapping[str, tuple[str, ...]] = {
    "top": ("top", "{}"),
    "cite": ("cite", "{}"),
    "merge": ("merge", "{}", "--out", "out"),
    "evaluate": (
        *("evaluate", "{}", "--oracle", "table.npz", "--dataset", "cifar10"),
        *("--split", "test", "--epochs", "200", "--out", "out"),
    ),
    "train": ("train", "--top", "{}:js:1", "--dataset", "images.npz", "--out", "out"),
}


def npz(**members: bytes) -> bytes:
    """A zip file of members that hold any bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, data in members.items():
            file.writestr(f"{name}.npy", data)
    return content.getvalue()


def npy(header: str) -> bytes:
    """An array's file with any header and no content."""
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()


TERABYTES = "{'descr': '|u1', 'fortran_order': False, 'shape': (9000000000000,), }\n"
OBJECTS = "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n"
CONTENTS: Mapping[str, bytes] = {
    "nothing": b"",
    "zeros": b"\0" * 10_000,
    "bytes": bytes(range(256)) * 40,
    "escapes": ESCAPES.encode(),
    "one long line": b"x" * 100_000,
    "byte-order mark": "\ufeffcell,cifar10_test_200\n".encode("utf-16"),
    "brackets": b"[" * 200_000,
    "null": b"null",
    "number": b"9" * 5000,
    "infinity": b"[Infinity, NaN, -1e999]",
    "object": json.dumps({ESCAPES: ESCAPES, "architecture": [ESCAPES]}).encode(),
    "archs": json.dumps({"architecture": {"architecture": 10**30}}).encode(),
    "header": f"cell,{ESCAPES}_test_200,cifar10_test_200\n0,1,nan\n".encode(),
    "row": f"cell,cifar10_test_200\n0,{ESCAPES}\n".encode(),
    "repeated column": b"cell,cifar10_test_200,cifar10_test_200\n0,1,2\n",
    "huge cell": b"cell,cifar10_test_200\n99999999999999999999,1\n",
    "quote": b'cell,"cifar10_test_200\n0,1\n' * 1000,
    "gzip": gzip.compress(b"0" * 1000),
    "Parquet": b"PAR1" + b"\xff" * 100 + b"PAR1",
    "Parquet's footer": b"PAR1" + b"\x15\x00" * 50 + (100).to_bytes(4, "little") + b"PAR1",
    "zip of nothing": npz(),
    "zip of escapes": npz(**{ESCAPES: b"x"}),
    "zip of terabytes": npz(x_train=npy(TERABYTES), y_train=npy(TERABYTES), cell=npy(TERABYTES)),
    "zip of objects": npz(x_train=npy(OBJECTS), y_train=npy(OBJECTS), cell=npy(OBJECTS)),
    "zip of anything": npz(x_train=npy("x"), y_train=b"", cell=npy("()" * 9999)),
}
# What is no file: made at a path by a function.
KINDS: Mapping[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "loop": lambda path: path.symlink_to(path),
    "link to zeros": lambda path: path.symlink_to("/dev/zero"),
    "link to a full device": lambda path: path.symlink_to("/dev/full"),
    "link to itself in /proc": lambda path: path.symlink_to("/proc/self/mem"),
    "folder": Path.mkdir,
    "no file": lambda path: None,
}


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[Path]:
    with nothing_computed(), world() as folder:
        yield folder


MAKERS: Mapping[str, Callable[[Path], object]] = {
    **{name: partial(Path.write_bytes, data=data) for name, data in CONTENTS.items()},
    **KINDS,
}


def all_refused(arguments: list[str], path: Path, place: Path) -> None:
    """Calls a command with each hostile thing at a path; all that is wrong is told together."""
    wrong = []
    for name, make in some(list(MAKERS.items()), 10, str(arguments)):
        make(path)
        try:
            found = judge(arguments, place)
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append(f"{name}: {type(error).__name__}: {error}")
        except pytest.fail.Exception as failure:
            wrong.append(f"{name}: {failure}")
        else:
            if found.status != 2 or "hostile" not in found.err:
                wrong.append(f"{name}: {found}")
        finally:
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
    assert not wrong, "\n".join([str(arguments), *wrong])


@pytest.mark.parametrize("where", FILES)
def test_a_file_that_is_none_is_refused_by_its_name(where: str, place: Path) -> None:
    arguments, ending = FILES[where]
    path = place / f"hostile{ending}"
    all_refused([argument.format(path.name) for argument in arguments], path, place)


@pytest.mark.parametrize("file", [MANIFEST_FILE, SCORES_FILE])
@pytest.mark.parametrize("where", FOLDERS)
def test_a_folder_with_a_damaged_file_is_refused_by_its_name(
    where: str, file: str, place: Path
) -> None:
    folder = place / "hostile"
    folder.mkdir()
    try:
        call = [argument.format(folder.name) for argument in FOLDERS[where]]
        all_refused(call, folder / file, place)
    finally:
        shutil.rmtree(folder)
