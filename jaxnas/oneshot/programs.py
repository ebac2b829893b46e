"""The compiled programs of a search: a step, a distribution's entropy, an architecture's worth."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax  # type: ignore[import-untyped]
from numpy.typing import NDArray

from jaxnas.networks.supernet import Supernet
from jaxnas.oneshot.images import Parts, augmented_batch, plain_batch
from jaxnas.oneshot.method import Method
from jaxnas.oneshot.optimisers import Optimisers
from jaxnas.oneshot.recipe import Recipe
from jaxnas.oneshot.step import Result, State, Step, search_step
from jaxnas.training.programs import DeviceImages
from jaxnas.types import Array, Params


class Worth(NamedTuple):
    """What an architecture is worth with the shared weights: cross-entropy, and percent right."""

    loss: float
    accuracy: float


class SearchPrograms:
    """Steps and evaluations of one search; each program is compiled once, at its first use."""

    def __init__(
        self,
        supernet: Supernet,
        method: Method,
        optimisers: Optimisers,
        recipe: Recipe,
        data: DeviceImages,
        parts: Parts,
    ) -> None:
        self._data = data
        self._valid = parts.valid
        self._size = min(recipe.eval_batch_size, len(parts.valid))
        step = search_step(supernet, method, optimisers)
        self._step = jax.jit(partial(_step_on_images, step), donate_argnums=0)
        self._evaluate = jax.jit(partial(_evaluate, supernet))
        self._sample = jax.jit(method.distribution.sample)
        self._entropy = jax.jit(method.distribution.entropy)

    def step(
        self, state: State, train: NDArray[np.int32], valid: NDArray[np.int32]
    ) -> tuple[State, Result]:
        """A step on the images at positions [B] of each part; the state given is used up."""
        result: tuple[State, Result] = self._step(state, self._data, train, valid)
        return result

    def entropy(self, state: State) -> float:
        """The entropy of the distribution, nats an edge."""
        return float(self._entropy(state.alpha))

    def sample(self, state: State, key: Array) -> tuple[int, ...]:
        """An architecture of the distribution."""
        return tuple(jax.device_get(self._sample(key, state.alpha)).tolist())

    def worth(self, state: State, ops: tuple[int, ...]) -> Worth:
        """What an architecture is worth on all validation images, normalised batch by batch."""
        return self._worth(state, ops, _batches(self._valid, self._size))

    def worth_on_one_batch(
        self, state: State, ops: tuple[int, ...], random: np.random.Generator
    ) -> Worth:
        """What an architecture is worth on one batch of validation images, drawn at random."""
        some = random.permutation(self._valid)[: self._size]
        return self._worth(state, ops, iter([(some, len(some))]))

    def _worth(
        self,
        state: State,
        ops: tuple[int, ...],
        batches: Iterator[tuple[NDArray[np.intp], int]],
    ) -> Worth:
        loss, correct, seen = 0.0, 0, 0
        for positions, new in batches:
            losses, right = jax.device_get(
                self._evaluate(
                    state.params, np.array(ops, np.int32), self._data, positions.astype(np.int32)
                )
            )
            loss += float(losses[:new].sum(dtype=np.float64))
            correct += int(right[:new].sum())
            seen += new
        return Worth(loss / seen, 100 * correct / seen)


def copied(state: State) -> State:
    """A copy on the device, each array in memory of its own, which steps may use up."""
    host: Any = jax.tree.map(np.array, jax.device_get(state))
    kept: State = jax.device_put(host)
    return kept


def _batches(positions: NDArray[np.intp], size: int) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Batches of one size and how many of each are new; the last is filled up from the first."""
    for start in range(0, len(positions), size):
        new = positions[start : start + size]
        yield np.concatenate([new, positions[: size - len(new)]]), len(new)


def _step_on_images(
    step: Step, state: State, data: DeviceImages, train: Array, valid: Array
) -> tuple[State, Result]:
    own_key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
    of_train, of_valid, key = jax.random.split(own_key, 3)
    return step(
        state,
        key,
        augmented_batch(data, train, of_train),
        augmented_batch(data, valid, of_valid),
    )


def _evaluate(
    supernet: Supernet, params: Params, ops: Array, data: DeviceImages, positions: Array
) -> tuple[Array, Array]:
    """Cross-entropy of each image, and whether it is classified rightly, [B] each."""
    x, y = plain_batch(data, positions)
    weights = jax.nn.one_hot(ops, supernet.ops, dtype=x.dtype)
    logits = supernet.logits(params, x, weights, ops)
    losses: Array = optax.softmax_cross_entropy_with_integer_labels(logits, y)
    return losses, jnp.argmax(logits, -1) == y
