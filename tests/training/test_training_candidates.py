"""Candidates and settings: names, parameters, the loss, and what a space's networks lack."""

from __future__ import annotations

import dataclasses
import functools
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from small import little_digits
from tiny_training import CELLS, LITTLE, TINY

from jaxnas import training
from jaxnas.data import Images
from jaxnas.spaces import SPACES, Sizes, Space, darts, select
from jaxnas.training import PRESETS, TrainingSettings
from jaxnas.training.candidate import make_candidates, name_of
from jaxnas.training.settings import upgraded


@pytest.fixture(scope="module")
def digits() -> Images:
    return Images.from_arrays("little", **little_digits())


class Wrapped:
    """A space whose networks are others."""

    def __init__(self, space: Space, trained: Any) -> None:
        self._space = space
        self.networks = SimpleNamespace(trained=trained)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._space, name)


class FakeNetwork:
    """Its logits are the parameters."""

    def __init__(self, *, auxiliary: bool) -> None:
        self._auxiliary = auxiliary

    def initial(self, seed: int) -> Any:
        return {"seed": seed}

    def train(self, params: Any, stats: Any, x: Any, key: Any, done: Any) -> Any:
        return params["logits"], params["auxiliary"] if self._auxiliary else None, (stats, done)

    def logits(self, params: Any, stats: Any, x: Any) -> Any:
        return params["logits"]


def test_loss_of_training_has_the_auxiliary_heads_cross_entropy(digits: Images) -> None:
    asked: list[dict[str, Any]] = []

    def trained(
        arch: str,
        sizes: Sizes,
        *,
        num_classes: int,
        image_size: int,
        init: str,
        drop_path: float,
        auxiliary: bool,
    ) -> FakeNetwork:
        asked.append({"sizes": sizes, "drop_path": drop_path, "auxiliary": auxiliary})
        return FakeNetwork(auxiliary=auxiliary)

    space: Any = Wrapped(SPACES["darts"], trained)
    random = np.random.default_rng(0)
    params = {name: random.standard_normal((4, 10)) for name in ("logits", "auxiliary")}
    y = np.array([3, 1, 4, 1])

    def entropy(logits: np.ndarray) -> float:
        return float(np.mean(np.log(np.exp(logits).sum(1)) - logits[range(4), y]))

    for weight in (0.0, 0.4):
        chosen = TrainingSettings("darts", auxiliary_weight=weight)
        (candidate,) = make_candidates([str(LITTLE)], space, digits, chosen)
        assert asked[-1] == {"sizes": (36, 20), "drop_path": 0.2, "auxiliary": weight > 0}
        common = (params, "before", jnp.zeros((4, 8, 8, 3)), jnp.asarray(y), jax.random.key(0))
        loss, (logits, stats) = candidate.loss(*common, jnp.asarray(0.25))
        wanted = entropy(params["logits"]) + weight * entropy(params["auxiliary"])
        np.testing.assert_allclose(loss, wanted, rtol=1e-5)
        np.testing.assert_array_equal(logits, params["logits"])
        assert stats == ("before", 0.25)
        np.testing.assert_array_equal(candidate.logits(*common[:3]), params["logits"])
        assert candidate.initial(3) == {"seed": 3}


def test_candidates_are_named_and_counted(digits: Images) -> None:
    space = SPACES["nb201"]
    archs = [space.arch(cell) for cell in CELLS]
    candidates = make_candidates(archs, space, digits, TrainingSettings(**TINY))
    assert [(one.cell, one.name, one.arch) for one in candidates] == [
        (cell, str(cell), arch) for cell, arch in zip(CELLS, archs, strict=True)
    ]
    counted = space.counts(archs, Sizes(4, 1), 10, 8).params
    assert [one.params for one in candidates] == counted.tolist()


def test_names_of_genotypes() -> None:
    name = functools.partial(name_of, space=SPACES["darts"])
    for published, arch in SPACES["darts"].published.items():
        assert name(arch) == published
    # As folders of earlier trainings have it.
    assert name(str(LITTLE)) == "genotype-742e561108"
    other = dataclasses.replace(darts.DARTS_V2, normal=darts.DARTS_V1.normal)
    assert name(str(other)) not in (name(str(LITTLE)), "darts-v1", "darts-v2")


def test_a_genotype_with_every_edge_can_be_trained_though_the_space_lacks_it(
    digits: Images,
) -> None:
    """As searches of independent edges find them."""
    weights = np.random.default_rng(0).uniform(size=(2, 14, 8))
    genotype = darts.discretise(*weights, darts.every_edge)
    space = SPACES["darts"]
    with pytest.raises(ValueError, match="expected 8 edges"):
        select(str(genotype), space)
    assert select(str(genotype), space.trainable) == (str(genotype),)
    assert select(str(darts.DARTS_V1), space.trainable) == select("darts-v1", space)
    chosen = TrainingSettings("darts", channels=2, depth=3, auxiliary_weight=0)
    (candidate,) = make_candidates([str(genotype)], space, digits, chosen)
    assert candidate.params == darts.count(genotype, 10, 2, 3, 8).params
    assert SPACES["nb201"].trainable is SPACES["nb201"]


def test_what_networks_lack_is_refused_in_one_sentence(digits: Images) -> None:
    for options, words in (
        ({"drop_path": 0.2}, "drop_path: expected 0, as the networks of .* have no drop path"),
        ({"auxiliary_weight": 0.4}, "auxiliary_weight: expected 0, .* have no auxiliary head"),
    ):
        with pytest.raises(ValueError, match=words):
            training.train(4, dataset=digits, **TINY, **options)


def test_settings_are_filled_in_by_the_spaces_preset() -> None:
    for space, preset in PRESETS.items():
        settings = dataclasses.asdict(TrainingSettings(space))
        assert settings == {"space": space, **preset}
    assert TrainingSettings("darts", depth=8).sizes == (36, 8)
    with pytest.raises(ValueError, match="space 'mine': expected a recipe of its own, .* got none"):
        TrainingSettings("mine", epochs=3)
    every = {**PRESETS["nb201"], "channels": 7}
    assert TrainingSettings("mine", **every).channels == 7


def test_settings_of_earlier_trainings_are_known_by_their_new_names() -> None:
    for space, earlier in (("nb201", "cells_per_stage"), ("darts", "layers")):
        now = dataclasses.asdict(TrainingSettings(space))
        then = {earlier if name == "depth" else name: value for name, value in now.items()}
        if space == "nb201":
            del then["drop_path"], then["auxiliary_weight"]
        assert upgraded(then) == upgraded(now) == now


def test_settings_and_space_that_do_not_agree_are_refused(digits: Images) -> None:
    settings = TrainingSettings("darts")
    with pytest.raises(ValueError, match="space: expected 'darts', that of the settings"):
        training.train(4, space="nb201", dataset=digits, settings=settings)
    with pytest.raises(ValueError, match="settings: expected them alone, got epochs too"):
        training.train(4, dataset=digits, settings=settings, epochs=3)
    with pytest.raises(ValueError, match="space 'nb210': expected one of"):
        training.train(4, space="nb210", dataset=digits)
