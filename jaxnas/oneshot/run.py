"""A search on a supernet, from its newest checkpoint on."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas import data, spaces
from jaxnas.checks import checked, folder_to_write, ranges
from jaxnas.data import Images
from jaxnas.networks.supernet import Found, Supernet
from jaxnas.oneshot.images import check, epoch_batches, put_images
from jaxnas.oneshot.log import Epoch, Outcome
from jaxnas.oneshot.methods import assemble
from jaxnas.oneshot.optimisers import optimisers
from jaxnas.oneshot.programs import SearchPrograms, Worth, copied
from jaxnas.oneshot.recipe import Recipe, upgraded
from jaxnas.oneshot.recipes import make_recipe
from jaxnas.oneshot.step import State, initial_state
from jaxnas.results import JSON
from jaxnas.results.claim import claim_folder
from jaxnas.results.files import write_atomically, write_csv
from jaxnas.spaces import DEFAULT, Sizes, Space
from jaxnas.training.checkpoints import Checkpoints

MANIFEST_FILE = "search.json"
LOG_FILE = "log.csv"
FOUND_FILE = "found.json"
CHECKPOINTS = "checkpoints"
_FORMAT = "jaxnas-oneshot"

# Raised whenever a method's definition changes, so that a folder never mixes two.
DEFINITIONS = 1

# Keeps the streams of what an epoch shows and of the last candidates apart from the steps'.
_SHOWN, _CANDIDATES = 2**31, 2**31 + 1


class Diverged(ValueError):
    """The loss, a weight or α is not finite after a step."""


class StepProgress(Protocol):
    """Told of every step."""

    def __call__(self, epoch: int, steps: int, loss: float, last: Epoch | None, /) -> None:
        """`steps` more are done of an epoch, counted from 1; loss so far, and the epoch before."""


def search(
    method: str,
    *,
    space: str | Space = DEFAULT,
    dataset: Images | str | os.PathLike[str],
    out: str | os.PathLike[str],
    seed: int = 0,
    recipe: Recipe | None = None,
    progress: StepProgress | None = None,
    begin: Callable[[int], None] | None = None,
    **constants: Any,
) -> Outcome:
    """Searches a space by gradient on a supernet whose weights all architectures share.

    Args:
        method: a name of `METHODS`.
        space: the space, or its name.
        dataset: images, the name of a data set, or the path of an `.npz`; only its training images
            are looked at.
        out: folder of checkpoints, log and result. A search that was stopped goes on from its last
            epoch, to the same state.
        seed: random seed.
        recipe: the method's constants, from `make_recipe`; or some may be given as keywords.
        progress: called after every step.
        begin: called before the first step with the number of steps left.
        **constants: of the method's recipe that are not to be its preset.

    Returns:
        What is found; also written to `out`, as `found.json`, the course as `log.csv`.

    Raises:
        ValueError: an argument is not what it should be, or `out` is of another search.
        Diverged: a number is not finite; the last good checkpoint is kept.
    """
    seed = checked("seed", seed, ranges.SeedOfWords)
    folder = folder_to_write("out", out)
    searched = spaces.find(space)
    if recipe is None:
        recipe = make_recipe(method, searched.name, **constants)
    elif constants:
        raise ValueError(
            f"recipe: expected it alone, got {', '.join(constants)} too; leave out one of both"
        )
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    run = _Run(method, searched, images, recipe, seed)
    with ExitStack() as stack:
        identity = run.identity()
        lock = claim_folder(
            folder, MANIFEST_FILE, _FORMAT, "a search", identity, upgraded, (CHECKPOINTS,)
        )
        stack.callback(os.close, lock)
        checkpoints = stack.enter_context(
            Checkpoints(folder / CHECKPOINTS, Epoch, identity, upgraded)
        )
        state, epochs = run.resume(checkpoints)
        if begin:
            begin((recipe.epochs - len(epochs)) * run.steps_per_epoch)
        while len(epochs) < recipe.epochs:
            state, row = run.epoch(state, epochs, folder, progress)
            epochs = (*epochs, row)
            checkpoints.save(state, epochs)
            write_csv([asdict(epoch) for epoch in epochs], folder / LOG_FILE)
        outcome = run.outcome(state, epochs)
        write_csv([asdict(epoch) for epoch in epochs], folder / LOG_FILE)
        write_atomically(folder / FOUND_FILE, outcome.to_json().encode())
    return outcome


class _Run:
    """A search in the making."""

    def __init__(self, name: str, space: Space, images: Images, recipe: Recipe, seed: int) -> None:
        self._name, self._images, self._recipe, self._seed = name, images, recipe, seed
        self._parts = check(images, recipe)
        self.steps_per_epoch = len(self._parts.train) // recipe.batch_size
        sizes = Sizes(recipe.channels, recipe.depth)
        space.check(sizes, images.num_classes, images.x_train.shape[1])
        self._space = space.name
        self._supernet: Supernet = space.networks.supernet(sizes, num_classes=images.num_classes)
        self._method = assemble(recipe, self._supernet, self.steps_per_epoch)
        self._optimisers = optimisers(recipe, self.steps_per_epoch)
        self._programs = SearchPrograms(
            self._supernet, self._method, self._optimisers, recipe, put_images(images), self._parts
        )

    def identity(self) -> dict[str, JSON]:
        """What the folder compares."""
        return {
            "method": self._name,
            "space": self._space,
            "seed": self._seed,
            "data": self._images.digest,
            "definitions": DEFINITIONS,
            **self._recipe.identity(),
        }

    def resume(self, checkpoints: Checkpoints[Epoch]) -> tuple[State, tuple[Epoch, ...]]:
        """The newest state and its epochs, or the first."""
        size = self._images.x_train.shape[1]
        state = initial_state(self._supernet, self._method, self._optimisers, self._seed, size)
        newest = checkpoints.newest(state)
        return (copied(state), ()) if newest is None else (copied(newest[0]), newest[1])

    def epoch(
        self,
        state: State,
        before: tuple[Epoch, ...],
        folder: Path,
        progress: StepProgress | None,
    ) -> tuple[State, Epoch]:
        """Makes the steps of the next epoch, and evaluates what would be found."""
        start, epoch, total = time.perf_counter(), len(before), 0.0
        train, valid = epoch_batches(self._parts, self._recipe.batch_size, self._seed, epoch)
        for step in range(self.steps_per_epoch):
            state, result = self._programs.step(state, train[step], valid[step])
            loss, finite = jax.device_get(result)
            if not finite:
                self._stop(epoch, step, "the loss, a weight or α is not finite", folder)
            total += float(loss)
            if progress:
                progress(epoch + 1, 1, total / (step + 1), before[-1] if before else None)
        found = self._found(state)
        worth = self._programs.worth(state, found.ops)
        if not np.isfinite(worth.loss):
            last = self.steps_per_epoch - 1
            self._stop(epoch, last, "the validation loss is not finite", folder)
        done = (epoch + 1) * self.steps_per_epoch
        temperature = self._method.temperature
        row = Epoch(
            epoch=epoch + 1,
            train_loss=total / self.steps_per_epoch,
            valid_loss=worth.loss,
            valid_accuracy=worth.accuracy,
            entropy=self._programs.entropy(state),
            temperature=float(temperature(jnp.int32(done - 1))) if temperature else float("nan"),
            skips=self._supernet.count_skips(found.ops),
            evaluations=done * self._method.evaluations(self._supernet),
            seconds=time.perf_counter() - start,
            architecture=found.notation,
        )
        return state, row

    def outcome(self, state: State, epochs: tuple[Epoch, ...]) -> Outcome:
        """What is found: the method's choice by α, or the best of its candidates."""
        candidates: tuple[tuple[str, float], ...] = ()
        if self._method.candidates:
            found, candidates = self._best_candidate(state)
        else:
            found = self._found(state)
        return Outcome(
            method=self._name,
            space=self._space,
            dataset=self._images.name,
            seed=self._seed,
            constants=self._recipe.identity(),
            architecture=found.notation,
            ops=found.ops,
            valid_accuracy=self._programs.worth(state, found.ops).accuracy,
            alpha=jax.tree.map(lambda leaf: np.asarray(leaf).tolist(), state.alpha),
            candidates=candidates,
            epochs=epochs,
        )

    def _found(self, state: State) -> Found:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.key), _SHOWN)
        key = jax.random.fold_in(key, state.step)
        return self._method.distribution.found(key, jax.device_get(state.alpha))

    def _best_candidate(self, state: State) -> tuple[Found, tuple[tuple[str, float], ...]]:
        """The best of so many architectures, each on a batch of its own; of equals the first."""
        root = jax.random.fold_in(jax.random.wrap_key_data(state.key), _CANDIDATES)
        random = np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(_CANDIDATES,)))
        scored: list[tuple[Found, Worth]] = []
        for key in jax.random.split(root, self._method.candidates):
            found = self._supernet.named(self._programs.sample(state, key))
            scored.append((found, self._programs.worth_on_one_batch(state, found.ops, random)))
        best = max(scored, key=lambda one: one[1].accuracy)[0]
        return best, tuple((found.notation, worth.accuracy) for found, worth in scored)

    def _stop(self, epoch: int, step: int, what: str, folder: Path) -> None:
        number = epoch * self.steps_per_epoch + step + 1
        kept = (
            f"the checkpoint of epoch {epoch} is kept in {folder / CHECKPOINTS}"
            if epoch
            else "no epoch was finished before it"
        )
        raise Diverged(
            f"{self._name} diverged: {what} after step {number:,} (epoch {epoch + 1}); {kept}; try "
            "a smaller weight_rate or alpha_rate"
        )
