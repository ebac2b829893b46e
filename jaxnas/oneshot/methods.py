"""The methods, each assembled of an estimator, a distribution and the constants of its recipe."""

from __future__ import annotations

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import jax.numpy as jnp

from jaxnas import estimators
from jaxnas.estimators import Estimator
from jaxnas.networks.supernet import Supernet
from jaxnas.oneshot import enas, pr_darts
from jaxnas.oneshot.method import Method, categorical, recurrent, uniform
from jaxnas.oneshot.recipe import Recipe
from jaxnas.oneshot.recipes import (
    Annealed,
    Darts,
    Enas,
    Gdas,
    PrDarts,
    Ram,
    Relax,
    Rsps,
    ScoreFunction,
    Snas,
    StraightThrough,
)
from jaxnas.types import Array


@singledispatch
def assemble(recipe: Recipe, supernet: Supernet, steps: int) -> Method:
    """The method of a recipe, which is told by the recipe's class.

    Args:
        recipe: the constants.
        supernet: what is searched.
        steps: steps of an epoch.

    Raises:
        ValueError: a constant does not fit the supernet.
    """
    raise TypeError(f"recipe: expected one of a method, got {type(recipe).__name__}")


def temperatures(recipe: Annealed, steps_per_epoch: int) -> Callable[[Array], Array]:
    """The temperature by step: linear by epochs, as the papers' code has it."""

    def temperature(step: Array) -> Array:
        done = (step // steps_per_epoch) / max(recipe.epochs - 1, 1)
        done = jnp.clip(done, 0, 1)
        return recipe.temperature + (recipe.final_temperature - recipe.temperature) * done

    return temperature


def _assembled(recipe: Recipe, supernet: Supernet, estimator: Estimator, **rest: Any) -> Method:
    return Method(
        categorical(supernet, recipe),
        estimator,
        recipe.alternation,
        candidates=recipe.candidates,
        **rest,
    )


@assemble.register
def _score_function(recipe: ScoreFunction, supernet: Supernet, steps: int) -> Method:
    del steps
    return _assembled(recipe, supernet, estimators.score_function(recipe.baseline_decay))


@assemble.register
def _relax(recipe: Relax, supernet: Supernet, steps: int) -> Method:
    del steps
    return _assembled(recipe, supernet, estimators.relax(recipe.hidden, recipe.control_rate))


@assemble.register
def _ram(recipe: Ram, supernet: Supernet, steps: int) -> Method:
    del steps
    if recipe.edges_per_step is not None and recipe.edges_per_step > supernet.edges:
        raise ValueError(
            f"edges_per_step: expected 1 to {supernet.edges}, the edges of {supernet.name}, got "
            f"{recipe.edges_per_step}"
        )
    return _assembled(recipe, supernet, estimators.ram(recipe.edges_per_step))


@assemble.register
def _snas(recipe: Snas, supernet: Supernet, steps: int) -> Method:
    schedule = temperatures(recipe, steps)
    estimator = estimators.gumbel_softmax(schedule)
    return _assembled(recipe, supernet, estimator, temperature=schedule)


@assemble.register
def _gdas(recipe: Gdas, supernet: Supernet, steps: int) -> Method:
    schedule = temperatures(recipe, steps)
    return _assembled(recipe, supernet, estimators.gdas(schedule), temperature=schedule)


@assemble.register
def _straight_through(recipe: StraightThrough, supernet: Supernet, steps: int) -> Method:
    schedule = temperatures(recipe, steps)
    return _assembled(recipe, supernet, estimators.straight_through(schedule), temperature=schedule)


@assemble.register
def _darts(recipe: Darts, supernet: Supernet, steps: int) -> Method:
    del steps
    estimator = estimators.softmax_mixture()
    return _assembled(recipe, supernet, estimator, second_order=recipe.second_order)


@assemble.register
def _pr_darts(recipe: PrDarts, supernet: Supernet, steps: int) -> Method:
    schedule = temperatures(recipe, steps)
    make = pr_darts.released_pr_darts if recipe.released else pr_darts.pr_darts
    estimator = make(
        pr_darts.cells_of(supernet),
        schedule,
        pr_darts.Strengths(
            skip=recipe.skip_strength,
            non_skip=recipe.non_skip_strength,
            path=recipe.path_strength,
        ),
        lower=recipe.lower,
        upper=recipe.upper,
    )
    return _assembled(recipe, supernet, estimator, temperature=schedule)


@assemble.register
def _enas(recipe: Enas, supernet: Supernet, steps: int) -> Method:
    del steps
    controller = enas.Controller(
        supernet.ops,
        recipe.hidden,
        recipe.layers,
        recipe.policy_temperature,
        recipe.tanh_constant,
        dtype=supernet.network.dtype,  # type: ignore[attr-defined]
    )
    estimator = enas.enas(controller, supernet.edges, recipe.entropy_weight, recipe.baseline_decay)
    return Method(
        recurrent(supernet, controller), estimator, recipe.alternation, candidates=recipe.candidates
    )


@assemble.register
def _rsps(recipe: Rsps, supernet: Supernet, steps: int) -> Method:
    del steps
    return Method(uniform(supernet), None, recipe.alternation, candidates=recipe.candidates)
