"""Whole searches on a supernet: every method, killed ones, refused ones, diverging ones."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from small import little_digits
from tiny_search import TINY_SPACE, cross_entropy, tiny_supernet

from jaxnas import oneshot
from jaxnas.data import Images
from jaxnas.oneshot.images import check
from jaxnas.oneshot.log import Epoch
from jaxnas.oneshot.programs import SearchPrograms
from jaxnas.oneshot.recipe import Recipe
from jaxnas.oneshot.step import State

COMPILED = "/jax/core/compile/backend_compile_duration"
EVERY = sorted(oneshot.METHODS)


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits(160, 20))


TINY: dict[str, Any] = {"epochs": 2, "batch_size": 16, "weight_rate": 0.1, "alpha_rate": 0.05}
OWN: dict[str, dict[str, Any]] = {
    "rsps": {"candidates": 5},
    "enas": {"candidates": 5, "alpha_estimates": 2},
    "ram": {"edges_per_step": 1},
}


def run(method: str, images: Images, out: Path, **rest: Any) -> oneshot.Outcome:
    options = {**TINY, **OWN.get(method, {}), **rest}
    return oneshot.search(method, space=TINY_SPACE, dataset=images, out=out, seed=4, **options)


def kept_state(out: Path) -> Any:
    newest = max(int(path.name) for path in (out / "checkpoints").iterdir() if path.name.isdigit())
    return ocp.StandardCheckpointer().restore(out.resolve() / "checkpoints" / str(newest) / "state")


def without_seconds(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


class Killed(BaseException):
    """Not an error of the library's."""


def check_outcome(method: str, outcome: oneshot.Outcome, steps: int, path: Path) -> None:
    """Two epochs of so many steps each, and what is found."""
    first, last = outcome.epochs
    assert (first.epoch, last.epoch) == (1, 2)
    assert last.evaluations == 2 * first.evaluations
    assert first.evaluations >= steps
    for row in outcome.epochs:
        assert math.isfinite(row.train_loss)
        assert math.isfinite(row.valid_loss)
        assert 0 <= row.valid_accuracy <= 100
        assert row.skips == row.architecture.split("-").count("1")
    if method == "rsps":
        assert math.isnan(first.entropy)
    else:
        assert first.entropy == pytest.approx(math.log(3), rel=0.1)
    if method in ("rsps", "enas"):
        assert len(outcome.candidates) == 5
        best = max(outcome.candidates, key=lambda one: one[1])
        assert outcome.architecture == best[0]
    else:
        wanted = np.asarray(outcome.alpha).argmax(1)
        assert outcome.architecture == last.architecture == "-".join(map(str, wanted))
    annealed = method in ("snas", "gdas", "st", "pr-darts")
    assert math.isnan(first.temperature) != annealed
    content = json.loads(path.read_text())
    assert content["architecture"] == outcome.architecture
    assert content["constants"]["weight_rate"] == 0.1


# One of each kind: by score, by a straight-through sample, by two levels.
QUICK = ("sf", "gdas", "darts of second order")
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in EVERY if name not in QUICK]


@pytest.mark.parametrize("variant", [*QUICK, *SLOW])
def test_every_method_runs_and_killed_goes_on_to_the_same_bytes(
    variant: str, digits: Images, tmp_path: Path
) -> None:
    method = variant.split(maxsplit=1)[0]
    rest = {"second_order": True} if method != variant else {}
    compilations: list[int] = []
    compiled = 0

    def count(event: str, *_: Any, **__: Any) -> None:
        nonlocal compiled
        compiled += event == COMPILED

    def progress(epoch: int, steps: int, loss: float, last: Epoch | None) -> None:
        assert steps == 1
        assert (last is None) == (epoch == 1)
        compilations.append(compiled)

    jax.monitoring.register_event_duration_secs_listener(count)
    try:
        outcome = run(method, digits, tmp_path / "whole", progress=progress, **rest)
    finally:
        jax.monitoring.unregister_event_duration_listener(count)
    steps = len(compilations) // 2
    assert compilations[0] > 0
    # One program for all steps: none between those of an epoch, and after the evaluation none.
    assert set(compilations[:steps]) == {compilations[0]}
    assert set(compilations[steps:]) == {compilations[steps]}

    check_outcome(method, outcome, steps, tmp_path / "whole/found.json")

    def kill(epoch: int, steps: int, loss: float, last: Epoch | None) -> None:
        if epoch == 2:
            raise Killed

    with pytest.raises(Killed):
        run(method, digits, tmp_path / "killed", progress=kill, **rest)
    assert not (tmp_path / "killed/found.json").exists()
    seen: list[int] = []
    again = run(
        method, digits, tmp_path / "killed", progress=lambda epoch, *_: seen.append(epoch), **rest
    )
    assert set(seen) == {2}
    same = [(tmp_path / name / "found.json").read_bytes() for name in ("whole", "killed")]
    assert same[0] == same[1]
    logs = [without_seconds(tmp_path / name / "log.csv") for name in ("whole", "killed")]
    assert logs[0] == logs[1]
    states = [kept_state(tmp_path / name) for name in ("whole", "killed")]
    jax.tree.map(np.testing.assert_array_equal, *states)
    assert again.architecture == outcome.architecture


def test_the_log_is_of_the_state_that_is_kept(digits: Images, tmp_path: Path) -> None:
    outcome = run("sf", digits, tmp_path)
    state, row = kept_state(tmp_path), outcome.epochs[-1]
    logits = np.asarray(state["alpha"], np.float64)
    theta = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert row.entropy == pytest.approx(-(theta * np.log(theta)).sum(1).mean(), rel=1e-5)
    parts = check(digits, Recipe(batch_size=16))
    x = digits.x_train[parts.valid] / 255
    x = jnp.asarray((x - digits.mean) / digits.std, jnp.float32)
    weights = jnp.eye(3)[np.array([int(op) for op in row.architecture.split("-")])]
    logits = tiny_supernet(10).logits(state["params"], x, weights)
    right = np.asarray(logits.argmax(-1)) == digits.y_train[parts.valid]
    assert row.valid_accuracy == pytest.approx(100 * right.mean())
    y = jnp.asarray(digits.y_train[parts.valid])
    assert row.valid_loss == pytest.approx(float(cross_entropy(logits, y)), rel=1e-4)
    assert row.evaluations == 2 * 2 * (len(parts.train) // 16)
    assert state["step"] == 2 * (len(parts.train) // 16)


def test_other_settings_methods_and_damage_are_refused(digits: Images, tmp_path: Path) -> None:
    run("sf", digits, tmp_path, epochs=1)
    with pytest.raises(ValueError, match='holds a search with .*method "sf".* method "gdas"'):
        run("gdas", digits, tmp_path, epochs=1)
    with pytest.raises(ValueError, match="holds a search with epochs 1; this run asks for 3"):
        run("sf", digits, tmp_path, epochs=3)
    (tmp_path / "search.json").write_text("{")
    with pytest.raises(ValueError, match=r"search\.json is damaged"):
        run("sf", digits, tmp_path, epochs=1)


def test_a_step_that_is_not_finite_is_named_and_the_last_checkpoint_kept(
    digits: Images, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = SearchPrograms.step

    def poisoned(self: SearchPrograms, state: State, train: Any, valid: Any) -> Any:
        if int(state.step) == 6:
            state = state._replace(params=jax.tree.map(lambda w: w * jnp.nan, state.params))
        return step(self, state, train, valid)

    with monkeypatch.context() as patch:
        patch.setattr(SearchPrograms, "step", poisoned)
        with pytest.raises(oneshot.Diverged) as caught:
            run("sf", digits, tmp_path)
    assert "sf diverged: the loss, a weight or α is not finite after step 7 (epoch 2)" in str(
        caught.value
    )
    assert "the checkpoint of epoch 1 is kept" in str(caught.value)
    assert np.isfinite(kept_state(tmp_path)["params"]["classifier"]).all()
    assert len(run("sf", digits, tmp_path).epochs) == 2


def test_arguments_are_checked(digits: Images, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="seed: expected a whole number from 0 to 4294967295, got -1"
    ):
        oneshot.search("sf", space=TINY_SPACE, dataset=digits, out=tmp_path, seed=-1)
    recipe = oneshot.make_recipe("sf", "nb201")
    with pytest.raises(ValueError, match="recipe: expected it alone, got epochs too"):
        oneshot.search("sf", dataset=digits, out=tmp_path, recipe=recipe, epochs=1)
    with pytest.raises(ValueError, match="space 'nb301': expected one of"):
        oneshot.search("sf", space="nb301", dataset=digits, out=tmp_path)


def test_the_folder_of_an_earlier_search_is_gone_on_with(digits: Images, tmp_path: Path) -> None:
    """Depth was called cells."""
    whole = run("sf", digits, tmp_path, epochs=1)
    manifest = tmp_path / "search.json"
    content = json.loads(manifest.read_text())
    content["settings"]["cells"] = content["settings"].pop("depth")
    del content["checksum"]
    manifest.write_text(json.dumps(content))
    seen: list[Any] = []
    again = run("sf", digits, tmp_path, epochs=1, progress=lambda *at: seen.append(at))
    assert (again.architecture, seen) == (whole.architecture, [])
