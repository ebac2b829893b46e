"""The one shape of all proxies."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from jaxnas.precision import with_float64
from jaxnas.proxies.quantities import Quantity, Subject
from jaxnas.proxies.trace_order import forward_order
from jaxnas.types import Apply, Array, Params, Path


class Statistic(Protocol):
    """What several proxies need of one gradient beyond the gradient; hashable."""

    def of(self, gradient: Any) -> Any: ...


@dataclass(frozen=True)
class Proxy:
    """A score of one network at initialisation; higher is better.

    A proxy is called with any pure function: `js()(apply, params, x, y)`. It knows neither the
    space a network comes from nor how networks are batched; that is the engine's.

    Attributes:
        name: as in tables.
        gradient: what is differentiated; equal ones are computed once for all proxies.
        reduce: from the gradient, or its statistic, to the score, a float64 scalar.
        statistic: computed once for all proxies that share it.
    """

    name: str
    gradient: Quantity
    reduce: Callable[[Any], Array]
    statistic: Statistic | None = None

    def __call__(
        self,
        apply: Apply,
        params: Params,
        x: Array,
        y: Array,
        *,
        noise: Array | None = None,
        order: Sequence[Path] | None = None,
    ) -> Array:
        """The score. Arguments as `Subject`'s; the order is traced where none is given."""
        subject = make_subject(apply, params, x, y, noise=noise, order=order)
        return evaluate([self], subject)[self.name]


def make_subject(
    apply: Apply,
    params: Params,
    x: Array,
    y: Array,
    *,
    noise: Array | None = None,
    order: Sequence[Path] | None = None,
) -> Subject:
    """A network and its batch, checked.

    Raises:
        ValueError: images and labels of different lengths.
    """
    if x.shape[0] != y.shape[0]:
        raise ValueError(
            f"as many labels as examples are needed, but x holds {x.shape[0]} and y {y.shape[0]}"
        )
    if order is None:
        order = forward_order(apply, params, x)
    return Subject(apply, params, x, y, noise, tuple(order))


def reduce_all(proxies: Sequence[Proxy], gradient: Any) -> dict[str, Array]:
    """The scores of proxies that share a gradient, from its value; statistics computed once."""
    statistics: dict[Hashable, Any] = {}
    scores = {}
    for proxy in proxies:
        value = gradient
        if proxy.statistic is not None:
            if proxy.statistic not in statistics:
                statistics[proxy.statistic] = proxy.statistic.of(gradient)
            value = statistics[proxy.statistic]
        scores[proxy.name] = proxy.reduce(value)
    return scores


def by_gradient(proxies: Sequence[Proxy]) -> dict[Quantity, list[Proxy]]:
    """The proxies grouped by the gradient they share."""
    groups: dict[Quantity, list[Proxy]] = {}
    for proxy in proxies:
        groups.setdefault(proxy.gradient, []).append(proxy)
    return groups


@with_float64
def evaluate(proxies: Sequence[Proxy], subject: Subject) -> Mapping[str, Array]:
    """The scores of one network by name; each gradient and statistic is computed once."""
    return {
        name: score
        for gradient, group in by_gradient(proxies).items()
        for name, score in reduce_all(group, gradient.compute(subject)).items()
    }
