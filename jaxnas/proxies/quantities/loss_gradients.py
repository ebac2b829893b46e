"""Gradients of a batch's mean loss by the input and by the parameters, from one backward pass."""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped]

from jaxnas.proxies.quantities.quantity import Quantity
from jaxnas.proxies.subject import Subject, by_path
from jaxnas.types import Array, Params, Tensor


def losses(logits: Array, y: Array) -> Array:
    """Cross-entropy of each example [B], of logits [B, ..., K] the mean over its positions."""
    found = optax.losses.softmax_cross_entropy_with_integer_labels(logits, y)
    return found.reshape(found.shape[0], -1).mean(axis=1) if found.ndim > 1 else found


def mean_loss(subject: Subject, params: Params, x: Array) -> Array:
    """Mean cross-entropy of examples that share one batch, a scalar."""
    return jnp.mean(losses(subject.apply(params, x), subject.y))


class LossGradient(Quantity, Protocol):
    """A quantity of `LossPass`.

    Attributes:
        argument: by what the mean loss is differentiated, 0 the parameters, 1 the input.
    """

    @property
    def argument(self) -> int: ...

    def of(self, subject: Subject, gradient: Any) -> Any:
        """What the scores need of the gradient."""


@dataclass(frozen=True)
class LossPass:
    """One backward pass from the mean loss."""

    def compute(
        self, quantities: Collection[LossGradient], subject: Subject
    ) -> dict[Quantity, Any]:
        """The gradients by all arguments that are asked for, together."""
        asked = sorted(quantities, key=lambda quantity: quantity.argument)
        arguments = tuple(quantity.argument for quantity in asked)
        loss = partial(mean_loss, subject)
        gradients = jax.grad(loss, argnums=arguments)(subject.params, subject.x)
        return {
            quantity: quantity.of(subject, gradient)
            for quantity, gradient in zip(asked, gradients, strict=True)
        }


@dataclass(frozen=True)
class InputGradient:
    r"""The input Jacobian: row i is :math:`\partial L / \partial x_i` [B, inputs]."""

    source = LossPass()
    cheaper_jointly = False
    argument = 1

    @property
    def joint(self) -> InputGradient:
        return self

    def of(self, subject: Subject, gradient: Array) -> Array:
        return gradient.reshape(subject.x.shape[0], -1)


@partial(jax.tree_util.register_dataclass, data_fields=["rows", "live"], meta_fields=["places"])
@dataclass(frozen=True)
class Tensors:
    """Gradients of the N parameter tensors with two or more axes, in forward order.

    Attributes:
        rows: gradients [outputs, other axes], each of a tensor, or [n, outputs, other axes] of n
            tensors that are stacked.
        live: for each tensor whether the network uses it [N].
        places: for each of `rows` where its tensors are among the N.
    """

    rows: tuple[Array, ...]
    live: Array
    places: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class ParameterGradient:
    r""":math:`\partial L / \partial W_i` for each tensor: `Tensors`."""

    source = LossPass()
    cheaper_jointly = False
    argument = 0

    @property
    def joint(self) -> ParameterGradient:
        return self

    def of(self, subject: Subject, gradient: Params) -> Tensors:
        gradients, live = by_path(gradient), by_path(subject.live)
        places = _stacks(subject.order)
        rows, flags = [], []
        for members in places:
            tensor = subject.order[members[0]]
            found, is_live = gradients[tensor.path], live.get(tensor.path)
            to_rows = partial(_rows, output_axis=tensor.output_axis)
            stacks = [axis for axis, _ in tensor.places]
            if not stacks:
                rows.append(to_rows(found))
            else:
                chosen = [[place for _, place in subject.order[i].places] for i in members]
                at = tuple(jnp.asarray(along) for along in zip(*chosen, strict=True))
                if stacks != list(range(len(stacks))):
                    found = jnp.moveaxis(found, stacks, range(len(stacks)))
                if is_live is not None:
                    is_live = jnp.broadcast_to(is_live, found.shape[: len(stacks)])[at]
                found = found[at]
                rows.append(jax.vmap(to_rows)(found))
            if is_live is None:
                axes = tuple(range(1 if stacks else 0, found.ndim))
                is_live = jnp.any(found != 0, axis=axes)
            flags.append(is_live)
        return Tensors(tuple(rows), _in_order(flags, places), tuple(places))


def _stacks(order: Sequence[Tensor]) -> list[tuple[int, ...]]:
    """Places of the tensors, those together that one parameter stacks."""
    stacks: dict[Hashable, list[int]] = {}
    for place, tensor in enumerate(order):
        axes = tuple(axis for axis, _ in tensor.places)
        alone = None if axes else place
        stacks.setdefault((tensor.path, tensor.output_axis, axes, alone), []).append(place)
    return [tuple(places) for places in stacks.values()]


def _rows(gradient: Array, output_axis: int | tuple[int, ...]) -> Array:
    """One tensor's gradient [outputs, other axes]."""
    outputs = (output_axis,) if isinstance(output_axis, int) else output_axis
    last = tuple(range(-len(outputs), 0))
    if outputs not in (last, tuple(gradient.ndim + axis for axis in last)):
        gradient = jnp.moveaxis(gradient, outputs, last)
    number = math.prod(gradient.shape[-len(outputs) :])
    return gradient.reshape(-1, number).T


def _in_order(flags: list[Any], places: list[tuple[int, ...]]) -> Array:
    """The flags of tensors and of stacks as bool [N], each in its place."""
    if all(jnp.ndim(flag) == 0 for flag in flags):
        return jnp.asarray(flags, dtype=bool)
    joined = jnp.concatenate([jnp.atleast_1d(flag) for flag in flags]).astype(bool)
    at = jnp.asarray([place for members in places for place in members])
    return jnp.zeros(len(joined), bool).at[at].set(joined)
