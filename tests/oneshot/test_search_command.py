"""`jaxnas search METHOD` from the command line to its files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from small import little_digits

from jaxnas.cli.terminal.progress import SearchProgress
from jaxnas.oneshot import METHODS, Epoch, make_recipe
from jaxnas.plots.supernet_search import _draw, plot_search
from jaxnas.spaces import nb201

Call = Callable[..., tuple[int, str, str]]

SMALL = ["--space", "nb201", "--dataset", "images.npz", "--out", "run", "--no-cache"]
SMALL += ["--channels", 4, "--depth", 1, "--batch-size", 16]


@pytest.fixture
def search(call: Call) -> Call:
    """Runs `jaxnas search` in an empty folder with images and a table."""
    np.savez("images.npz", **little_digits(80, 20))
    random = np.random.default_rng(0)
    columns = {f"cifar10_{split}_200": random.uniform(10, 90, 15625) for split in ("valid", "test")}
    np.savez("table.npz", cell=np.arange(15625), **columns)
    np.savez("part.npz", cell=np.arange(100), cifar10_test_200=np.full(100, 50.0))

    def called(*arguments: object) -> tuple[int, str, str]:
        return call("search", *arguments)

    return called


@pytest.mark.slow
def test_a_search_on_nb201_from_images_to_files(search: Call) -> None:
    arguments = ["gdas", *SMALL, "--epochs", 2, "--temperature", 5, 0.5, "--alpha-rate", 0.1]
    arguments += ["--set", "weight_decay=1e-3", "--oracle", "table.npz", "--seed", 2]
    status, out, err = search(*arguments)
    assert (status, err.splitlines()[0]) == (
        0,
        "searching: 4 steps left of 2 epochs on 1 device (cpu)",
    )
    found = json.loads(Path("run/found.json").read_text())
    assert (found["method"], found["space"], found["seed"]) == ("gdas", "nb201", 2)
    constants = found["constants"]
    assert (constants["temperature"], constants["final_temperature"]) == (5, 0.5)
    assert (constants["alpha_rate"], constants["weight_decay"]) == (0.1, 1e-3)
    assert constants["valid_fraction"] == 0.5
    arch, cell = found["architecture"], nb201.arch_to_index(found["architecture"])
    assert out.splitlines()[0] == arch
    alpha = np.asarray(found["alpha"])
    assert alpha.shape == (6, 5)
    assert nb201.ops_to_arch(alpha.argmax(1)) == arch
    with Path("run/log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["temperature"]) for row in rows] == [5, 0.5]
    assert [int(row["evaluations"]) for row in rows] == [4, 8]
    assert rows[-1]["architecture"] == arch
    assert f"{found['valid_accuracy']:.2f} % of the images held out" in out
    for picture in ("curves.png", "cell.png"):
        assert (Path("run") / picture).read_bytes().startswith(b"\x89PNG")
    table = np.load("table.npz")
    truth = table["cifar10_test_200"]
    rank = int((truth > truth[cell]).sum()) + 1
    lines = [line.split() for line in out.splitlines()]
    line = next(line for line in lines if line[:2] == ["cifar10", "test"])
    assert line[2:] == [f"{truth[cell]:.2f}", f"{rank:,}", f"{truth.max():.2f}"]

    before = Path("run/found.json").read_bytes()
    status, again, err = search(*arguments)
    assert (status, again) == (0, out)
    assert err.splitlines() == ["nothing is left to search"]
    assert Path("run/found.json").read_bytes() == before
    status, _, err = search("sf", *SMALL, "--epochs", 2)
    assert status == 2
    assert "holds a search with" in err
    assert 'method "gdas"' in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["sf", "--space", "nb101"], "--space: expected one of nb201, darts, got 'nb101'"),
        (["sf", "--out", "run"], "Missing option '--dataset'"),
        (["sf", "--space", "nb201", "--dataset", "digits"], "Missing option '--out'"),
        (["snas", *SMALL, "--temperature", 0, 1], "--temperature: expected a finite number"),
        (["snas", *SMALL, "--set", "temperature=0"], "temperature: expected a finite number"),
        (["sf", *SMALL, "--set", "cells=3"], "constant 'cells': expected one of epochs, "),
        (["sf", *SMALL, "--set", "alpha_decay"], "expected NAME=VALUE"),
        (["sf", *SMALL, "--set", "channels=8"], "expected each constant once, got channels twice"),
        (
            ["sf", *SMALL, "--set", "momentum=x"],
            "momentum: expected a finite number from 0 below 1, got",
        ),
        (["sf", *SMALL, "--queries", 3], "jaxnas simulate sf"),
        (["sf", *SMALL, "--runs", 3], "jaxnas simulate sf"),
        (["sf", *SMALL, "--learning-rate", 0.1], "--learning-rate: expected its new name"),
        (["sf", *SMALL, "--cells", 3], "give --depth"),
        (["sf", *SMALL, "--oracle", "part.npz"], "lacks the cifar10 test 200-epoch accuracy"),
        (["sf", *SMALL, "--batch-size", 64], "images is too small to split"),
        (["darts", *SMALL, "--order", 3], "--order: expected a whole number from 1 to 2, got"),
        (["darts", *SMALL, "--space", "darts", "--oracle", "table.npz"], "official indices"),
        (["darts", *SMALL, "--space", "darts", "--channels", 3], "channels: expected an even"),
        (["ram", *SMALL, "--edges-per-step", 7], "edges_per_step: expected 1 to 6"),
    ],
)  # fmt: skip
def test_bad_input_gets_one_line(search: Call, arguments: list[object], message: str) -> None:
    status, out, err = search(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    assert message in err
    assert not Path("run/found.json").exists()


def epoch(number: int, **rest: float) -> Epoch:
    values = {"entropy": 1.5, "temperature": math.nan, **rest}
    return Epoch(
        epoch=number,
        train_loss=2.0,
        valid_loss=2.1,
        valid_accuracy=10.0 * number,
        skips=number,
        evaluations=number,
        seconds=1.0,
        architecture="",
        **values,
    )


def test_the_picture_has_a_panel_for_what_there_is(tmp_path: Path) -> None:
    figure = _draw([epoch(1), epoch(2)], "searched")
    labels = [ax.get_ylabel().split(",")[0] for ax in figure.axes]
    assert labels == ["validation accuracy", "entropy", "skip connections"]
    assert figure.axes[0].lines[0].get_ydata().tolist() == [10, 20]
    assert len(_draw([epoch(1, temperature=1.0)], "").axes) == 4
    assert len(_draw([epoch(1, entropy=math.nan)], "").axes) == 2
    plot_search([epoch(1)], tmp_path / "a.png", "title")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_progress_shows_accuracy_and_entropy_and_is_quiet_without_a_terminal() -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=120)
    with SearchProgress("1 device (cpu)", 3, terminal) as progress:
        progress.begin(4)
        progress(1, 1, 2.5, None)
        progress(2, 1, 2.25, epoch(1))
    assert "epoch 2/3: loss 2.250, validation 10.0 %, entropy 1.500" in shown.getvalue()
    stream = io.StringIO()
    with SearchProgress("1 device (cpu)", 3, Console(file=stream)) as progress:
        progress.begin(4)
        progress(1, 1, 2.5, None)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "searching: 4 steps left of 3 epochs on 1 device (cpu)"
    assert len(lines) == 2


@pytest.mark.parametrize("method", sorted(METHODS))
def test_help_shows_the_recipes_own_defaults(method: str, search: Call) -> None:
    status, out, err = search(method, "--help")
    assert (status, err) == (0, "")
    shown = " ".join(out.split())
    presets = {space: make_recipe(method, space) for space in ("nb201", "darts")}
    for name in ("epochs", "batch_size", "depth"):
        values = {space: getattr(recipe, name) for space, recipe in presets.items()}
        same = len(set(values.values())) == 1
        words = ", ".join(f"{value} for {space}" for space, value in values.items())
        wanted = str(values["nb201"]) if same else words
        option = shown[shown.index(f"--{name.replace('_', '-')} ") :]
        assert option[option.index("[default: ") :].startswith(f"[default: {wanted}]")
