"""Whole trainings in this process: learning, diverging, damaged, of either space."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow.parquet as pq
import pytest
from small import little_digits
from tiny_training import CELLS, LITTLE, TINY, TINY_DARTS, newest

from jaxnas import training
from jaxnas.data import Images
from jaxnas.spaces import nb201
from jaxnas.training import TrainingSettings
from jaxnas.training import run as running
from jaxnas.training.candidate import Candidate
from jaxnas.training.programs import TrainingPrograms


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits())


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
    whole = running.make_candidates

    def first_is_broken(*arguments: Any) -> Any:
        first, *others = whole(*arguments)

        def broken(seed: int) -> Any:
            return jax.tree.map(lambda a: a * np.nan, first.initial(seed))

        return dataclasses.replace(first, initial=broken), *others

    monkeypatch.setattr(running, "make_candidates", first_is_broken)
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
    whole, steps = TrainingPrograms.step, []

    def seventh_is_broken(self: Any, state: Any, *batch: Any) -> Any:
        steps.append(batch)
        if len(steps) == 7:
            state = state._replace(params=jax.tree.map(lambda a: a * np.nan, state.params))
        return whole(self, state, *batch)

    monkeypatch.setattr(TrainingPrograms, "step", seventh_is_broken)
    (trained,) = training.train(CELLS[0], dataset=digits, epochs=3, out=tmp_path, **TINY)
    assert (trained.status, trained.diverged_step, len(trained.curve)) == ("diverged", 7, 1)
    assert len(steps) == 7
    epoch, state = newest(tmp_path, str(CELLS[0]))
    assert epoch == 1
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(state))


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


def test_part_that_is_done_rises_by_epochs_and_nothing_is_held_out(digits: Images) -> None:
    """A candidate whose logits say what part of the epochs is done."""

    def loss(params: Any, stats: Any, x: Any, y: Any, key: Any, done: Any) -> Any:
        logits = jnp.zeros((len(x), 10)).at[:, 0].set(done)
        # Not the cross-entropy, which is reported all the same.
        return 7 * params["shift"].sum(), (logits, stats)

    candidate = Candidate(
        "none", None, "teller", 1, loss, lambda p, s, x: jnp.zeros((len(x), 10)),
        lambda seed: {"shift": jnp.ones(1)},
    )  # fmt: skip
    chosen = TrainingSettings("darts", epochs=4, batch_size=100, auxiliary_weight=0, cutout=0)
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


@pytest.mark.slow
def test_a_genotype_that_was_stopped_ends_with_the_same_weights(
    digits: Images, tmp_path: Path
) -> None:
    def stop(job: Any, epoch: int, *_: Any) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    common: Any = {"space": "darts", "dataset": digits, "devices": jax.devices()[:1], **TINY_DARTS}
    (whole,) = training.train(str(LITTLE), out=tmp_path / "whole", **common)
    assert (whole.cell, whole.arch, whole.status) == (None, str(LITTLE), "ok")
    assert whole.name.startswith("genotype-")
    with pytest.raises(KeyboardInterrupt):
        training.train(str(LITTLE), out=tmp_path / "stopped", progress=stop, **common)
    assert newest(tmp_path / "stopped", whole.name)[0] == 1
    (trained,) = training.train([str(LITTLE)], out=tmp_path / "stopped", **common)
    assert trained.test == whole.test
    (epochs, wanted), (again, found) = (
        newest(tmp_path / folder, whole.name) for folder in ("whole", "stopped")
    )
    assert epochs == again == 2
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(wanted))
    jax.tree.map(np.testing.assert_array_equal, found, wanted)
    (row,) = pq.read_table(tmp_path / "whole" / "accuracies.parquet").to_pylist()
    assert (row["name"], row["cell"], row["arch"]) == (whole.name, None, whole.arch)
    assert [epoch.valid_accuracy for epoch in whole.curve] == [None, None]


def test_a_folder_of_an_earlier_version_is_gone_on_with(digits: Images, tmp_path: Path) -> None:
    """Depth had other names, what a space lacks was left out, an index was known by its name."""
    asked: Any = {"dataset": digits, "epochs": 1, "out": tmp_path, **TINY}
    (whole,) = training.train(CELLS[1], **asked)
    manifest = tmp_path / "training.json"
    content = json.loads(manifest.read_text())
    settings = content["settings"]
    settings["cells_per_stage"] = settings.pop("depth")
    del settings["drop_path"], settings["auxiliary_weight"], content["checksum"]
    manifest.write_text(json.dumps(content))
    outcome = tmp_path / "candidates" / f"{CELLS[1]}-0" / "outcome.json"
    kept = json.loads(outcome.read_text())
    del kept["cell"], kept["run"], kept["checksum"]
    outcome.write_text(json.dumps(kept))
    steps: list[Any] = []
    assert training.train(CELLS[1], progress=lambda *at: steps.append(at), **asked) == (whole,)
    assert steps == []
    with pytest.raises(ValueError, match="trainings with depth 1; this run asks for 2"):
        training.train(CELLS[1], **{**asked, "depth": 2})
