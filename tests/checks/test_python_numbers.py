"""What the public functions take of numbers, flags and words: the same as the command line."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

import jaxnas
from jaxnas import data, estimators, oneshot, pipelines, proxies, search, spaces, training
from jaxnas.data import Images
from jaxnas.engine import devices
from jaxnas.oneshot.enas import Controller
from jaxnas.oneshot.recipes import METHODS, make_recipe
from jaxnas.oracle import Oracle
from jaxnas.search.experiment import repeat
from jaxnas.search.strategy import each
from jaxnas.search.strategy import search as run_search
from jaxnas.training import TrainingSettings

NB201, DARTS = spaces.SPACES["nb201"], spaces.SPACES["darts"]
TASK = ("cifar10", "valid", 12)

COUNTS = (0, -1, 1.5, True, "3", None, 10**30, 10**5000, math.nan, [1], np.float64(2))
POSITIVE = (0, -1, True, "1", math.nan, math.inf, -math.inf, 10**400, [1.0], 1j)
SEEDS = (-1, 1.5, True, "0", 2**64, 10**5000, math.nan, [0])
FLAGS = (0, 1, "yes", "false", None, [True], math.nan)
WORDS = ("", "nonsense", 3, ["pytorch"], "x" * 5000)

ORACLE = Oracle("table", {TASK: {None: np.full(NB201.size, 50.0)}}, {})


@pytest.fixture(scope="module")
def images(make_images: Callable[..., Images]) -> Images:
    return make_images()


def refused(call: Callable[[], Any]) -> str:
    """The one sentence by which a call is refused."""
    with pytest.raises(ValueError) as error:
        call()
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 450
    assert "expected" in sentence
    return sentence


def each_refused(call: Callable[..., Any], name: str, values: tuple[Any, ...], **rest: Any) -> None:
    for value in values:
        assert name in refused(partial(call, **{name: value}, **rest))


def without_none(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(value for value in values if value is not None)


def test_settings_of_scores() -> None:
    each_refused(jaxnas.Settings, "batch_size", (*COUNTS, 1))
    for name in ("channels", "depth"):
        each_refused(jaxnas.Settings, name, without_none(COUNTS))
    each_refused(jaxnas.Settings, "merge", FLAGS)
    for name in ("bn", "init", "dtype", "weights"):
        each_refused(jaxnas.Settings, name, (*WORDS, None))
    each_refused(jaxnas.Settings, "space", (3, ["nb201"], True, "nb202"))
    assert jaxnas.Settings(batch_size=np.int64(8)) == jaxnas.Settings(batch_size=8)


@pytest.mark.parametrize("space", list(spaces.SPACES))
def test_settings_of_training(space: str) -> None:
    make = partial(TrainingSettings, space=space)
    for name in ("epochs", "batch_size", "channels", "depth"):
        each_refused(make, name, without_none(COUNTS))
    each_refused(make, "cutout", (-1, 1.5, 10**30, True))
    each_refused(make, "learning_rate", POSITIVE)
    for name in ("weight_decay", "gradient_clip", "auxiliary_weight"):
        each_refused(make, name, POSITIVE[1:])
    for name in ("momentum", "drop_path", "valid_fraction"):
        each_refused(make, name, (*POSITIVE[1:], 1, 1.5))
    each_refused(make, "nesterov", without_none(FLAGS))
    each_refused(make, "init", WORDS)


@pytest.mark.parametrize("method", METHODS)
def test_constants_of_a_search_on_a_supernet(method: str) -> None:
    """Every number of every recipe, and every flag and word."""
    recipe = make_recipe(method)
    for name in inspect.signature(type(recipe)).parameters:
        value = getattr(recipe, name)
        make = partial(make_recipe, method)
        if isinstance(value, bool):
            each_refused(make, name, FLAGS)
        elif isinstance(value, str):
            each_refused(make, name, WORDS)
        else:
            each_refused(make, name, (math.nan, math.inf, "1", [1], 10**400, True))


@pytest.mark.parametrize("method", search.METHODS.values(), ids=search.METHODS)
def test_settings_of_a_simulated_search(method: search.methods.Method) -> None:
    for name in inspect.signature(type(method.settings)).parameters:
        if name in ("by", "scores"):
            continue
        make = partial(type(method.settings))
        each_refused(make, name, (0, -1, math.nan, math.inf, "x", 10**400, (), (0,), True, 1j))


def test_arguments_of_simulate() -> None:
    simulate = partial(search.simulate, "rea", ORACLE, "cifar10")
    each_refused(simulate, "runs", without_none(COUNTS))
    each_refused(simulate, "seed", SEEDS)
    each_refused(simulate, "budget", POSITIVE)
    each_refused(simulate, "search_on", WORDS)
    for dataset in ("svhn", "cifar10-valid", 3, "x" * 5000):
        assert "datasets" in refused(partial(search.simulate, "rea", ORACLE, [dataset]))
    for runs in COUNTS:
        refused(lambda runs=runs: list(repeat(lambda rng: None, runs, 0)))
    for budget in (math.nan, 0, -1, "1", 10**400):
        refused(lambda budget=budget: run_search(each([]), lambda arch: None, budget))
    each_refused(partial(search.candidates, ["a"], len), "k", COUNTS)


def test_arguments_of_scoring(images: Images, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for function in (jaxnas.score, jaxnas.plan):
        call = partial(function, [0], "params", dataset=images, batch_size=4)
        seeds = (
            3,
            -1,
            (1.5,),
            (True,),
            ("0",),
            "0",
            (2**64,),
            (),
            None,
            1.5,
            (math.nan,),
            np.int64(3),
        )
        each_refused(call, "seeds", seeds, out=out)
        each_refused(call, "devices", ((), [], ["cpu"], 2, "cpu"), out=out)
        each_refused(call, "out", ("", " ", "a\0b", "x" * 300, 3))
        each_refused(call, "merge", FLAGS, out=out)
        each_refused(call, "channels", (10**30, 10**9), out=out)
        each_refused(call, "space", (3, True, ["nb201"], "nb202"))
    for cells in ([1.5], 1.5, True, [True], None, (4, 0, 3, 1, 4, 3), 10**30):
        refused(partial(jaxnas.score, cells, "params", dataset=images, out=out))
    for value in ((math.nan, 1), (1, math.inf), (2, 1), (1,), (1, 2, 3), 3, "ab", ("a", "b")):
        call = partial(jaxnas.score, [0], "params", dataset=images, batch_size=4)
        assert "noise_range" in refused(partial(call, noise_range=value))
    assert not out.exists()


def test_arguments_of_training_and_searches(images: Images, tmp_path: Path) -> None:
    out = tmp_path / "out"
    train = partial(training.train, [0], dataset=images, epochs=1, batch_size=4)
    each_refused(train, "seeds", (3, -1, (1.5,), (True,), "0", (2**64,), ()), out=out)
    each_refused(train, "devices", ((), ["cpu"], 2), out=out)
    each_refused(train, "out", ("", "a\0b", "/proc/out/y"))
    find = partial(oneshot.search, "darts", dataset=images)
    each_refused(find, "seed", (*SEEDS, 2**32), out=out)
    each_refused(find, "out", ("", "a\0b", "/proc/out/y"))
    pick = partial(pipelines.gt_nas, images)
    each_refused(pick, "s", COUNTS, out=out)
    each_refused(pick, "ks", (*[n for n in COUNTS if n != [1]], (), (0,), (1.5,), "20"), out=out)
    each_refused(pick, "baseline", FLAGS, out=out)
    each_refused(pick, "seed", SEEDS, out=out)
    assert not out.exists()


def test_questions_to_a_table_of_accuracies() -> None:
    for cells in ([1.7], [True], ["1"], [None], 1.5, [math.nan], [-1], [10**30], [[1], [2, 3]]):
        assert "cells" in refused(partial(ORACLE.require, cells, *TASK))
    for question in (
        (*TASK[:2], 12.0),
        (*TASK[:2], "12"),
        (*TASK[:2], True),
        ("cifar10-valid", *TASK[1:]),
        (3, *TASK[1:]),
        ("cifar10", 3, 12),
        ("cifar10", ["valid"], 12),
    ):
        for ask in (
            ORACLE.accuracy,
            partial(ORACLE.require, [1]),
            partial(ORACLE.look_up, [NB201.arch(1)]),
        ):
            refused(partial(ask, *question))
    for seed in SEEDS:
        refused(partial(ORACLE.accuracy, *TASK, seed))
    assert ORACLE.require([1], "CIFAR-10", "valid", np.int64(12)).tolist() == [50.0]


def test_batches_orders_and_spaces(images: Images) -> None:
    for size in COUNTS:
        refused(partial(images.batch, size, 0))
    for seed in (*SEEDS, None):
        refused(partial(images.batch, 4, seed))
        # An order takes seeds beyond those of runs; tests/data/test_images.py draws up to 2**70.
        refused(partial(data.random_order, 4, 2**96 if seed == 2**64 else seed))
    for space in spaces.SPACES.values():
        for count in COUNTS:
            refused(partial(space.draw, count, 0))
        for seed in (*SEEDS, None):
            refused(partial(space.draw, 1, seed))
        for name, values in (("channels", COUNTS), ("depth", COUNTS)):
            for value in values:
                refused(partial(space.check, space.sizes._replace(**{name: value}), 10, 32))
        for value in COUNTS:
            refused(partial(space.check, space.sizes, value, 32))
            refused(partial(space.check, space.sizes, 10, value))
        for text in (3, None, b"x", ["x"], True):
            assert "architecture" in refused(partial(space.parse, text))
            assert "architecture" in refused(partial(space.trainable.parse, text))
        for index in (-1, 1.5, True, "1", None, 10**30, 10**5000, math.nan):
            refused(partial(space.arch, index))
    for value in (3, None, True, ["nb201"], "nb202"):
        assert "space" in refused(partial(spaces.find, value))


def test_constants_of_estimators() -> None:
    each_refused(estimators.score_function, "baseline_decay", (*POSITIVE[1:], 1, 1.5))
    each_refused(estimators.relax, "hidden", COUNTS)
    each_refused(estimators.relax, "learning_rate", POSITIVE)
    each_refused(estimators.ram, "edges_per_step", without_none(COUNTS))
    each_refused(estimators.ram, "batch_size", without_none(COUNTS))
    each_refused(estimators.exact, "batch_size", without_none(COUNTS))
    for make in (
        estimators.gumbel_softmax,
        estimators.straight_through,
        estimators.gdas,
        estimators.stochastic_gates,
        estimators.straight_through_top_k,
    ):
        each_refused(make, "temperature", (*POSITIVE, 1e-30, 1e30))
    for make in (estimators.stochastic_gates, estimators.straight_through_top_k):
        each_refused(partial(make, 1.0), "lower", (0, 1, math.nan, -math.inf, "a"))
        each_refused(partial(make, 1.0), "upper", (1, 0, math.nan, math.inf, "a"))
    each_refused(partial(estimators.straight_through_top_k, 1.0), "kept", COUNTS)
    each_refused(partial(estimators.straight_through_top_k, 1.0), "dropout", (1, -1, math.nan, "a"))
    for name in ("hidden", "layers", "temperature", "tanh_constant"):
        each_refused(partial(Controller, 5), name, (0, -1, math.nan, math.inf, "a", 10**400))


def test_constants_of_proxies() -> None:
    for make in (proxies.js, proxies.jsc):
        each_refused(make, "noise", (-1, math.nan, math.inf, "a", True, 1j))
    for make in (proxies.js, proxies.pjs, proxies.wpjs, proxies.wpjsi):
        each_refused(make, "k", POSITIVE)
    for make in (proxies.jsc, proxies.pjsc):
        each_refused(make, "root", COUNTS)
    for make in (proxies.pjs, proxies.wpjs, proxies.wpjsi):
        each_refused(make, "zeros", WORDS)
    sampled = proxies.gradient_kernel_sampled
    each_refused(sampled, "examples", without_none(COUNTS))
    each_refused(sampled, "parameters", without_none(COUNTS))
    each_refused(sampled, "seed", (*SEEDS, 2**32))
    each_refused(sampled, "centred", FLAGS)
    for make in (sampled, proxies.gradient_kernel, proxies.gradient_value):
        each_refused(make, "together", FLAGS)


def test_devices() -> None:
    for most in without_none(COUNTS):
        refused(partial(devices.local_devices, most))
    one = jax.local_devices()[:1]
    assert devices.chosen_devices(one * 2) == one
    assert devices.chosen_devices(None) == jax.local_devices()
