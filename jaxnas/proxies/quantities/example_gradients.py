"""Gradients of the examples' own losses, and sums over them."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from jaxnas.checks import check_fields, ranges
from jaxnas.precision import to_float64
from jaxnas.proxies.quantities.loss_gradients import losses, mean_loss
from jaxnas.proxies.quantities.quantity import Quantity
from jaxnas.proxies.subject import Subject, path_names
from jaxnas.types import Array, Params, Path


@dataclass(frozen=True)
class ExamplePass:
    """Backward passes from the examples' losses.

    Attributes:
        together: examples share one batch and, with batch statistics, its normalisation; else each
            is a batch of its own.
    """

    together: bool = False

    def compute(
        self, quantities: Collection[ExampleGradients | SquaredMeanGradient], subject: Subject
    ) -> dict[Quantity, Any]:
        """The quantities; the examples' gradients tell the norm of their mean."""
        every = ExampleGradients(self.together)
        values: dict[Quantity, Any] = {}
        # The norm of the mean last, when the examples' gradients are there.
        for quantity in sorted(quantities, key=lambda quantity: quantity.cheaper_jointly):
            values[quantity] = quantity.given(values.get(every), subject)
        return values


@dataclass(frozen=True)
class SquaredMeanGradient:
    r""":math:`\|\frac1\mu \sum_i g_i\|^2`, float64, by one backward pass.

    Attributes:
        together: as `ExamplePass`'s.
    """

    together: bool = False

    def __post_init__(self) -> None:
        check_fields(self)

    # One pass through a joint batch instead of batches of one.
    cheaper_jointly = True

    @property
    def source(self) -> ExamplePass:
        return ExamplePass(self.together)

    @property
    def joint(self) -> SquaredMeanGradient:
        return SquaredMeanGradient(together=True)

    def given(self, sums: GradientSums | None, subject: Subject) -> Array:
        """The value, from the sums over all parameters where there are any."""
        return self.compute(subject) if sums is None else mean_gram(sums)

    def compute(self, subject: Subject) -> Array:
        """The value by a backward pass of its own."""

        def loss(params: Params) -> Array:
            if self.together:
                return mean_loss(subject, params, subject.x)
            return jnp.mean(_example_losses(subject, params))

        gradient = jax.grad(loss)(subject.params)
        norms = [jnp.sum(jnp.square(to_float64(leaf))) for leaf in jax.tree.leaves(gradient)]
        return jnp.sum(jnp.stack(norms))


def _example_losses(subject: Subject, params: Params) -> Array:
    """Each example's loss in a batch of its own [B]."""

    def loss(x: Array, y: Array) -> Array:
        return losses(subject.apply(params, x[None]), y[None])[0]

    return jax.vmap(loss)(subject.x, subject.y)


class GradientSums(NamedTuple):
    """Sums over per-example gradients of one or more parameter tensors, float64.

    Attributes:
        gram: inner products of the examples' gradients [B, B].
        absolute: sum over examples and entries of the absolute values, a scalar.
        size: number of entries, 0 where the network does not use the parameter.
    """

    gram: Array
    absolute: Array
    size: Array


def total(parts: Sequence[GradientSums]) -> GradientSums:
    """The sums of several tensors together."""
    return GradientSums(*(sum(part[1:], part[0]) for part in zip(*parts, strict=True)))


def mean_gram(sums: GradientSums) -> Array:
    """The mean of P."""
    return jnp.mean(sums.gram)


@dataclass(frozen=True)
class ExampleGradients:
    r"""Per-example gradients :math:`g_i = \partial \ell_i / \partial \theta`.

    `GradientSums` are what the scores need of G [B, r] without holding all of it.

    Attributes:
        together: as `ExamplePass`'s. One backward pass an example through the whole batch.
        parameters: number of parameters sampled in each layer (theta); all of them if None.
        examples: number of examples, the batch's first (mu); all of them if None.
        centred: the mean over the sampled parameters is subtracted from each example's gradient.
        seed: of the sample of parameters.
    """

    together: bool = False
    parameters: ranges.Count | None = None
    examples: ranges.Count | None = None
    centred: bool = False
    seed: ranges.SeedOfWords = 0

    def __post_init__(self) -> None:
        check_fields(self)

    # It takes a backward pass an example either way, jointly one of the whole batch.
    cheaper_jointly = False

    @property
    def source(self) -> ExamplePass:
        return ExamplePass(self.together)

    @property
    def joint(self) -> ExampleGradients:
        return replace(self, together=True)

    def given(self, sums: GradientSums | None, subject: Subject) -> GradientSums:
        """The value, whatever is there."""
        return self.compute(subject)

    def compute(self, subject: Subject) -> GradientSums:
        """The sums over all parameters."""
        leaves = jax.tree_util.tree_leaves_with_path(self._gradients(subject))
        gradients = [leaf for _, leaf in leaves]
        live = self._live(subject, gradients)
        if self.parameters is not None:
            sampled = [
                self._sampled_sums(leaf, is_live, path_names(path))
                for (path, leaf), is_live in zip(leaves, live, strict=True)
            ]
            return total(sampled)
        # Vectors are many and short: side by side they make one product of matrices. Where a
        # network does not use one, it is zero and adds nothing.
        examples = gradients[0].shape[0]
        vectors = [
            leaf.reshape(examples, -1) if jnp.ndim(is_live) else leaf
            for leaf, is_live in zip(gradients, live, strict=True)
            if _is_vector(leaf, is_live)
        ]
        sums = [
            self._sums_of(leaf, is_live)
            for leaf, is_live in zip(gradients, live, strict=True)
            if not _is_vector(leaf, is_live)
        ]
        if vectors:
            sums.append(self._sums(jnp.concatenate(vectors, axis=1), jnp.ones((), bool)))
        sizes = [_size(leaf, is_live) for leaf, is_live in zip(gradients, live, strict=True)]
        return total(sums)._replace(size=sum(sizes[1:], sizes[0]))

    def by_layer(self, subject: Subject) -> Params:
        """The sums over each parameter tensor: a tree like the parameters, of `GradientSums`."""
        gradients = self._gradients(subject)
        leaves, tree = jax.tree.flatten(gradients)
        live = self._live(subject, leaves)
        return jax.tree.unflatten(tree, [self._sums_of(g, live[i]) for i, g in enumerate(leaves)])

    def _live(self, subject: Subject, gradients: list[Array]) -> list[Array]:
        if subject.live is not None:
            return jax.tree.leaves(subject.live)
        return [jnp.any(gradient != 0) for gradient in gradients]

    def _gradients(self, subject: Subject) -> Params:
        """A tree like the parameters with a leading axis of examples."""
        count = subject.x.shape[0] if self.examples is None else self.examples
        if count > subject.x.shape[0]:
            raise ValueError(
                f"x: expected at least {count} examples, which the sampled kernel takes, got "
                f"{subject.x.shape[0]}; ask for fewer or score a larger batch"
            )
        if self.together:
            found, pullback = jax.vjp(
                lambda params: losses(subject.apply(params, subject.x), subject.y), subject.params
            )
            one_hot = jnp.eye(count, subject.x.shape[0], dtype=found.dtype)
            return lax.map(lambda cotangent: pullback(cotangent)[0], one_hot)

        def gradient(x: Array, y: Array) -> Params:
            loss = lambda params: losses(subject.apply(params, x[None]), y[None])[0]  # noqa: E731
            return jax.grad(loss)(subject.params)

        return jax.vmap(gradient)(subject.x[:count], subject.y[:count])

    def _sums_of(self, gradient: Array, live: Array) -> GradientSums:
        """The sums over a tensor [B, ...], or over those of a stack [B, E, ...] with live [E]."""
        if jnp.ndim(live) == 0:
            return self._sums(gradient, live)

        # One after the other, so that those that are not in use cost nothing.
        def one(place: Array) -> GradientSums:
            return self._sums(lax.dynamic_index_in_dim(gradient, place, 1, False), live[place])

        return _joined(lax.map(one, jnp.arange(gradient.shape[1])))

    def _sampled_sums(self, gradient: Array, live: Array, path: Path) -> GradientSums:
        """As `_sums_of`, over the sampled parameters of each tensor."""
        if jnp.ndim(live) == 0:
            return self._sums(self._sample(gradient, path), live)

        def one(place: Array) -> GradientSums:
            tensor = lax.dynamic_index_in_dim(gradient, place, 1, False)
            return self._sums(self._sample(tensor, path, place), live[place])

        return _joined(lax.map(one, jnp.arange(gradient.shape[1])))

    def _sample(self, gradient: Array, path: Path, place: Array | None = None) -> Array:
        """The sampled parameters of one layer; the sample depends on seed, name and place alone."""
        gradient = gradient.reshape(gradient.shape[0], -1)
        size = gradient.shape[1]
        if self.parameters is None or self.parameters >= size:
            return gradient
        layer = zlib.crc32("/".join(path).encode()) & 0x7FFFFFFF
        key = jax.random.fold_in(jax.random.key(self.seed), layer)
        if place is not None:
            key = jax.random.fold_in(key, place)
        return gradient[:, jax.random.choice(key, size, (self.parameters,), replace=False)]

    def _sums(self, gradient: Array, live: Array) -> GradientSums:
        examples = gradient.shape[0]

        def sums(gradient: Array) -> tuple[Array, Array]:
            # Here, where unused parameters do not come, since it may copy.
            gradient = to_float64(gradient.reshape(examples, -1))
            if self.centred:
                gradient = gradient - gradient.mean(axis=1, keepdims=True)
            return gradient @ gradient.T, jnp.sum(jnp.abs(gradient))

        def nothing(_: Array) -> tuple[Array, Array]:
            return jnp.zeros((examples, examples), jnp.float64), jnp.zeros((), jnp.float64)

        gram, absolute = lax.cond(live, sums, nothing, gradient)
        return GradientSums(gram, absolute, _size(gradient, live))


def _is_vector(gradient: Array, live: Array) -> bool:
    """Whether a gradient [B, ...] is of a vector, or of a stack of them."""
    return gradient.ndim - 1 - jnp.ndim(live) == 1


def _size(gradient: Array, live: Array) -> Array:
    """How many of a gradient's entries [B, ...] are of parameters in use, for one example."""
    size = gradient.size // gradient.shape[0]
    if jnp.ndim(live) == 0:
        return jnp.where(live, size, 0)
    return jnp.sum(live) * (size // gradient.shape[1])


def _joined(parts: GradientSums) -> GradientSums:
    """The sums of tensors that are stacked, whose sums have an axis more."""
    return GradientSums(*(jnp.sum(part, axis=0) for part in parts))
