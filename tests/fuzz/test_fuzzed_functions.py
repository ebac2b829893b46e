"""Every public function that the commands call, given what no argument of it expects."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import representatives
from judging import Computes, Hung, limited, listing, nothing_computed, remove_new, some, world

import jaxnas
from jaxnas.checks import quoted

ITSELF: list[Any] = []
ITSELF.append(ITSELF)
VALUES: tuple[Any, ...] = (
    *(None, True, float("nan"), float("inf"), -1, 0, 10**30, -(10**30), 10**5000, 1.5, 1j),
    *("", "\0", "\x1b]0;owned\x07", "x" * 5000, b"\xff", "nowhere", "pipe", "loop", "zeros", "."),
    *([], [None], [[0]], [1.5], [float("nan")], ["\0"], [10**30], [-1], {}, {"a": 1}, {1, 2}),
    *(object(), len, ITSELF, ..., range(3, 0), np.zeros(0), np.array(np.nan), np.zeros((2, 2))),
    *(np.array(["x"]), np.array([None]), itertools.repeat),
)

LIMIT_SECONDS = 20
LONGEST_ERROR = 700

SIZES = {"channels": 4, "depth": 1, "batch_size": 4}
CALLS: Mapping[str, tuple[Callable[..., Any], Mapping[str, Any]]] = {
    "score": (
        jaxnas.score,
        {"cells": [0], "proxies": ["js"], "space": "nb201", "dataset": "images.npz", "seeds": [0]}
        | {"out": "out", "devices": None, "noise_range": None, "init": "he", "merge": True}
        | {"bn": "batch", "dtype": "float32", "weights": "independent", "settings": None, **SIZES},
    ),
    "plan": (
        jaxnas.plan,
        {"cells": [0], "proxies": ["js"], "dataset": "images.npz", "seeds": [0], **SIZES},
    ),
    "train": (
        jaxnas.training.train,
        {"cells": [0], "space": "nb201", "dataset": "images.npz", "seeds": [0], "out": "out"}
        | {"epochs": 1, "learning_rate": 0.1, "momentum": 0.9, "nesterov": True, "cutout": 0}
        | {"weight_decay": 0.0, "gradient_clip": 0.0, "drop_path": 0.0, "valid_fraction": 0.5}
        | {"settings": None, **SIZES},
    ),
    "search": (
        jaxnas.oneshot.search,
        {"method": "gdas", "space": "nb201", "dataset": "images.npz", "out": "out", "seed": 0}
        | {"epochs": 1, "weight_rate": 0.1, "alpha_rate": 0.1, "temperature": 1.0, **SIZES},
    ),
    "simulate": (
        lambda oracle, **given: jaxnas.search.simulate(
            oracle=jaxnas.oracle.read(oracle) if isinstance(oracle, str) else oracle, **given
        ),
        {"method": "rea", "oracle": "table.npz", "datasets": ["cifar10"], "search_on": None}
        | {"runs": 1, "seed": 0, "budget": 1000.0},
    ),
    "evaluate": (
        lambda table, **given: jaxnas.evaluate(
            jaxnas.read_table(table) if isinstance(table, str) else table, **given
        ),
        {"table": "run", "accuracy": np.arange(15625.0), "combinations": ["js+params"]},
    ),
    "best": (
        lambda table, **given: jaxnas.best(
            jaxnas.read_table(table) if isinstance(table, str) else table, **given
        ),
        {"table": "run", "by": "js", "k": 1},
    ),
    "merge": (
        jaxnas.merge,
        {"sources": ["run"], "out": "out", "noise_range": None},
    ),
    "read_table": (
        jaxnas.read_table,
        {"folder": "run", "noise_range": None},
    ),
    "images": (
        jaxnas.data.load,
        {"name_or_path": "images.npz", "data_dir": "."},
    ),
    "oracle": (
        jaxnas.oracle.read,
        {"path": "table.npz", "space": "nb201"},
    ),
    "accuracy": (
        lambda **given: jaxnas.oracle.read("table.npz").accuracy(**given),
        {"dataset": "cifar10", "split": "test", "epochs": 200},
    ),
    "select": (
        jaxnas.spaces.select,
        {"cells": representatives(2), "space": jaxnas.spaces.find("nb201"), "seed": 0},
    ),
}


@pytest.fixture(scope="module", autouse=True)
def place() -> Iterator[Path]:
    with nothing_computed(), world() as folder:
        yield folder


@pytest.mark.parametrize(
    ("name", "argument"), [(name, each) for name, (_, right) in CALLS.items() for each in right]
)
def test_no_argument_ends_a_function_in_another_way_than_by_a_sentence(
    name: str, argument: str, place: Path
) -> None:
    function, right = CALLS[name]
    before = listing(place)
    wrong = []
    for value in some(VALUES, 8, f"{name} {argument}"):
        problem = ""
        try:
            with limited(LIMIT_SECONDS):
                function(**{**right, argument: value})
        except Computes:
            remove_new(place, before)
        except (ValueError, OSError, TypeError) as error:
            # The system's own errors have the whole path in them.
            if not isinstance(error, OSError) and not 0 < len(str(error)) < LONGEST_ERROR:
                problem = str(error)
            elif listing(place) != before:
                problem = f"left behind {sorted(listing(place) ^ before)}"
        except Hung:
            problem = f"took more than {LIMIT_SECONDS} s"
        except Exception as error:  # noqa: BLE001 - all of them are told together
            problem = f"{type(error).__name__}: {error}"
        if problem:
            wrong.append(f"{quoted(value)}: {problem[:200]}")
        remove_new(place, before)
    assert not wrong, "\n".join([f"{name}, {argument}", *wrong])


@pytest.mark.parametrize("name", CALLS)
def test_what_is_right_is_taken(name: str, place: Path) -> None:
    function, right = CALLS[name]
    before = listing(place)
    with contextlib.suppress(Computes):
        function(**right)
    remove_new(place, before)
