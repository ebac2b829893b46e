"""Training: its parts against independent computations, and whole runs, killed ones among them."""

from __future__ import annotations

import dataclasses
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import orbax.checkpoint as ocp
import pyarrow.parquet as pq
import pytest
from conftest import SMALL, little_digits
from flax.traverse_util import flatten_dict
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from jaxnas import data, training
from jaxnas.cli.commands.train import parse_top
from jaxnas.cli.main import run
from jaxnas.cli.terminal.training_progress import TrainingProgress
from jaxnas.data import Images, splits
from jaxnas.networks.nb201.initial import InitialParameters
from jaxnas.networks.nb201.network import CellNetwork, Network, cell_parameters
from jaxnas.networks.nb201.trainable import RunningBatchNorm, TrainableNetwork
from jaxnas.spaces import nb201
from jaxnas.training import augmentation
from jaxnas.training import optimiser as recipe
from jaxnas.training import run as running
from jaxnas.training.programs import Programs, batches, normalised

CELLS = (855, 4)
TINY: dict[str, Any] = {"channels": 4, "cells_per_stage": 1, "batch_size": 64}


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits())


# The optimiser.


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(
    ("preset", "clip"), [(training.Settings, np.inf), (training.DartsSettings, 2.5)]
)
def test_optimiser_is_sgd_with_coupled_decay(preset: Any, clip: float) -> None:
    random = np.random.default_rng(0)
    chosen = preset(epochs=3, learning_rate=0.3, momentum=0.8, weight_decay=0.05)
    if clip < np.inf:
        chosen = dataclasses.replace(chosen, gradient_clip=clip)
    shortened = 0
    rule = recipe.optimiser(chosen, steps_per_epoch=2)
    params = {"kernel": jnp.asarray(random.standard_normal((3, 2))), "scale": jnp.ones(2)}
    state = rule.init(params)
    expected = {name: np.asarray(value) for name, value in params.items()}
    velocity = {name: np.zeros_like(value) for name, value in expected.items()}
    for step in range(6):
        rate = 0.3 * (1 + np.cos(np.pi * (step // 2) / 3)) / 2
        gradient = {name: random.standard_normal(v.shape) for name, v in expected.items()}
        norm = np.sqrt(sum(np.sum(g**2) for g in gradient.values()))
        shortened += norm > clip
        updates, state = rule.update(jax.tree.map(jnp.asarray, gradient), state, params)
        params = optax.apply_updates(params, updates)
        for name, p in expected.items():
            d = gradient[name] * min(1, clip / norm) + 0.05 * p
            velocity[name] = 0.8 * velocity[name] + d
            moved = d + 0.8 * velocity[name] if chosen.nesterov else velocity[name]
            expected[name] = p - rate * moved
        for name, p in expected.items():
            np.testing.assert_allclose(params[name], p, rtol=1e-12)
    assert chosen.nesterov == (preset is training.Settings)
    assert (0 < shortened < 6) == (clip < np.inf)  # some are clipped, some are not


def test_learning_rate_falls_by_epochs() -> None:
    chosen = training.Settings(epochs=12)
    rates = [float(recipe.learning_rate(chosen, epoch)) for epoch in range(12)]
    np.testing.assert_allclose(rates[0], 0.1, rtol=1e-6)
    np.testing.assert_allclose(rates[3], 0.05 * (1 + np.sqrt(0.5)), rtol=1e-6)
    np.testing.assert_allclose(rates[6], 0.05, rtol=1e-6)
    np.testing.assert_allclose(rates[4] + rates[8], 0.1, rtol=1e-6)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] > 0


# The network.


@pytest.mark.usefixtures("x64")
def test_running_statistics_by_hand() -> None:
    random = np.random.default_rng(1)
    batch_norm = RunningBatchNorm(use_running=False, dtype=jnp.float64)
    x = random.standard_normal((2, 5, 4, 6, 3)) * 2 + 1
    variables = batch_norm.init(jax.random.key(0), x[0])
    assert not np.any(variables["batch_stats"]["mean"])
    assert np.all(np.asarray(variables["batch_stats"]["variance"]) == 1)
    params = {"scale": jnp.asarray([1.0, 2, 3]), "shift": jnp.asarray([0.5, 0, -1])}
    stats, mean, variance = variables["batch_stats"], np.zeros(3), np.ones(3)
    for batch in x:
        given_ = {"params": params, "batch_stats": stats}
        y, changed = batch_norm.apply(given_, batch, mutable=["batch_stats"])
        stats = changed["batch_stats"]
        flat = batch.reshape(-1, 3)
        mean = 0.9 * mean + 0.1 * flat.mean(0)
        variance = 0.9 * variance + 0.1 * flat.var(0, ddof=1)
        by_batch = (batch - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5)
        wanted = by_batch * np.array([1, 2, 3]) + np.array([0.5, 0, -1])
        np.testing.assert_allclose(y, wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(stats["mean"], mean, rtol=1e-9)
    np.testing.assert_allclose(stats["variance"], variance, rtol=1e-9)
    evaluated, untouched = RunningBatchNorm(use_running=True, dtype=jnp.float64).apply(
        {"params": params, "batch_stats": stats}, x[0], mutable=["batch_stats"]
    )
    wanted = (x[0] - mean) / np.sqrt(variance + 1e-5) * np.array([1, 2, 3])
    np.testing.assert_allclose(evaluated, wanted + np.array([0.5, 0, -1]), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(untouched["batch_stats"]["mean"], stats["mean"])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("cell", [6111, 0, 1234])
def test_trained_network_is_the_scored_one(cell: int) -> None:
    ops = tuple(nb201.live_ops(nb201.cell_ops()[cell]).tolist())
    network = Network(dtype=jnp.float64, **SMALL)
    drawn = InitialParameters(network, 8, jax.devices()[0])(3, cell, np.asarray(ops))
    params = cell_parameters(drawn, ops)
    x = np.random.default_rng(2).standard_normal((40, 8, 8, 3))
    trained = TrainableNetwork(ops=ops, dtype=jnp.float64, **SMALL)
    shapes = jax.eval_shape(lambda key: trained.init(key, x, True), jax.random.key(0))
    assert flatten_dict(shapes["params"]).keys() == flatten_dict(params["params"]).keys()
    stats = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes["batch_stats"])

    def loss(logits: Any) -> Any:
        return jnp.sum(jnp.sin(jnp.arange(logits.size)).reshape(logits.shape) * logits)

    def scored(p: Any) -> Any:
        return loss(CellNetwork(ops=ops, dtype=jnp.float64, **SMALL).apply({"params": p}, x))

    def training_loss(p: Any) -> Any:
        return loss(trained.apply({"params": p, "batch_stats": stats}, x, True))

    value, gradient = jax.jit(jax.value_and_grad(training_loss))(params["params"])
    wanted, wanted_gradient = jax.jit(jax.value_and_grad(scored))(params["params"])
    np.testing.assert_allclose(value, wanted, rtol=1e-9)
    for path, leaf in flatten_dict(wanted_gradient).items():
        other = np.asarray(flatten_dict(gradient)[path])
        np.testing.assert_allclose(other, leaf, rtol=1e-7, atol=1e-9 * (1 + np.abs(leaf).max()))


# The images.


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31), st.sampled_from([(8, 1), (16, 2)]))
def test_flip_and_crop_by_indexing(seed: int, size: tuple[int, int]) -> None:
    side, padding = size
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    flips = random.integers(0, 2, 5).astype(bool)
    corners = random.integers(0, 2 * padding + 1, (5, 2))
    found = augmentation.flip_and_crop(*map(jnp.asarray, (images, flips, corners)), padding)
    for image, flip, (row, column), got in zip(
        images, flips, corners, np.asarray(found), strict=True
    ):
        source = image[:, ::-1] if flip else image
        for i in range(side):
            for j in range(side):
                r, c = i + row - padding, j + column - padding
                inside = 0 <= r < side and 0 <= c < side
                assert (got[i, j] == (source[r, c] if inside else 0)).all()


def test_augmentation_draws_every_crop_and_half_the_flips() -> None:
    # A ramp says where each crop came from.
    side, padding = 8, 1
    ramp = np.arange(1, side + 1, dtype=np.uint8)
    images = np.broadcast_to((ramp[:, None] * 10 + ramp)[None, :, :, None], (900, side, side, 3))
    key = jax.random.wrap_key_data(splits.augmentation_key(0, 1, 2), impl="threefry2x32")
    found = np.asarray(augmentation.augment(key, jnp.asarray(images), padding))
    centres = [tuple(image[4, 3:5, 0]) for image in found]
    counts = {centre: centres.count(centre) for centre in set(centres)}
    assert len(counts) == 18
    # 900 draws of 18 kinds: 50 each, deviation 6.9.
    assert min(counts.values()) > 15
    assert max(counts.values()) < 85
    again = augmentation.augment(key, jnp.asarray(images), padding)
    np.testing.assert_array_equal(found, again)
    assert [augmentation.padding_of(side) for side in (32, 16)] == [4, 2]


def test_levels_are_the_librarys_normalisation(digits: Images) -> None:
    parts = splits.split(digits, 0.2)
    found = normalised(jnp.asarray(parts.levels), jnp.asarray(digits.x_train[:7]))
    wanted = data.normalise(digits.x_train[:7], digits.mean, digits.std)
    np.testing.assert_array_equal(found, wanted)


def test_split_is_balanced_nested_and_whole(digits: Images) -> None:
    parts = splits.split(digits, 0.2)
    everything = np.sort(np.concatenate([parts.train, parts.valid, parts.test]))
    np.testing.assert_array_equal(everything, np.arange(480))
    for label in range(10):
        members = int((digits.y_train == label).sum())
        held = int((parts.labels[parts.valid] == label).sum())
        assert abs(held - 0.2 * members) <= 0.5
    assert set(parts.valid) <= set(splits.split(digits, 0.5).valid)
    np.testing.assert_array_equal(parts.images[parts.test], digits.x_test)
    np.testing.assert_array_equal(parts.labels[parts.test], digits.y_test)


def test_epochs_take_every_image_once_in_another_order() -> None:
    positions = np.arange(100, 200)
    orders = [splits.epoch_order(positions, seed, e) for seed in (0, 1) for e in (0, 1)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), positions)
    assert len({tuple(order) for order in orders}) == 4
    np.testing.assert_array_equal(orders[0], splits.epoch_order(positions, 0, 0))
    assert [len(batch) for batch in batches(orders[0], 64)] == [64, 36]
    keys = {tuple(splits.augmentation_key(*at)) for at in np.ndindex(2, 3, 4)}
    assert len(keys) == 24


# Whole runs in this process.


def test_it_learns_and_compiles_only_before_the_first_step(digits: Images, tmp_path: Path) -> None:
    compilations: list[int] = []
    events = 0

    def count(event: str, *_: Any, **__: Any) -> None:
        nonlocal events
        events += event == "/jax/core/compile/backend_compile_duration"

    def progress(_: Any, *__: Any) -> None:
        compilations.append(events)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        (trained,) = training.train(
            855, dataset=digits, epochs=6, out=tmp_path / "run", progress=progress, **TINY
        )
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    assert events > 0
    assert len(compilations) == 6 * 5
    assert len(set(compilations)) == 1
    assert trained.status == "ok"
    losses = [epoch.train_loss for epoch in trained.curve]
    assert losses[-1] < 0.8 * losses[0]
    assert trained.curve[-1].train_accuracy > 2 * 10
    assert trained.valid == trained.curve[-1].valid_accuracy
    row = pq.read_table(tmp_path / "run" / "accuracies.parquet").to_pylist()[0]
    assert row["test"] == trained.test
    assert row["params"] == nb201.num_params(nb201.cell_ops()[855], 10, 4, 1)
    curves = pq.read_table(tmp_path / "run" / "curves.parquet")
    assert curves["train_loss"].to_pylist() == losses
    # A second time nothing is trained.
    steps: list[Any] = []
    again = training.train(
        855, dataset=digits, epochs=6, out=tmp_path / "run", progress=steps.append, **TINY
    )
    assert again == (trained,)
    assert steps == []


def test_one_diverges_and_the_others_go_on(
    digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = running.cell_candidates

    def first_is_broken(*arguments: Any) -> Any:
        first, *others = whole(*arguments)

        def broken(seed: int) -> Any:
            return jax.tree.map(lambda a: a * np.nan, first.initial(seed))

        return dataclasses.replace(first, initial=broken), *others

    monkeypatch.setattr(running, "cell_candidates", first_is_broken)
    first, second = training.train(CELLS, dataset=digits, epochs=1, out=tmp_path, **TINY)
    assert (first.status, first.diverged_step, first.curve) == ("diverged", 1, ())
    assert np.isnan(first.valid)
    assert np.isnan(first.test)
    assert second.status == "ok"
    table = pq.read_table(tmp_path / "accuracies.parquet")
    assert sorted(table["status"].to_pylist()) == ["diverged", "ok"]


def test_the_last_good_checkpoint_of_a_diverged_one_is_kept(
    digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, steps = Programs.step, []

    def seventh_is_broken(self: Any, state: Any, *batch: Any) -> Any:
        steps.append(batch)
        if len(steps) == 7:
            state = state._replace(params=jax.tree.map(lambda a: a * np.nan, state.params))
        return whole(self, state, *batch)

    monkeypatch.setattr(Programs, "step", seventh_is_broken)
    (trained,) = training.train(CELLS[0], dataset=digits, epochs=3, out=tmp_path, **TINY)
    assert (trained.status, trained.diverged_step, len(trained.curve)) == ("diverged", 7, 1)
    assert len(steps) == 7
    epoch, state = newest(tmp_path, CELLS[0])
    assert epoch == 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


def newest(out: Path, cell: int) -> tuple[int, Any]:
    """Epoch and state of a candidate's checkpoint, read by orbax alone."""
    folder = out / "candidates" / f"{cell}-0" / "checkpoints"
    with ocp.CheckpointManager(folder.resolve()) as manager:
        step = manager.latest_step()
        assert step is not None
        restored = manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore()))
    return step, jax.tree.map(np.asarray, restored.state)


def test_damaged_files_are_named(digits: Images, tmp_path: Path) -> None:
    chosen = {"dataset": digits, "epochs": 1, "out": tmp_path, **TINY}
    training.train(CELLS[1], **chosen)
    folder = tmp_path / "candidates" / f"{CELLS[1]}-0"
    (folder / "outcome.json").write_text("{}")
    with pytest.raises(ValueError, match=r"outcome\.json is damaged"):
        training.train(CELLS[1], **chosen)
    (folder / "outcome.json").unlink()
    for file in folder.glob("checkpoints/1/state/**/*"):
        if file.is_file():
            file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"checkpoints/1 is damaged"):
        training.train(CELLS[1], **chosen)
    (tmp_path / "training.json").write_text("[]")
    with pytest.raises(ValueError, match=r"training\.json is damaged"):
        training.train(CELLS[1], **chosen)


# The command, killed, resumed, and on two devices.

COMMAND = [
    *("train", "--cells", ",".join(map(str, CELLS)), "--dataset", "x.npz", "--epochs", "6"),
    *("--channels", "4", "--cells-per-stage", "1", "--batch-size", "64", "--cache-dir", "cache"),
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
            newest(tmp_path / run_, cell) for run_ in ("whole", "killed")
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
