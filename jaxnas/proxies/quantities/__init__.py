"""What the proxies are functions of: gradients of a network's loss at initialisation.

A quantity is computed once per network however many proxies ask for it. Each is a frozen dataclass,
so that equal quantities are equal keys; `compute` gives those of one backward pass, in plain JAX.
"""

import zlib
from collections.abc import Collection, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax  # type: ignore[import-untyped]
from jax import lax

from jaxnas.precision import to_float64
from jaxnas.proxies.forward_order import path_names
from jaxnas.types import Apply, Array, Params, Path


@dataclass(frozen=True)
class Subject:
    """One network at initialisation and the batch on which it is scored.

    Attributes:
        apply: (params, x [B, ...]) -> logits [B, K]. With batch normalisation the mode is the
            function's own affair.
        params: pytree of arrays.
        x: images [B, ...].
        y: labels int [B].
        order: paths of the tensors with two or more axes, from the input to the output.
        live: for each parameter whether the network uses it, a tree of bool scalars like params;
            None: a parameter whose gradient is zero on the whole batch is not used.
    """

    apply: Apply
    params: Params
    x: Array
    y: Array
    order: tuple[Path, ...] = ()
    live: Params | None = None


class Quantity(Protocol):
    """A frozen dataclass that says what to compute of a network."""

    @property
    def backward_pass(self) -> Hashable:
        """Equal for quantities that one backward pass gives; see `compute`."""


def compute(quantities: Collection[Quantity], subject: Subject) -> dict[Quantity, Any]:
    """The quantities of one backward pass, traceable by JAX.

    What they share is computed once: the gradients to the input and to the parameters come of one
    pass, and the examples' gradients tell the norm of their mean.
    """
    values: dict[Quantity, Any] = {}
    if InputGradient() in quantities or ParameterGradient() in quantities:
        values |= _loss_gradients(
            subject, InputGradient() in quantities, ParameterGradient() in quantities
        )
    for quantity in quantities:
        if isinstance(quantity, ExampleGradients):
            values[quantity] = quantity.compute(subject)
    for quantity in quantities:
        if isinstance(quantity, SquaredMeanGradient):
            examples = values.get(ExampleGradients(quantity.together))
            values[quantity] = (
                quantity.compute(subject) if examples is None else mean_gram(examples)
            )
    return values


def losses(logits: Array, y: Array) -> Array:
    """Cross-entropy of each example [B]."""
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, y)


def _mean_loss(subject: Subject, params: Params, x: Array) -> Array:
    return jnp.mean(losses(subject.apply(params, x), subject.y))


_LOSS_PASS = "mean loss"


@dataclass(frozen=True)
class InputGradient:
    r"""The Jacobian of seeds 002: row i is :math:`\partial L / \partial x_i` [B, inputs]."""

    backward_pass = _LOSS_PASS


class Tensors(NamedTuple):
    """Gradients of the parameter tensors with two or more axes, in forward order.

    Attributes:
        rows: for each tensor its gradient [outputs, other axes].
        live: for each tensor whether the network uses it [N].
    """

    rows: tuple[Array, ...]
    live: Array


@dataclass(frozen=True)
class ParameterGradient:
    r""":math:`\partial L / \partial W_i` for each tensor: `Tensors`."""

    backward_pass = _LOSS_PASS


def _loss_gradients(subject: Subject, to_input: bool, to_params: bool) -> dict[Quantity, Any]:
    wanted = tuple(i for i, wants in enumerate((to_params, to_input)) if wants)
    loss = partial(_mean_loss, subject)
    gradients = jax.grad(loss, argnums=wanted)(subject.params, subject.x)
    values: dict[Quantity, Any] = {}
    if to_params:
        values[ParameterGradient()] = _tensors(subject, gradients[0])
    if to_input:
        values[InputGradient()] = gradients[-1].reshape(subject.x.shape[0], -1)
    return values


def _tensors(subject: Subject, gradient: Params) -> Tensors:
    gradients, live = by_path(gradient), by_path(subject.live)
    tensors = [gradients[path] for path in subject.order]
    is_live = [
        live[path] if live else jnp.any(g != 0)
        for path, g in zip(subject.order, tensors, strict=True)
    ]
    return Tensors(
        tuple(g.reshape(-1, g.shape[-1]).T for g in tensors), jnp.asarray(is_live, dtype=bool)
    )


def by_path(tree: Params) -> dict[Path, Any]:
    """The leaves of a tree by their paths."""
    return {path_names(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _example_losses(subject: Subject, params: Params) -> Array:
    """Each example's loss in a batch of its own [B]."""

    def loss(x: Array, y: Array) -> Array:
        return losses(subject.apply(params, x[None]), y[None])[0]

    return jax.vmap(loss)(subject.x, subject.y)


@dataclass(frozen=True)
class SquaredMeanGradient:
    r""":math:`\|\frac1\mu \sum_i g_i\|^2`, float64, by one backward pass.

    Attributes:
        together: examples share one batch and, with batch statistics, its normalisation; else each
            is a batch of its own.
    """

    together: bool = False

    @property
    def backward_pass(self) -> Hashable:
        return "examples", self.together

    def compute(self, subject: Subject) -> Array:
        def loss(params: Params) -> Array:
            if self.together:
                return _mean_loss(subject, params, subject.x)
            return jnp.mean(_example_losses(subject, params))

        gradient = jax.grad(loss)(subject.params)
        norms = [jnp.sum(jnp.square(to_float64(leaf))) for leaf in jax.tree.leaves(gradient)]
        return jnp.sum(jnp.stack(norms))


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
        together: as `SquaredMeanGradient`'s. One backward pass an example through the whole batch.
        parameters: number of parameters sampled in each layer (theta); all of them if None.
        examples: number of examples, the batch's first (mu); all of them if None.
        centred: the mean over the sampled parameters is subtracted from each example's gradient.
        seed: of the sample of parameters.
    """

    together: bool = False
    parameters: int | None = None
    examples: int | None = None
    centred: bool = False
    seed: int = 0

    @property
    def backward_pass(self) -> Hashable:
        return "examples", self.together

    def compute(self, subject: Subject) -> GradientSums:
        """The sums over all parameters."""
        leaves = jax.tree_util.tree_leaves_with_path(self._gradients(subject))
        gradients = [leaf for _, leaf in leaves]
        live = self._live(subject, gradients)
        if self.parameters is not None:
            sampled = [
                self._sums(self._sample(leaf, path_names(path)), is_live)
                for (path, leaf), is_live in zip(leaves, live, strict=True)
            ]
            return total(sampled)
        # Vectors are many and short: side by side they make one product of matrices. Where a
        # network does not use one, it is zero and adds nothing.
        vectors = [leaf for leaf in gradients if leaf.ndim == 2]
        sums = [
            self._sums(leaf, is_live)
            for leaf, is_live in zip(gradients, live, strict=True)
            if leaf.ndim != 2
        ]
        if vectors:
            sums.append(self._sums(jnp.concatenate(vectors, axis=1), jnp.ones((), bool)))
        sizes = [
            jnp.where(is_live, leaf[0].size, 0)
            for leaf, is_live in zip(gradients, live, strict=True)
        ]
        return total(sums)._replace(size=sum(sizes[1:], sizes[0]))

    def by_layer(self, subject: Subject) -> Params:
        """The sums over each parameter tensor: a tree like the parameters, of `GradientSums`."""
        gradients = self._gradients(subject)
        leaves, tree = jax.tree.flatten(gradients)
        live = self._live(subject, leaves)
        return jax.tree.unflatten(tree, [self._sums(g, live[i]) for i, g in enumerate(leaves)])

    def _live(self, subject: Subject, gradients: list[Array]) -> list[Array]:
        if subject.live is not None:
            return jax.tree.leaves(subject.live)
        return [jnp.any(gradient != 0) for gradient in gradients]

    def _gradients(self, subject: Subject) -> Params:
        """A tree like the parameters with a leading axis of examples."""
        count = subject.x.shape[0] if self.examples is None else self.examples
        if count > subject.x.shape[0]:
            raise ValueError(
                f"{count} examples (mu) asked for, but the batch holds {subject.x.shape[0]}: "
                "ask for fewer or score a larger batch"
            )
        if self.together:
            _, pullback = jax.vjp(
                lambda params: losses(subject.apply(params, subject.x), subject.y), subject.params
            )
            one_hot = jnp.eye(count, subject.x.shape[0], dtype=subject.x.dtype)
            return lax.map(lambda cotangent: pullback(cotangent)[0], one_hot)

        def gradient(x: Array, y: Array) -> Params:
            loss = lambda params: losses(subject.apply(params, x[None]), y[None])[0]  # noqa: E731
            return jax.grad(loss)(subject.params)

        return jax.vmap(gradient)(subject.x[:count], subject.y[:count])

    def _sample(self, gradient: Array, path: Path) -> Array:
        """The sampled parameters of one layer; the sample depends on seed and name alone."""
        gradient = gradient.reshape(gradient.shape[0], -1)
        size = gradient.shape[1]
        if self.parameters is None or self.parameters >= size:
            return gradient
        layer = zlib.crc32("/".join(path).encode()) & 0x7FFFFFFF
        key = jax.random.fold_in(jax.random.key(self.seed), layer)
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
        return GradientSums(gram, absolute, jnp.where(live, gradient.size // examples, 0))
