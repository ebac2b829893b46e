"""Gradients of a batch's mean loss by the input and by the parameters, from one backward pass."""

from __future__ import annotations

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
            path, index, output_axis = subject.order[members[0]]
            found, is_live = gradients[path], live.get(path)
            to_rows = partial(_rows, output_axis=output_axis)
            if index is None:
                rows.append(to_rows(found))
            else:
                stack = jnp.asarray([subject.order[place].place for place in members])
                is_live = (
                    is_live if is_live is None else jnp.broadcast_to(is_live, len(found))[stack]
                )
                found = found[stack]
                rows.append(jax.vmap(to_rows)(found))
            if is_live is None:
                axes = tuple(range(0 if index is None else 1, found.ndim))
                is_live = jnp.any(found != 0, axis=axes)
            flags.append(is_live)
        return Tensors(tuple(rows), _in_order(flags, places), tuple(places))


def _stacks(order: Sequence[Tensor]) -> list[tuple[int, ...]]:
    """Places of the tensors, those together that one parameter stacks."""
    stacks: dict[Hashable, list[int]] = {}
    for place, tensor in enumerate(order):
        alone = place if tensor.place is None else None
        stacks.setdefault((tensor.path, tensor.output_axis, alone), []).append(place)
    return [tuple(places) for places in stacks.values()]


def _rows(gradient: Array, output_axis: int) -> Array:
    """One tensor's gradient [outputs, other axes]."""
    if output_axis not in (-1, gradient.ndim - 1):
        gradient = jnp.moveaxis(gradient, output_axis, -1)
    return gradient.reshape(-1, gradient.shape[-1]).T


def _in_order(flags: list[Any], places: list[tuple[int, ...]]) -> Array:
    """The flags of tensors and of stacks as bool [N], each in its place."""
    if all(jnp.ndim(flag) == 0 for flag in flags):
        return jnp.asarray(flags, dtype=bool)
    joined = jnp.concatenate([jnp.atleast_1d(flag) for flag in flags]).astype(bool)
    at = jnp.asarray([place for members in places for place in members])
    return jnp.zeros(len(joined), bool).at[at].set(joined)
