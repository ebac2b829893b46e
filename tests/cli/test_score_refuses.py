"""`jaxnas score` on bad input: one line, exit status 2, nothing written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import DARTS, NB201, Call, assert_refused

COUNTS = ["--proxies", "params,flops", "--no-cache"]


def save_npz(path: Path, **changes: Any) -> Path:
    arrays = {"x_train": np.zeros((8, 8, 8, 3), np.uint8), "y_train": np.arange(8) % 2}
    np.savez(path, **(arrays | changes))
    return path


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--proxies", "jss"], ["'js'"]),
        (["--proxies", "params,,js"], ["proxies", "empty name", "jaxnas proxies"]),
        (["--proxies", "js+params"], ["js+params"]),
        (["--cells", "|nor_conv_3x4~0|+|none~0|none~1|+|none~0|none~1|none~2|"],
         ["edge 0->1", "nor_conv_3x3"]),
        (["--cells", "15625"], ["15624"]),
        (["--cells", "@none.txt"], ["none.txt", "No such file"]),
        (["--cells", DARTS.published["darts-v1"]],
         ["NAS-Bench-201", "got one of the DARTS space; choose the space darts"]),
        (["--space", "darts", "--cells", NB201.arch(7)],
         ["the DARTS space", "got one of NAS-Bench-201; choose the space nb201"]),
        (["--space", "darts", "--cells", "7"], ["DARTS", "indices"]),
        (["--space", "darts", "--cells", "all"], ["random:N"]),
        (["--space", "dart"], ["--space", "score --help"]),
        (["--batch-size", "1501"], ["1501", "1,500"]),
        (["--batch-size", "1"], ["--batch-size", "from 2 to"]),
        (["--channels", "0"], ["--channels", "from 1 to 4096"]),
        (["--seeds", "a"], ["seeds"]),
        (["--dataset", "cifar11"], ["cifar11", "cifar10"]),
        (["--dataset", "none.npz"], ["none.npz"]),
        (["--dataset", "imagenet16-120", "--data-dir", "nowhere"], ["nowhere"]),
        (["--noise-range", "3", "1"], ["--noise-range: expected finite LOW < HIGH, got 3.0 1.0"]),
        (["--bn", "x"], ["--bn", "score --help"]),
        (["--devices", "0"], ["--devices"]),
        (["--nonsense"], ["--nonsense", "score --help"]),
        (["extra"], ["extra"]),
    ],
)  # fmt: skip
def test_bad_input(call: Call, arguments: list[str], words: list[str]) -> None:
    assert_refused(call("score", *COUNTS, "--out", "runs/new", *arguments), *words)
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_train": np.zeros((8, 8, 8, 3), np.float32)}, ["x_train", "uint8"]),
        ({"x_train": np.full((8, 8, 8, 3), np.nan)}, ["NaN"]),
        ({"x_train": np.zeros((8, 3, 8, 8), np.uint8)}, ["channels last"]),
        ({"x_train": np.zeros((8, 6, 6, 3), np.uint8)}, ["multiple of 4", "6x6"]),
        ({"y_train": np.arange(7)}, ["y_train"]),
    ],
)
def test_bad_images(call: Call, changes: dict[str, Any], words: list[str]) -> None:
    save_npz(Path("x.npz"), **changes)
    result = call("score", *COUNTS, "--dataset", "x.npz", "--batch-size", "4")
    assert_refused(result, *words)
    assert [path.name for path in Path().iterdir()] == ["x.npz"]


def test_corrupt_images(call: Call) -> None:
    file = save_npz(Path("x.npz"))
    file.write_bytes(file.read_bytes()[:-100])
    assert_refused(call("score", *COUNTS, "--dataset", file), "x.npz")
    assert not Path("runs").exists()


@pytest.mark.parametrize("option", ["--out", "--cache-dir"])
def test_folder_that_is_a_file(call: Call, option: str) -> None:
    Path("file").write_text("mine")
    result = call("score", "--proxies", "params", option, "file")
    assert_refused(result, "file: expected a folder", "got a file")
    assert Path("file").read_text() == "mine"
    assert len(list(Path().iterdir())) == 1


def test_folder_below_a_file(call: Call) -> None:
    Path("file").write_text("mine")
    assert_refused(call("score", *COUNTS, "--out", "file/run"), "file/run")


def test_full_disk(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert_refused(call("score", *COUNTS, "--out", "run"), "No space left")
    assert [
        path for path in Path("run").rglob("*") if path.is_file() and path.name != ".lock"
    ] == []


def test_other_settings_are_refused(call: Call) -> None:
    assert call("score", *COUNTS, "--out", "run", "--cells", "0:3")[0] == 0
    before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
    result = call("score", *COUNTS, "--out", "run", "--cells", "0:4", "--batch-size", "32")
    assert_refused(result, "batch_size 64", "32")
    assert before == {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
