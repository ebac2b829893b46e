"""DARTS' recipe: its parts against direct computations, and genotypes trained by it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pyarrow.parquet as pq
import pytest
from conftest import little_digits
from flax.traverse_util import flatten_dict

from jaxnas import training
from jaxnas.cli import options
from jaxnas.data import Images
from jaxnas.networks.darts import EvaluationNetwork
from jaxnas.networks.darts.initial import initial_parameters
from jaxnas.networks.darts.network import Cell
from jaxnas.spaces import darts
from jaxnas.spaces.darts import Genotype
from jaxnas.training import augmentation, genotypes
from jaxnas.training import run as running
from jaxnas.training.candidate import Candidate
from jaxnas.training.genotypes import name_of

# Few operations, one of each kind of parameter, to compile in seconds.
LITTLE = Genotype(
    (("sep_conv_3x3", 0), ("skip_connect", 1)) + (("skip_connect", 0), ("skip_connect", 2)) * 3,
    (4, 5),
    (("dil_conv_3x3", 0), ("skip_connect", 1)) + (("max_pool_3x3", 0), ("skip_connect", 2)) * 3,
    (4, 5),
)
TINY = {"layers": 3, "channels": 2, "batch_size": 80, "epochs": 2, "cutout": 4}
TINY |= {"auxiliary_weight": 0, "drop_path": 0.5}


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits())


# The images.


@pytest.mark.parametrize("length", [1, 2, 4, 5, 16])
def test_cutout_by_indexing(length: int) -> None:
    random = np.random.default_rng(length)
    images = random.standard_normal((40, 8, 6, 3)).astype(np.float32)
    centres = np.stack([random.integers(0, 8, 40), random.integers(0, 6, 40)], 1)
    wanted = images.copy()
    for image, (row, column) in zip(wanted, centres, strict=True):
        top, bottom = np.clip([row - length // 2, row + length // 2], 0, 8)
        left, right = np.clip([column - length // 2, column + length // 2], 0, 6)
        image[top:bottom, left:right] = 0
    found = augmentation.cut_out(jnp.asarray(images), jnp.asarray(centres), length)
    np.testing.assert_array_equal(found, wanted)


def test_cutout_is_centred_on_any_pixel_alike() -> None:
    cut = augmentation.cutout(jax.random.key(0), jnp.ones((4000, 8, 8, 1)), 4)
    blank = np.asarray(cut == 0)[..., 0].mean(0)
    centres = np.arange(8)
    covered = [((i >= centres - 2) & (i < centres + 2)).mean() for i in range(8)]
    chance = np.outer(covered, covered)
    deviation = np.sqrt(chance * (1 - chance) / 4000)
    assert np.all(np.abs(blank - chance) < 5 * deviation)


def test_streams_of_a_steps_key_are_different() -> None:
    from jaxnas.training.programs import _CUTOUT, _NETWORK

    key = jax.random.wrap_key_data(np.array([3, 4], np.uint32), impl="threefry2x32")
    keys = [*jax.random.split(key), *(jax.random.fold_in(key, i) for i in (_CUTOUT, _NETWORK))]
    assert len({tuple(np.asarray(jax.random.key_data(one)).tolist()) for one in keys}) == 4


# The network.


def dropped(probability: Any, *, train: bool = True) -> tuple[np.ndarray, np.ndarray]:
    cell = Cell(LITTLE, darts.cell_shapes(2, 3)[0], train, nn.initializers.ones, jnp.float32)
    x = np.random.default_rng(0).standard_normal((1, 2, 3, 3, 4000)).astype(np.float32)
    drop = nn.apply(lambda module, x: module._drop(x, probability), cell)
    return x, np.asarray(drop({}, x, rngs={"drop_path": jax.random.key(1)}))


def test_drop_path_takes_whole_examples_and_keeps_the_mean() -> None:
    x, y = dropped(jnp.asarray(0.3))
    kept = np.any(y != 0, axis=(0, 1, 2, 3))
    np.testing.assert_allclose(y[..., kept], x[..., kept] / 0.7, rtol=1e-6)
    assert not y[..., ~kept].any()
    deviation = np.sqrt(0.3 * 0.7 / 4000)
    assert abs(kept.mean() - 0.7) < 5 * deviation
    assert abs((kept / 0.7).mean() - 1) < 5 * deviation / 0.7


def test_no_drop_path_at_probability_0_and_after_training() -> None:
    for probability, train in ((jnp.asarray(0.0), True), (0.0, True), (jnp.asarray(0.5), False)):
        x, y = dropped(probability, train=train)
        np.testing.assert_array_equal(x, y)


def test_initial_parameters_by_fan_in() -> None:
    network = EvaluationNetwork(darts.PC_DARTS, channels=16, depth=3, auxiliary=True)
    params = flatten_dict(initial_parameters(network, 32, 7))
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    shapes: Any = jax.eval_shape(network.init, jax.eval_shape(jax.random.key, 0), image)
    assert {path: leaf.shape for path, leaf in params.items()} == {
        path: leaf.shape for path, leaf in flatten_dict(shapes["params"]).items()
    }
    drawn = set()
    for path, leaf in params.items():
        values, name = np.asarray(leaf), path[-1]
        if name in ("scale", "shift"):
            assert np.all(values == (name == "scale"))
            continue
        if name == "bias":
            fan_in = params[*path[:-1], "kernel"].shape[0]
        elif name.startswith("depthwise"):
            fan_in = values.shape[-1] ** 2
        elif name.startswith("kernel"):
            fan_in = np.prod(values.shape[:-1])
        else:
            fan_in = values.shape[1]
        bound = 1 / np.sqrt(fan_in)
        assert np.abs(values).max() <= bound
        if values.size > 100:
            assert abs(values.std() / (bound / np.sqrt(3)) - 1) < 0.25
        drawn.add(values.ravel()[:4].tobytes())
    assert len(drawn) == sum(path[-1] not in ("scale", "shift") for path in params)
    again = flatten_dict(initial_parameters(network, 32, 8))
    assert np.any(again["stem_conv", "kernel"] != params["stem_conv", "kernel"])


class FakeNetwork:
    """Its logits are the parameters; it remembers what it was asked."""

    asked: list[Any] = []  # noqa: RUF012

    def __init__(self, **attributes: Any) -> None:
        self.attributes = attributes

    def apply(self, variables: Any, x: Any, **arguments: Any) -> Any:
        self.asked.append(arguments)
        logits = variables["params"]["logits"]
        if not arguments:
            return logits, None
        auxiliary = variables["params"]["auxiliary"] if self.attributes["auxiliary"] else None
        return (logits, auxiliary), {"batch_stats": "moved"}


def test_loss_of_training(digits: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(genotypes, "EvaluationNetwork", FakeNetwork)
    random = np.random.default_rng(0)
    params = {name: random.standard_normal((4, 10)) for name in ("logits", "auxiliary")}
    y = np.array([3, 1, 4, 1])

    def entropy(logits: np.ndarray) -> float:
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[range(4), y]))

    common = (params, "before", jnp.zeros((4, 8, 8, 3)), jnp.asarray(y), jax.random.key(0))
    for weight in (0.0, 0.4):
        chosen = training.DartsSettings(auxiliary_weight=weight)
        (candidate,) = genotypes.genotype_candidates([LITTLE], digits, chosen)
        for done in (0.0, 0.25, 0.5):
            loss, (logits, stats) = candidate.loss(*common, jnp.asarray(done))
            wanted = entropy(params["logits"]) + weight * entropy(params["auxiliary"])
            np.testing.assert_allclose(loss, wanted, rtol=1e-5)
            np.testing.assert_array_equal(logits, params["logits"])
            assert stats == "moved"
            asked = FakeNetwork.asked[-1]
            assert asked["train"] is True
            np.testing.assert_allclose(asked["drop_path"], 0.2 * done, rtol=1e-6)
        np.testing.assert_array_equal(candidate.logits(*common[:3]), params["logits"])
    (candidate,) = genotypes.genotype_candidates(
        [LITTLE], digits, training.DartsSettings(drop_path=0)
    )
    candidate.loss(*common, jnp.asarray(0.5))
    assert type(FakeNetwork.asked[-1]["drop_path"]) is float


def test_part_that_is_done_rises_by_epochs_and_nothing_is_held_out(digits: Images) -> None:
    """A candidate whose logits say what part of the epochs is done."""

    def loss(params: Any, stats: Any, x: Any, y: Any, key: Any, done: Any) -> Any:
        logits = jnp.zeros((len(x), 10)).at[:, 0].set(done)
        # Not the cross-entropy, which is reported all the same.
        return 7 * params["shift"].sum(), (logits, stats)

    candidate = Candidate(
        "teller", "none", 1, loss, lambda p, s, x: jnp.zeros((len(x), 10)),
        lambda seed: {"shift": jnp.ones(1)},
    )  # fmt: skip
    chosen = training.DartsSettings(epochs=4, batch_size=100, auxiliary_weight=0, cutout=0)
    parts = running.check(digits, chosen, (0,))
    assert len(parts.valid) == 0
    assert len(parts.train) == len(digits.x_train)
    (trained,) = running.train_candidates(
        [candidate], parts, chosen, chosen.identity(digits), (0,), devices=jax.devices()[:1]
    )
    first = float((digits.y_train == 0).mean())
    for epoch in trained.curve:
        done = (epoch.epoch - 1) / 4
        wanted = np.log(np.exp(done) + 9) - done * first
        np.testing.assert_allclose(epoch.train_loss, wanted, rtol=1e-5)
        assert epoch.valid_accuracy is None
    assert np.isnan(trained.valid)
    np.testing.assert_allclose(trained.test, 100 * (digits.y_test == 0).mean())


# Whole runs.


def newest(out: Path) -> tuple[int, Any]:
    (folder,) = (out / "candidates").glob("*/checkpoints")
    with ocp.CheckpointManager(folder.resolve()) as manager:
        step = manager.latest_step()
        assert step is not None
        restored = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore()))
    return step, jax.tree.map(np.asarray, restored.state)


def test_command_and_a_run_that_was_stopped_end_with_the_same_weights(
    call: Callable[..., Any],
) -> None:
    np.savez("x.npz", **little_digits())
    Path("found.json").write_text(json.dumps({"genotype": dataclasses.asdict(LITTLE)}))
    asked = [
        word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", value)
    ]
    status, out, err = call(
        "train", "--genotype", "@found.json", "--dataset", "x.npz", "--out", "whole", "--no-cache",
        *("--devices", 1), *asked,
    )  # fmt: skip
    assert status == 0, err
    assert "training 1 candidate for 2 epochs" in err
    name = name_of(LITTLE)
    assert name in out
    (row,) = pq.read_table("whole/accuracies.parquet").to_pylist()
    counted = darts.count(LITTLE, 10, TINY["channels"], TINY["layers"], 8)
    assert (row["name"], row["cell"], row["arch"]) == (name, None, str(LITTLE))
    assert (row["status"], row["params"]) == ("ok", counted.params)
    assert f"{row['test']:.2f}" in out
    curve = pq.read_table("whole/curves.parquet").to_pylist()
    assert [epoch["valid_accuracy"] for epoch in curve] == [None, None]
    assert Path("whole/curves.png").read_bytes().startswith(b"\x89PNG")

    def stop(job: Any, epoch: int, *_: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    common: Any = {"dataset": "x.npz", "out": "stopped", "devices": jax.devices()[:1], **TINY}
    with pytest.raises(KeyboardInterrupt):
        training.train_genotypes(LITTLE, progress=stop, **common)
    assert newest(Path("stopped"))[0] == 1
    (trained,) = training.train_genotypes(str(LITTLE), **common)
    assert trained.test == row["test"]
    (epochs, wanted), (again, found) = newest(Path("whole")), newest(Path("stopped"))
    assert epochs == again == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(wanted))
    jax.tree.map(np.testing.assert_array_equal, found, wanted)


def test_names_of_genotypes() -> None:
    assert name_of(darts.DARTS_V2) == "darts-v2"
    assert name_of(dataclasses.replace(darts.DARTS_V2)) == "darts-v2"
    others = [dataclasses.replace(darts.DARTS_V2, normal_concat=nodes) for nodes in ((2,), (3,))]
    assert len({name_of(other) for other in others}) == 2
    assert name_of(others[0]).startswith("genotype-")


# The options.


def test_options_are_the_fields_of_the_settings() -> None:
    assert {name[2:].replace("-", "_") for name, *_ in options.FIELDS} == {
        field.name
        for kind in (training.Settings, training.DartsSettings)
        for field in dataclasses.fields(kind)
    } - {"nesterov", "init"}
    for name, _, cells, genotype, _ in options.FIELDS:
        field = name[2:].replace("-", "_")
        assert getattr(training.Settings(), field, None) == cells
        assert getattr(training.DartsSettings(), field, None) == genotype


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--genotype", "darts-v1", "--cells", "4"], ["either"]),
        (["--genotype", "darts-v9"], ["darts-v1", "@FILE"]),
        (["--genotype", "@none.json"], ["none.json"]),
        (["--genotype", "darts-v1", "--cells-per-stage", "1"], ["--cells-per-stage is", "cells"]),
        (["--cells", "4", "--layers", "8"], ["--layers is", "genotypes"]),
        (["--cells", "4", "--drop-path", "0"], ["--drop-path is", "genotypes"]),
        (["--genotype", "darts-v1"], ["auxiliary head", "32 to 40", "have 8"]),
        (["--genotype", "darts-v1", "--layers", "2"], ["layers", "3"]),
        (["--genotype", "darts-v1", "--channels", "3"], ["channels", "even"]),
        (["--genotype", "darts-v1", "--drop-path", "1"], ["drop_path", "below 1"]),
        (["--genotype", "darts-v1", "--gradient-clip", "-1"], ["gradient_clip"]),
        (["--genotype", "darts-v1", "--auxiliary-weight", "0", "--batch-size", "101"], ["101"]),
    ],
)
def test_refused_in_one_line(
    call: Callable[..., Any], arguments: list[str], words: list[str]
) -> None:
    np.savez("x.npz", **little_digits(100, 20))
    status, out, err = call("train", "--dataset", "x.npz", "--out", "run", "--no-cache", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("jaxnas: error: ")
    for word in words:
        assert word in err
    assert [path.name for path in Path().iterdir()] == ["x.npz"]
