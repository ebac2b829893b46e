"""What several test modules of the command line share: calls, folders, and what is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from jaxnas.engine import environment
from jaxnas.results import Folder, Record, Request
from jaxnas.spaces import SPACES, nb201

Result = tuple[int, str, str]
Call = Callable[..., Result]

NB201 = SPACES["nb201"]
DARTS = SPACES["darts"]
DISCONNECTED = int(np.flatnonzero(~nb201.is_connected(nb201.cell_ops()))[0])

SETTINGS: dict[str, Any] = {
    "space": "nb201", "merge": True, "num_classes": 10, "image_size": 32, "batch_size": 4,
    "bn": "batch", "init": "he", "dtype": "float32", "weights": "independent", "channels": 16,
    "depth": 5, "data": "noise", "definitions": 1,
}  # fmt: skip


def process_call(*arguments: object, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Runs a command in a process of its own."""
    ours = (environment.PLAIN, environment.MARKER)
    clean = {name: value for name, value in os.environ.items() if name not in ours}
    command = [sys.executable, "-m", "jaxnas", *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=clean | env, capture_output=True, text=True, check=False, timeout=300
    )


def assert_refused(result: Result, *words: str) -> None:
    """One line on stderr, with these words, and exit status 2."""
    status, out, err = result
    assert status == 2
    assert out == ""
    assert err.startswith("jaxnas: error: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def write_run(
    path: Path, scores: dict[tuple[int, int], float], cells: tuple[int, ...], score: str = "js"
) -> None:
    """A results folder of NAS-Bench-201 with some of a score: (cell, seed) -> value."""
    seeds = tuple(sorted({seed for _, seed in scores}))
    with Folder.open(path, SETTINGS) as folder:
        folder.request(Request(tuple(map(NB201.arch, cells)), seeds, (score, "params")))
        folder.append(
            Record(NB201.arch(cell), seed, {score: value}) for (cell, seed), value in scores.items()
        )


def write_darts_run(path: Path, count: int = 3) -> tuple[str, ...]:
    """A results folder of DARTS genotypes, the first of which has the highest js."""
    archs = DARTS.draw(count, 0)
    with Folder.open(path, SETTINGS | {"space": "darts", "depth": 3}) as folder:
        folder.request(Request(archs, (0,), ("js", "params")))
        folder.append(Record(arch, 0, {"js": -float(n)}) for n, arch in enumerate(archs))
    return archs


def representatives(count: int) -> list[int]:
    """The first connected cells that represent their functions."""
    all_cells = np.arange(nb201.NUM_CELLS)
    connected = nb201.is_connected(nb201.cell_ops())
    return [int(c) for c in all_cells[(nb201.representatives() == all_cells) & connected][:count]]


def ranks(out: str) -> list[tuple[int, str]]:
    """Cell and score of each printed rank."""
    lines = [line.split() for line in out.splitlines()]
    return [
        (int(words[1]), words[3])
        for words in lines
        if len(words) > 3 and words[0].isdigit() and "|" in words[2]
    ]
