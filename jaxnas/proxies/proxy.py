"""The one shape of all proxies."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp

from jaxnas.precision import with_float64
from jaxnas.proxies.catalogue import make
from jaxnas.proxies.quantities import ParameterGradient, Quantity, compute
from jaxnas.proxies.subject import Subject
from jaxnas.proxies.usage import OutputAxis, tensors
from jaxnas.types import Apply, Array, Params, Path, Tensor


class Statistic(Protocol):
    """What several proxies need of one gradient beyond the gradient; hashable."""

    def of(self, gradient: Any) -> Any: ...


@dataclass(frozen=True, repr=False)
class Proxy:
    """A score of one network at initialisation; higher is better.

    A proxy is called with any pure function: `js()(apply, params, x, y)`. It knows neither the
    space a network comes from nor how networks are batched; that is the engine's.

    Attributes:
        name: as in tables.
        gradient: what is differentiated; equal ones are computed once for all proxies.
        reduce: from the gradient, or its statistic, to the score, a float64 scalar.
        statistic: computed once for all proxies that share it.
        noise: amplitude of the noise added to the input, 0 for none.
        ordered: whether the order of the network's tensors matters.
        shown: how it is shown, the call that made it.
    """

    name: str
    gradient: Quantity
    reduce: Callable[[Any], Array]
    statistic: Statistic | None = None
    noise: float = 0.0
    ordered: bool = False
    shown: str = field(default="", compare=False)

    def __repr__(self) -> str:
        return self.shown or f"Proxy({self.name!r})"

    def shown_as(self, text: str) -> "Proxy":
        """The same proxy, shown as `text`."""
        return replace(self, shown=text)

    def __call__(
        self,
        apply: Apply,
        params: Params,
        x: Array,
        y: Array,
        *,
        seed: int = 0,
        order: Sequence[Path | str | Tensor] | None = None,
        output_axis: OutputAxis | None = None,
    ) -> Array:
        """The score, a float64 scalar. Arguments as `jaxnas.proxies.score`'s."""
        subject = make_subject(apply, params, x, y, order, output_axis, [self])
        return evaluate([self], subject, standard_noise(seed, x))[self.name]


def name(score: str, *parameters: tuple[str, float, float]) -> str:
    """A score's name with each parameter (name, value, default) that is not the default's.

    So a column of a table says which constants its score was made with.
    """
    return score + "".join(
        f"_{key}{value:g}" for key, value, default in parameters if value != default
    )


def make_subject(
    apply: Apply,
    params: Params,
    x: Array,
    y: Array,
    order: Sequence[Path | str | Tensor] | None = None,
    output_axis: OutputAxis | None = None,
    chosen: Sequence[Proxy] | None = None,
) -> Subject:
    """A network and its batch, checked. Arguments as `score`'s.

    Args:
        chosen: the proxies that are asked for; what none of them needs of the network's tensors is
            not found out. By default everything is.

    Raises:
        ValueError: images and labels of different lengths, or tensors whose order or output axis
            cannot be told.
    """
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"y: expected {x.shape[0]} labels, one for each example of x, got {y.shape[0]}"
        )
    of_tensors = [p for p in chosen or () if isinstance(p.gradient, ParameterGradient)]
    found = tensors(
        apply,
        params,
        x,
        order,
        output_axis,
        need_axes=chosen is None or bool(of_tensors),
        need_order=chosen is None or any(proxy.ordered for proxy in of_tensors),
    )
    # The scores' float64 is not the network's: a constant of the default type stays what it was.
    own_types = bool(jax.config.jax_enable_x64)  # type: ignore[attr-defined]

    def apply_with_own_types(params: Params, x: Array) -> Array:
        with jax.enable_x64(own_types):
            return apply(params, x)

    return Subject(apply_with_own_types, params, x, y, found)


@dataclass(frozen=True)
class Group:
    """Proxies that one pass through a network gives, over one batch.

    Attributes:
        proxies: of one pass and one noise.
    """

    proxies: tuple[Proxy, ...]

    @property
    def noise(self) -> float:
        """Amplitude of the noise on the input, 0 for none."""
        return self.proxies[0].noise

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What is to be computed of a network, each once; equal for equal programs."""
        return tuple(sorted({proxy.gradient for proxy in self.proxies}, key=repr))

    def reduce(self, values: Sequence[Any]) -> dict[str, Array]:
        """The scores by name from the values of `quantities`; statistics are computed once."""
        gradients = dict(zip(self.quantities, values, strict=True))
        statistics: dict[Hashable, Any] = {}
        scores = {}
        for proxy in self.proxies:
            value = gradients[proxy.gradient]
            if proxy.statistic is not None:
                key = proxy.gradient, proxy.statistic
                if key not in statistics:
                    statistics[key] = proxy.statistic.of(value)
                value = statistics[key]
            scores[proxy.name] = proxy.reduce(value)
        return scores


def passes(proxies: Sequence[Proxy]) -> list[Group]:
    """The proxies in groups that share a pass through the network and the noise on the input."""
    groups: dict[Hashable, list[Proxy]] = {}
    for proxy in proxies:
        groups.setdefault((proxy.gradient.source, proxy.noise), []).append(proxy)
    return [Group(tuple(group)) for group in groups.values()]


def for_batch_norm(
    proxies: Sequence[Proxy], statistics: Literal["example", "batch"]
) -> list[Proxy]:
    """The proxies of networks whose batch normalisation has these statistics.

    With those of the batch examples meet, so gradients of single examples are of a joint batch.
    With those of each example they do not: a joint batch gives the same numbers as batches of one,
    and is taken where all that the proxies need of single examples is cheaper that way.

    Args:
        proxies: all that are to be computed with these statistics.
        statistics: over what activations are normalised.
    """
    alone = [proxy.gradient for proxy in proxies if proxy.gradient != proxy.gradient.joint]
    if statistics == "batch" or all(gradient.cheaper_jointly for gradient in alone):
        return [replace(proxy, gradient=proxy.gradient.joint) for proxy in proxies]
    return list(proxies)


def add_noise(x: Array, amplitude: float, noise: Array) -> Array:
    r"""The batch :math:`x + a \cdot var(x) \cdot \epsilon`, the variance over the whole batch.

    Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2.
    """
    return x + jnp.asarray(amplitude, x.dtype) * jnp.var(x) * noise if amplitude else x


@with_float64
def evaluate(proxies: Sequence[Proxy], subject: Subject, noise: Array) -> dict[str, Array]:
    """The scores of one network by name; each gradient and statistic is computed once.

    Args:
        proxies: of different names.
        subject: the network and its batch.
        noise: standard normal, of the shape of the batch.
    """
    scores: dict[str, Array] = {}
    for group in passes(proxies):
        noisy = replace(subject, x=add_noise(subject.x, group.noise, noise))
        scores |= group.reduce(compute(group.quantities, noisy))
    return scores


def standard_noise(seed: int, x: Array) -> Array:
    """The noise that a seed fixes: standard normal, like the batch x."""
    return jax.random.normal(jax.random.fold_in(jax.random.key(seed), 1), x.shape, x.dtype)


def score(
    proxies: Sequence[str | Proxy],
    apply: Apply,
    params: Params,
    x: Array,
    y: Array,
    *,
    seed: int = 0,
    order: Sequence[Path | str | Tensor] | None = None,
    output_axis: OutputAxis | None = None,
) -> dict[str, float]:
    """Scores one network by several proxies.

    Args:
        proxies: names of proxies in the catalogue, or proxies made by their factories.
        apply: (params, x) -> logits [B, K], pure; if your model uses batch normalisation, choose
            its mode inside `apply`.
        params: pytree of arrays, at initialisation.
        x: examples [B, ...], float32 or float64, normalised.
        y: labels int [B].
        seed: of the noise that the scores `js_n...` and `jsc_n...` add to x.
        order: paths, as tuples or as "a/b", of the tensors with two or more axes from input to
            output, or `jaxnas.types.Tensor`s where a parameter is a stack of them. By default the
            order in which `apply` first uses them, read off its trace through casts, masks,
            reshapes, branches, loops and calls. `wpjs`, `wpjsi` and the `..._nz` scores need it.
        output_axis: the axis, or a tuple of the axes, along which the outputs of each tensor lie,
            a stack's axis not counted: one for all or a mapping from paths. By default as `apply`
            uses the tensor: the axes of a product that are not summed over, the feature dimension
            of a convolution's outputs, the embedded axis of a table. Slices that a loop or a
            batched product takes from a parameter are tensors of their own, and vectors if they
            have one axis. `pjs`, `pjsc` and their kin need it; a tensor that is only added, or is
            used in both directions as tied embeddings are, has to be named here.

    Returns:
        The scores by name, higher is better; NaN where a score is undefined, as for a network
        whose output does not depend on its input.

    Raises:
        ValueError: an unknown proxy, images and labels of different lengths, or tensors whose order
            or output axis is needed, cannot be told and is not given.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> found = proxies.score(["gradient_kernel", "js"], lambda w, x: x @ w, w, x, y)
        >>> print(f"{found['gradient_kernel']:.3f}")
        0.122
    """
    chosen = [make(proxy) if isinstance(proxy, str) else proxy for proxy in proxies]
    x, y = jnp.asarray(x), jnp.asarray(y)
    subject = make_subject(apply, params, x, y, order, output_axis, chosen)

    # One program instead of hundreds of small ones, each compiled on its own.
    @jax.jit
    def scores(params: Params, x: Array, y: Array, noise: Array) -> dict[str, Array]:
        return evaluate(chosen, replace(subject, params=params, x=x, y=y), noise)

    with jax.enable_x64(True):
        found = scores(params, x, y, standard_noise(seed, x))
    return {proxy.name: float(found[proxy.name]) for proxy in chosen}
