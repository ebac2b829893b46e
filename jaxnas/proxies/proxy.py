"""The one shape of all proxies."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas.checks import quoted
from jaxnas.precision import with_float64
from jaxnas.proxies import checking, undefined
from jaxnas.proxies.catalogue import make
from jaxnas.proxies.parameters import parameters
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
        least_examples: the fewest that it can be computed of, or says something of.
        shown: how it is shown, the call that made it.
    """

    name: str
    gradient: Quantity
    reduce: Callable[[Any], Array]
    statistic: Statistic | None = None
    noise: float = 0.0
    ordered: bool = False
    least_examples: int = 1
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
        """The score, a float64 scalar. Arguments, errors and warnings as `jaxnas.proxies.score`'s.

        Within `jax.jit` shapes and types are checked, values are not.
        """
        subject = make_subject(apply, params, x, y, order, output_axis, [self])
        checking.check_demands([self], subject.x)
        noise = standard_noise(checking.seed(seed), subject.x)
        with checking.differentiated(apply):
            found = evaluate([self], subject, noise)
        if not isinstance(found[self.name], jax.core.Tracer):
            _warn_of_undefined([self], subject, noise, found)
        return found[self.name]


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
        ValueError: as `score`'s.
    """
    checking.check_exchanged(x, y)
    x = checking.examples(x)
    params, whole_tree = parameters(params)

    def apply_to_parameters(params: Params, x: Array) -> Array:
        return apply(whole_tree(params), x)

    with checking.called(apply, x):
        outputs = jax.eval_shape(apply_to_parameters, params, x)
    y = checking.labels(y, x, checking.logits_shape(outputs, x))
    of_tensors = [p for p in chosen or () if isinstance(p.gradient, ParameterGradient)]
    found = tensors(
        apply_to_parameters,
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
            return apply_to_parameters(params, x)

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

    def compute(self, subject: Subject, noise: Array) -> list[Any]:
        """The values of `quantities` of a network, the group's share of the noise on its batch."""
        noisy = replace(subject, x=add_noise(subject.x, self.noise, noise))
        return compute(self.quantities, noisy)

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
        scores |= group.reduce(group.compute(subject, noise))
    return scores


def standard_noise(seed: int, x: Array) -> Array:
    """The noise that a seed fixes: standard normal, like the batch x; zero where x is no floats."""
    if not jnp.issubdtype(x.dtype, jnp.floating):
        return jnp.zeros(x.shape)
    return jax.random.normal(jax.random.fold_in(jax.random.key(seed), 1), x.shape, x.dtype)


def score(
    proxies: str | Proxy | Sequence[str | Proxy],
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

    Everything is checked before anything is compiled; what does not fit is told in one sentence.

    Args:
        proxies: names of proxies in the catalogue, or proxies made by their factories, or one.
        apply: (params, x) -> logits [B, K], pure, or [B, ..., K] with labels for each position,
            whose losses are averaged over an example's positions. If your model uses batch
            normalisation or dropout, choose its mode inside `apply`; `proxies.linen` and
            `proxies.nnx` do, `proxies.logits_of` takes the logits out of a tuple or a dictionary.
        params: pytree of arrays, at initialisation, of which those of floats are parameters. What
            else it holds is state and held constant: integers, flags, keys of random numbers; of
            flax.linen's variables (or of any tree with an entry `params`) every collection but
            `params`, such as `batch_stats`; of flax.nnx's every variable but `nnx.Param`.
        x: examples [B, ...], float32 or float64, normalised; or integers such as token ids, for
            which proxies of the gradient by x and those with noise are not defined.
        y: labels from 0 to K - 1, int [B], or [B, ...] where logits are [B, ..., K].
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
        ValueError: an unknown proxy, or one that cannot be had of such examples; examples, labels
            or parameters that are not finite or do not fit each other; an error of `apply`, which
            is the cause; tensors whose order or output axis is needed, cannot be told and is not
            given.

    Warns:
        UndefinedScore: a score is NaN; why, with the tensors and rows, or the examples.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> found = proxies.score(["gradient_kernel", "js"], lambda w, x: x @ w, w, x, y)
        >>> print(f"{found['gradient_kernel']:.3f}")
        0.122
    """
    chosen = _chosen(proxies)
    subject = make_subject(apply, params, x, y, order, output_axis, chosen)
    checking.check_demands(chosen, subject.x)
    checking.check_values(subject)

    # One program instead of hundreds of small ones, each compiled on its own.
    @jax.jit
    def scores(params: Params, x: Array, y: Array, noise: Array) -> dict[str, Array]:
        return evaluate(chosen, replace(subject, params=params, x=x, y=y), noise)

    with jax.enable_x64(True):
        noise = standard_noise(checking.seed(seed), subject.x)
        with checking.differentiated(apply):
            found = scores(subject.params, subject.x, subject.y, noise)
    _warn_of_undefined(chosen, subject, noise, found)
    return {proxy.name: float(found[proxy.name]) for proxy in chosen}


def _chosen(proxies: str | Proxy | Sequence[str | Proxy]) -> list[Proxy]:
    """The proxies that are asked for, each by a name of its own."""
    given = [proxies] if isinstance(proxies, str | Proxy) else proxies
    if not isinstance(given, Iterable):
        raise ValueError(
            f"proxies: expected names or proxies, got {quoted(given)}; give a list such as ['js']"
        )
    chosen: dict[str, Proxy] = {}
    for item in given:
        if item == "all":
            raise ValueError(
                "proxies: expected names of proxies, got 'all', which stands for the columns of a "
                "table; give [e.name for e in CATALOGUE if e.kind == 'proxy']"
            )
        proxy = make(item) if isinstance(item, str) else item
        if not isinstance(proxy, Proxy):
            raise ValueError(
                f"proxies: expected names or proxies, got {quoted(item)}; "
                "give a name such as 'js', or call a factory, as proxies.js()"
            )
        other = chosen.setdefault(proxy.name, proxy)
        if (other.gradient, repr(other)) != (proxy.gradient, repr(proxy)):
            raise ValueError(
                f"proxies: expected different names, got {other!r} and {proxy!r}, both named "
                f"{proxy.name}; score them one after the other"
            )
    if not chosen:
        raise ValueError("proxies: expected at least one, got none; name one, such as 'js'")
    return list(chosen.values())


def _warn_of_undefined(
    proxies: Sequence[Proxy], subject: Subject, noise: Array, found: Mapping[str, Array]
) -> None:
    """Says why scores are NaN, from the gradients, which are computed once more for it."""
    lacking = [proxy for proxy in proxies if np.isnan(found[proxy.name])]
    if not lacking:
        return

    @jax.jit
    def gradients(params: Params, x: Array, y: Array, noise: Array) -> dict[str, Any]:
        of_batch = replace(subject, params=params, x=x, y=y)
        return {
            proxy.name: dict(zip(group.quantities, values, strict=True))[proxy.gradient]
            for group in passes(lacking)
            for values in [group.compute(of_batch, noise)]
            for proxy in group.proxies
        }

    with jax.enable_x64(True):
        values = gradients(subject.params, subject.x, subject.y, noise)
    ordered = {proxy.name: values[proxy.name] for proxy in lacking}
    undefined.warn(ordered, subject.order, stacklevel=3)
