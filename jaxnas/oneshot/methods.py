"""The methods by name, each an assembly of an estimator and constants; presets are the papers'."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp

from jaxnas import estimators
from jaxnas.estimators import Estimator
from jaxnas.oneshot import enas, pr_darts
from jaxnas.oneshot.method import Method, categorical, recurrent, uniform
from jaxnas.oneshot.recipe import Alternation, Recipe, Rule
from jaxnas.oneshot.spaces import SPACES, Space
from jaxnas.types import Array


@dataclass(frozen=True)
class Definition:
    """A method that can be asked for by name.

    Attributes:
        recipe: the constants that it has, with the preset of the DARTS space, as the paper's.
        assemble: recipe, space, steps of an epoch → the method.
        presets: by space, the constants that differ there.
    """

    recipe: type[Recipe]
    assemble: Callable[[Any, Space, int], Method]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def make_recipe(method: str, space: str, **constants: Any) -> Recipe:
    """The preset of a method in a space, with some constants set otherwise.

    Raises:
        ValueError: there is no such method, space or constant, or one is not what it should be.
    """
    definition = find(method)
    if space not in SPACES:
        raise ValueError(f"space {space!r}: expected {' or '.join(SPACES)}")
    known = [one.name for one in fields(definition.recipe)]
    for name in constants:
        if name not in known:
            raise ValueError(f"{method} has no constant {name!r}: it has {', '.join(known)}")
    return definition.recipe(**{**definition.presets.get(space, {}), **constants})


def find(method: str) -> Definition:
    """The definition of a method.

    Raises:
        ValueError: there is no such method.
    """
    if method not in METHODS:
        near = difflib.get_close_matches(method, METHODS, n=1, cutoff=0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"method {method!r}: expected one of {', '.join(METHODS)}{hint}")
    return METHODS[method]


def _assembled(recipe: Recipe, space: Space, estimator: Estimator, **rest: Any) -> Method:
    return Method(
        categorical(space, recipe),
        estimator,
        recipe.alternation,
        candidates=recipe.candidates,
        **rest,
    )


# --- unbiased estimators --------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreFunction(Recipe):
    """Seeds 001, eq. 10; the constants it does not give are those of DARTS, which it compares with.

    Attributes:
        baseline_decay: of the moving average of losses; None for no control variate.
        rule: of independent edges the most probable operation each.
    """

    baseline_decay: float | None = 0.9
    rule: Rule = "every-edge"


@dataclass(frozen=True)
class Relax(Recipe):
    """Seeds 001, eq. 11.

    Attributes:
        hidden: units of the control variate's network.
        control_rate: its learning rate.
        rule: as `ScoreFunction`'s.
    """

    hidden: int = 64
    control_rate: float = 1e-3
    rule: Rule = "every-edge"

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("hidden", 1)
        self.require("control_rate", 0, open_low=True)


@dataclass(frozen=True)
class Ram(Recipe):
    """Seeds 001, eq. 14 to 16.

    Attributes:
        edges_per_step: edges whose operations are all evaluated; None for all, which takes
            E (K - 1) + 1 networks a step.
        rule: as `ScoreFunction`'s.
    """

    edges_per_step: int | None = None
    rule: Rule = "every-edge"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.edges_per_step is not None:
            self.require("edges_per_step", 1)


def _score_function(recipe: ScoreFunction, space: Space, steps: int) -> Method:
    del steps
    return _assembled(recipe, space, estimators.score_function(recipe.baseline_decay))


def _relax(recipe: Relax, space: Space, steps: int) -> Method:
    del steps
    return _assembled(recipe, space, estimators.relax(recipe.hidden, recipe.control_rate))


def _ram(recipe: Ram, space: Space, steps: int) -> Method:
    del steps
    if recipe.edges_per_step is not None and recipe.edges_per_step > space.edges:
        raise ValueError(
            f"edges_per_step: expected 1 to {space.edges}, the edges of {space.name}, got "
            f"{recipe.edges_per_step}"
        )
    return _assembled(recipe, space, estimators.ram(recipe.edges_per_step))


# --- annealed relaxations -------------------------------------------------------------------------


@dataclass(frozen=True)
class Annealed(Recipe):
    """A recipe with a temperature.

    Attributes:
        temperature: of the first epoch.
        final_temperature: of the last; linear by epochs, as the papers' code has it.
    """

    temperature: float = 1.0
    final_temperature: float = 0.03

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("temperature", 0, open_low=True)
        self.require("final_temperature", 0, open_low=True)

    def schedule(self, steps_per_epoch: int) -> Callable[[Array], Array]:
        """The temperature by step."""

        def temperature(step: Array) -> Array:
            done = (step // steps_per_epoch) / max(self.epochs - 1, 1)
            done = jnp.clip(done, 0, 1)
            return self.temperature + (self.final_temperature - self.temperature) * done

        return temperature


@dataclass(frozen=True)
class Snas(Annealed):
    """Xie et al., "SNAS", ICLR 2019, by its released code; without its resource constraint.

    One level: a batch teaches weights and α together. Unlike there, a tenth of the images is held
    out, to show the accuracy by images that taught neither; the code shows the test set's.
    """

    epochs: int = 150
    alternation: Alternation = "together"
    alpha_mean: float = 1.0
    alpha_deviation: float = 0.01
    alpha_clip: float | None = 10.0
    rule: Rule = "every-edge"
    valid_fraction: float = 0.1


@dataclass(frozen=True)
class Gdas(Annealed):
    """Dong & Yang, "GDAS", CVPR 2019, by the released code: the weights' step comes first."""

    epochs: int = 250
    batch_size: int = 256
    temperature: float = 10.0
    final_temperature: float = 0.1
    nesterov: bool = True
    weight_decay: float = 5e-4
    alternation: Alternation = "weights-first"
    rule: Rule = "top-pairs"


@dataclass(frozen=True)
class StraightThrough(Gdas):
    """GDAS as printed, with the true straight-through gradient: all operations are computed."""


def _snas(recipe: Snas, space: Space, steps: int) -> Method:
    schedule = recipe.schedule(steps)
    estimator = estimators.gumbel_softmax(schedule)
    return _assembled(recipe, space, estimator, temperature=schedule)


def _gdas(recipe: Gdas, space: Space, steps: int) -> Method:
    schedule = recipe.schedule(steps)
    return _assembled(recipe, space, estimators.gdas(schedule), temperature=schedule)


def _straight_through(recipe: StraightThrough, space: Space, steps: int) -> Method:
    schedule = recipe.schedule(steps)
    return _assembled(recipe, space, estimators.straight_through(schedule), temperature=schedule)


# --- DARTS ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Darts(Recipe):
    """Liu et al., "DARTS", ICLR 2019.

    Attributes:
        second_order: whether α's loss is the validation loss after a step of the weights.
    """

    second_order: bool = False


def _darts(recipe: Darts, space: Space, steps: int) -> Method:
    del steps
    estimator = estimators.softmax_mixture()
    return _assembled(recipe, space, estimator, second_order=recipe.second_order)


# --- stochastic gates -----------------------------------------------------------------------------


@dataclass(frozen=True)
class PrDarts(Annealed):
    """Zhou et al., "Theory-inspired path-regularized DARTS", NeurIPS 2020 (seeds 004).

    α are the gates' logits β. Though gates are independent, the paper and its code compare the
    softmax of an edge's logits when they discretise; so do the entropy and what is found here.

    Attributes:
        skip_strength: λ1, of the skip connections' sparsity.
        non_skip_strength: λ2, of the other operations'.
        path_strength: λ3, of the path depth.
        lower: a, where a gate's stretched sigmoid begins.
        upper: b, where it ends.
        released: the released code's form: two operations an edge by straight-through gates, and
            regularisers of three groups, hinged.
    """

    epochs: int = 200
    batch_size: int = 250
    cells: int = 6
    temperature: float = 1.0
    final_temperature: float = 0.1
    nesterov: bool = True
    weight_decay: float = 5e-4
    alternation: Alternation = "weights-first"
    rule: Rule = "top-pairs"
    skip_strength: float = 0.01
    non_skip_strength: float = 0.005
    path_strength: float = 0.005
    lower: float = -0.1
    upper: float = 1.1
    released: bool = False


def _pr_darts(recipe: PrDarts, space: Space, steps: int) -> Method:
    schedule = recipe.schedule(steps)
    make = pr_darts.released_pr_darts if recipe.released else pr_darts.pr_darts
    estimator = make(
        pr_darts.cells_of(space),
        schedule,
        pr_darts.Strengths(
            skip=recipe.skip_strength,
            non_skip=recipe.non_skip_strength,
            path=recipe.path_strength,
        ),
        lower=recipe.lower,
        upper=recipe.upper,
    )
    return _assembled(recipe, space, estimator, temperature=schedule)


# --- a recurrent policy ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Enas(Recipe):
    """Pham et al., "ENAS", ICML 2018, by the constants of NAS-Bench-201's search code.

    Unlike there weights and controller take turns at every batch, not at every epoch, the weights'
    rate is one cosine without restarts, and operations alone are chosen, of all edges.

    Attributes:
        hidden: units of the controller's layers.
        layers: of its LSTM.
        policy_temperature: its logits are divided by it.
        tanh_constant: bound of its logits.
        entropy_weight: of the policy's entropy in the reward, per nat.
        baseline_decay: of the moving average of losses.
    """

    epochs: int = 250
    batch_size: int = 128
    weight_rate: float = 0.05
    final_weight_rate: float = 0.0005
    nesterov: bool = True
    weight_decay: float = 2.5e-4
    alternation: Alternation = "weights-first"
    alpha_rate: float = 1e-3
    alpha_beta1: float = 0.0
    alpha_epsilon: float = 1e-3
    alpha_estimates: int = 20
    alpha_decay: float = 0.0
    candidates: int = 100
    hidden: int = 32
    layers: int = 2
    policy_temperature: float = 5.0
    tanh_constant: float = 2.5
    entropy_weight: float = enas.ENTROPY_WEIGHT
    baseline_decay: float = enas.BASELINE_DECAY


def _enas(recipe: Enas, space: Space, steps: int) -> Method:
    del steps
    controller = enas.Controller(
        space.ops,
        recipe.hidden,
        recipe.layers,
        recipe.policy_temperature,
        recipe.tanh_constant,
        dtype=space.network.dtype,  # type: ignore[attr-defined]
    )
    estimator = enas.enas(controller, space.edges, recipe.entropy_weight, recipe.baseline_decay)
    return Method(
        recurrent(space, controller), estimator, recipe.alternation, candidates=recipe.candidates
    )


# --- random search with shared weights ------------------------------------------------------------


@dataclass(frozen=True)
class Rsps(Recipe):
    """Li & Talwalkar, "Random search and reproducibility for NAS", UAI 2019, by AutoDL's code."""

    epochs: int = 250
    nesterov: bool = True
    weight_decay: float = 5e-4
    alternation: Alternation = "weights-first"
    candidates: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require("candidates", 1)


def _rsps(recipe: Rsps, space: Space, steps: int) -> Method:
    del steps
    return Method(uniform(space), None, recipe.alternation, candidates=recipe.candidates)


# NAS-Bench-201's search code (AutoDL-Projects) has its own constants for the weights.
_NB201: dict[str, Any] = {"cells": 5, "nesterov": True, "weight_decay": 5e-4}
_NB201_GDAS = {**_NB201, "batch_size": 64}

METHODS: Mapping[str, Definition] = MappingProxyType(
    {
        "sf": Definition(ScoreFunction, _score_function, {"nb201": _NB201}),
        "relax": Definition(Relax, _relax, {"nb201": _NB201}),
        "ram": Definition(Ram, _ram, {"nb201": _NB201}),
        "snas": Definition(Snas, _snas, {"nb201": {"cells": 5}}),
        "darts": Definition(Darts, _darts, {"nb201": _NB201}),
        "gdas": Definition(Gdas, _gdas, {"nb201": _NB201_GDAS}),
        "st": Definition(StraightThrough, _straight_through, {"nb201": _NB201_GDAS}),
        "pr-darts": Definition(PrDarts, _pr_darts, {"nb201": {**_NB201, "batch_size": 64}}),
        "enas": Definition(Enas, _enas, {"nb201": {"cells": 5}}),
        "rsps": Definition(Rsps, _rsps, {"nb201": _NB201}),
    }
)
"""Every method by its name."""
