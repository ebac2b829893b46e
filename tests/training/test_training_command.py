"""`jaxnas train`: killed, resumed, on two devices; its options, and what it refuses."""

from __future__ import annotations

import dataclasses
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
from quick import with_flags
from rich.console import Console
from small import little_digits
from tiny_training import CELLS, LITTLE, TINY_DARTS, newest

from jaxnas import training
from jaxnas.cli.commands.train import parse_top, preset_in_words, train
from jaxnas.cli.terminal.progress import TrainingProgress
from jaxnas.spaces import nb201
from jaxnas.training import TrainingSettings

Call = Callable[..., tuple[int, str, str]]

DARTS_V1 = ("--space", "darts", "--cells", "darts-v1")


COMMAND = [
    *("train", "--cells", ",".join(map(str, CELLS)), "--dataset", "x.npz", "--epochs", "6"),
    *("--channels", "4", "--depth", "1", "--batch-size", "64", "--cache-dir", "cache"),
]


def start(cwd: Path, *arguments: str) -> subprocess.Popen[str]:
    flags = with_flags(
        "--xla_force_host_platform_device_count=2", "--xla_cpu_multi_thread_eigen=false"
    )
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


# Bad input: one line, exit status 2, nothing written.


@pytest.fixture
def trains(call: Call) -> Call:
    """Runs `jaxnas train` in a folder with small images."""
    np.savez("x.npz", **little_digits(100, 20))
    return lambda *arguments: call("train", *arguments)


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
        ([], ["--cells", "--top", "neither"]),
        (["--cells", "4", "--top", "a:js:1"], ["either", "both"]),
        (["--top", "a:js"], ["DIR:PROXY:K"]),
        (["--top", "a:js:0"], ["DIR:PROXY:K"]),
        (["--top", "nowhere:params:3"], ["nowhere"]),
        (["--cells", "15625"], ["15624"]),
        (["--cells", "4", "--batch-size", "81"], ["81", "80", "20 are held out"]),
        (["--cells", "4", "--valid-fraction", "1"], ["--valid-fraction", "below 1"]),
        (["--cells", "4", "--valid-fraction", "0.001"], ["holds out 0", "0.001"]),
        (["--cells", "4", "--learning-rate", "nan"], ["--learning-rate"]),
        (["--cells", "4", "--epochs", "0"], ["epochs"]),
        (["--cells", "4", "--dataset", "none.npz"], ["none.npz"]),
        (["--cells", "4", "--seeds", "-1"], ["seeds"]),
        (["--cells", "4", "--drop-path", "0.1"], ["drop_path: expected 0", "leave it out"]),
        (["--cells", "4", "--auxiliary-weight", "1"], ["auxiliary_weight: expected 0", "head"]),
        (["--cells", "4", "--space", "darts"], ["DARTS"]),
        (["--cells", "4", "--cells-per-stage", "1"], ["--cells-per-stage", "--depth"]),
        (["--cells", "4", "--layers", "8"], ["--layers", "--depth"]),
        (["--genotype", "darts-v1"], ["--genotype", "--space darts --cells"]),
        ([*DARTS_V1[:2], "--cells", "darts-v9"], ["darts-v9", "darts-v2"]),
        ([*DARTS_V1[:2], "--cells", "@none.json"], ["none.json"]),
        ([*DARTS_V1], ["auxiliary", "32 to 40", "8"]),
        ([*DARTS_V1, "--depth", "2"], ["3"]),
        ([*DARTS_V1, "--channels", "3"], ["channels", "even"]),
        ([*DARTS_V1, "--drop-path", "1"], ["--drop-path", "below 1"]),
        ([*DARTS_V1, "--gradient-clip", "-1"], ["--gradient-clip"]),
        ([*DARTS_V1, "--auxiliary-weight", "0", "--batch-size", "101"], ["101"]),
    ],
)  # fmt: skip
def test_bad_input(trains: Call, arguments: list[str], words: list[str]) -> None:
    common = ["--dataset", "x.npz", "--out", "run", "--no-cache", "--batch-size", "64"]
    assert_refused(trains(*common, *arguments), *words)
    assert [path.name for path in Path().iterdir()] == ["x.npz"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x_test": None, "y_test": None}, ["expected test images", "x_test"]),
        ({"x_test": np.zeros((20, 4, 4, 3), np.uint8)}, ["x_test"]),
        ({"x_train": np.zeros((100, 6, 6, 3), np.uint8), "x_test": None, "y_test": None},
         ["multiple of 4", "6x6"]),
        ({"x_train": np.zeros((100, 3, 8, 8), np.uint8)}, ["channels last"]),
    ],
)  # fmt: skip
def test_bad_images(trains: Call, changes: dict[str, Any], words: list[str]) -> None:
    arrays = little_digits(100, 20) | changes
    np.savez("x.npz", **{name: array for name, array in arrays.items() if array is not None})
    result = trains("--cells", "4", "--dataset", "x.npz", "--out", "run", "--no-cache")
    assert_refused(result, *words)
    assert not Path("run").exists()


def test_top_of_a_folder_of_scores(
    call: Call, trains: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    call("score", "--cells", "0:3", "--proxies", "params", "--no-cache", "--out", "scored")
    common = ("--dataset", "x.npz", "--out", "run", "--no-cache", "--batch-size", "64")
    assert_refused(trains(*common, "--top", "scored:params:4"), "4 architectures", "got 3")
    assert_refused(trains(*common, "--top", "scored:js:1"), "js", "params")
    other = trains(*common, "--top", "scored:params:1", "--space", "darts")
    assert_refused(other, "expected a folder of space darts", "--space nb201")
    asked: list[Any] = []

    def train(cells: Any, **_: Any) -> Any:
        asked.append(cells)
        raise ValueError("enough")

    monkeypatch.setattr(training, "train", train)
    trains(*common, "--top", "scored:params:2")
    params = nb201.num_params(nb201.cell_ops()[:3], 10, 16, 5)
    best = np.argsort(-params, kind="stable")[:2]
    assert asked == [tuple(nb201.index_to_arch(int(cell)) for cell in best)]


def test_top_of_a_folder_with_colons() -> None:
    assert parse_top("a:b/c:gradient_kernel:20") == (Path("a:b/c"), "gradient_kernel", 20)


def test_other_settings_are_refused_in_words(trains: Call) -> None:
    common = ["--cells", "4", "--dataset", "x.npz", "--out", "run", "--no-cache"]
    tiny = ["--channels", "4", "--depth", "1", "--batch-size", "64", "--epochs", "1"]
    status, out, _ = trains(*common, *tiny)
    assert status == 0
    assert "accuracies" in out
    assert_refused(
        trains(*common, *tiny, "--learning-rate", "0.2"),
        "run holds trainings with learning_rate 0.1; this run asks for 0.2",
    )
    status, _, err = trains(*common, *tiny)
    assert status == 0
    assert "nothing is left to train" in err


@pytest.mark.slow
def test_a_genotype_in_the_file_of_a_search_is_trained(trains: Call) -> None:
    Path("found.json").write_text(json.dumps({"space": "darts", "architecture": str(LITTLE)}))
    asked = [
        word
        for name, value in TINY_DARTS.items()
        for word in (f"--{name.replace('_', '-')}", value)
    ]
    common = ("--space", "darts", "--cells", "@found.json", "--dataset", "x.npz", "--out", "whole")
    status, out, err = trains(*common, "--no-cache", "--devices", 1, *asked)
    assert status == 0, err
    assert "training 1 candidate for 2 epochs" in err
    (row,) = pq.read_table("whole/accuracies.parquet").to_pylist()
    assert row["name"] in out
    assert f"{row['test']:.2f}" in out
    assert Path("whole/curves.png").read_bytes().startswith(b"\x89PNG")


def test_options_and_their_defaults_are_those_of_the_presets() -> None:
    named = {option.name: option for option in train.params}
    for field in dataclasses.fields(TrainingSettings):
        assert field.name in named
        if field.name != "space":
            assert named[field.name].default is None
            text = getattr(named[field.name], "help", "")
            assert f"[default: {preset_in_words(field.name)}]" in text
    assert preset_in_words("epochs") == "12 for nb201, 600 for darts"
    assert preset_in_words("momentum") == "0.9"
