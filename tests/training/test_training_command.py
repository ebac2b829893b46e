"""`jaxnas train`: killed, resumed, on two devices; its options, and what it refuses."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import little_digits
from rich.console import Console
from tiny_training import CELLS, LITTLE, TINY_DARTS, newest

from jaxnas import training
from jaxnas.cli.commands.train import parse_top, preset_in_words, train
from jaxnas.cli.terminal.progress import TrainingProgress
from jaxnas.spaces import nb201
from jaxnas.training import PRESETS


COMMAND = [
    *("train", "--cells", ",".join(map(str, CELLS)), "--dataset", "x.npz", "--epochs", "6"),
    *("--channels", "4", "--depth", "1", "--batch-size", "64", "--cache-dir", "cache"),
]


def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    flags = "--xla_force_host_platform_device_count=2 --xla_cpu_multi_thread_eigen=false"
    env = os.environ | {"JAXNAS_PLAIN_PROCESS": "1", "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-m", "jaxnas", *COMMAND, *arguments]
    return subprocess.Popen(
        command, cwd=cwd, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_killed_and_resumed_on_one_device_as_on_two(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", **little_digits())
    whole = start(tmp_path, "--out", "whole", "--devices", "2")
    out, err = whole.communicate(timeout=240)
    assert whole.returncode == 0, err
    assert "2 candidates for 6 epochs on 2 devices" in err
    assert "accuracies" in out

    killed = start(tmp_path, "--out", "killed", "--devices", "1")
    saved = tmp_path / "killed" / "candidates" / f"{CELLS[0]}-0" / "checkpoints"
    deadline = time.monotonic() + 200
    while not (saved / "2").exists() and not (saved / "3").exists():
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "candidates" / f"{CELLS[0]}-0" / "outcome.json").exists()

    resumed = start(tmp_path, "--out", "killed", "--devices", "1")
    again, err = resumed.communicate(timeout=240)
    assert resumed.returncode == 0, err
    assert again.count("\n") == out.count("\n")
    for cell in CELLS:
        (epoch, wanted), (epoch_again, found) = (
            newest(tmp_path / run_, str(cell)) for run_ in ("whole", "killed")
        )
        assert epoch == epoch_again == 6
        jax.tree.map(np.testing.assert_array_equal, found, wanted)
    tables = []
    for name in ("accuracies", "curves"):
        for run_ in ("whole", "killed"):
            table = pq.read_table(tmp_path / run_ / f"{name}.parquet")
            tables.append(table.drop_columns("seconds"))
        assert tables[-1].equals(tables[-2])
    assert (tmp_path / "whole" / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_quiet_without_a_terminal() -> None:
    stream = io.StringIO()
    with TrainingProgress("1 device (cpu)", 3, Console(file=stream)) as progress:
        progress.begin(2, 60)
        for _ in range(60):
            progress(("4", 0), 1, 1, 2.3, 10.0)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "training 2 candidates for 3 epochs on 1 device (cpu)"
    assert len(lines) == 2
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=120)
    with TrainingProgress("1 device (cpu)", 3, terminal) as progress:
        progress.begin(1, 2)
        progress(("4", 0), 2, 1, 2.345, 12.3)
    assert "cell 4, epoch 2/3: loss 2.345, training accuracy 12.3 %" in shown.getvalue()


XXFIX@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "x.npz", **little_digits(100, 20))

    def called(*arguments: object) -> tuple[int, str, str]:
        status = run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return called


def assert_refused(result: tuple[int, str, str], *words: str) -> None:
    status, out, err = result
    assert (status, out) == (2, "")
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], ["--cells", "--top"]),
        (["--cells", "4", "--top", "a:js:1"], ["either"]),
        (["--top", "a:js"], ["DIR:PROXY:K"]),
        (["--top", "a:js:0"], ["DIR:PROXY:K"]),
        (["--top", "nowhere:params:3"], ["nowhere"]),
        (["--top", "nowhere:jss:3"], ['"js"']),
        (["--cells", "15625"], ["15624"]),
        (["--cells", "4", "--batch-size", "81"], ["81", "80 training images", "20 are held out"]),
        (["--cells", "4", "--valid-fraction", "1"], ["valid_fraction", "below 1"]),
        (["--cells", "4", "--valid-fraction", "0.001"], ["holds out 0", "0.001"]),
        (["--cells", "4", "--learning-rate", "nan"], ["learning_rate"]),
        (["--cells", "4", "--epochs", "0"], ["--epochs"]),
        (["--cells", "4", "--dataset", "none.npz"], ["none.npz"]),
        (["--cells", "4", "--seeds", "-1"], ["seeds"]),
    ],
)
def test_bad_input(call: Any, arguments: list[str], words: list[str]) -> None:
    common = ["--dataset", "x.npz", "--out", "run", "--no-cache", "--batch-size", "64"]
    assert_refused(call("train", *common, *arguments), *words)
    assert [path.name for path in Path().iterdir()] == ["x.npz"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None, "y_test": None}, ["must have test images", "x_test"]),
        ({"x_test": np.zeros((20, 4, 4, 3), np.uint8)}, ["x_test"]),
        ({"x_train": np.zeros((100, 6, 6, 3), np.uint8), "x_test": None, "y_test": None},
         ["multiple of 4", "6x6"]),
        ({"x_train": np.zeros((100, 3, 8, 8), np.uint8)}, ["channels last"]),
    ],
)  # fmt: skip
def test_bad_images(call: Any, changes: dict[str, Any], words: list[str]) -> None:
    arrays = little_digits(100, 20) | changes
    np.savez("x.npz", **{name: array for name, array in arrays.items() if array is not None})
    result = call("train", "--cells", "4", "--dataset", "x.npz", "--out", "run", "--no-cache")
    assert_refused(result, *words)
    assert not Path("run").exists()


def test_top_of_a_folder_of_scores(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    call("score", "--cells", "0:3", "--proxies", "params", "--no-cache", "--out", "scored")
    common = ("train", "--dataset", "x.npz", "--out", "run", "--no-cache")
    assert_refused(call(*common, "--top", "scored:params:4"), "asks for 4 cells", "has 3")
    assert_refused(call(*common, "--top", "scored:js:1"), "no scores js", "params")
    asked: list[Any] = []

    def train(cells: Any, **_: Any) -> Any:
        asked.append(cells)
        raise ValueError("enough")

    monkeypatch.setattr(training, "train", train)
    call(*common, "--batch-size", "64", "--top", "scored:params:2")
    params = nb201.num_params(nb201.cell_ops()[:3], 10, 16, 5)
    assert asked == [tuple(np.argsort(-params, kind="stable")[:2].tolist())]


def test_top_of_a_folder_with_colons() -> None:
    assert parse_top("a:b/c:gradient_kernel:20") == (Path("a:b/c"), "gradient_kernel", 20)


def test_other_settings_are_refused_in_words(call: Any) -> None:
    common = ["train", "--cells", "4", "--dataset", "x.npz", "--out", "run", "--no-cache"]
    tiny = ["--channels", "4", "--cells-per-stage", "1", "--batch-size", "64", "--epochs", "1"]
    status, out, _ = call(*common, *tiny)
    assert status == 0
    assert "accuracies" in out
    assert_refused(
        call(*common, *tiny, "--learning-rate", "0.2"),
        "run holds trainings with learning_rate 0.1; this run asks for 0.2",
    )
    status, _, err = call(*common, *tiny)
    assert status == 0
    assert "nothing is left to train" in err
