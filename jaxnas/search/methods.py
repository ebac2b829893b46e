"""The methods that `simulate` knows, with their settings and defaults.

A method is its row in `METHODS`: what it does, how many runs a simulation has by default, and the
settings of each run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from jaxnas.checks import check_fields, ranges, unknown
from jaxnas.search.evolution import regularized_evolution
from jaxnas.search.hyperband import bohb
from jaxnas.search.policy_gradient import reinforce
from jaxnas.search.sampling import random_search
from jaxnas.search.strategy import Strategy

if TYPE_CHECKING:
    from jaxnas.estimators import Estimator
    from jaxnas.estimators.temperature import Temperature


@dataclass(frozen=True)
class Picking:
    """Settings of GT-NAS.

    Attributes:
        s: cells scored.
        k: cells trained; one or more numbers, each of which is a method of its own.
        by: score to pick by: a count, or one or several joined by + that `scores` has.
        scores: a table of `jaxnas.score`, or a run's folder; None for a count.

    Raises:
        ValueError: a number is out of its range, or there is no k.
    """

    s: ranges.Count = 300
    k: tuple[ranges.Count, ...] = (20, 40)
    by: str = "gradient_kernel"
    scores: Any = None

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def words(self) -> str:
        return ""


@dataclass(frozen=True)
class Budgeted:
    """Settings of a strategy that trains until its time is spent.

    Attributes:
        budget: simulated seconds of training that a search may spend.

    Raises:
        ValueError: it is out of its range.
    """

    budget: ranges.Budget = 12000.0

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def words(self) -> str:
        return f"budget {self.budget:,g} s, "


@dataclass(frozen=True)
class Descent:
    """Settings of a search by gradient.

    Attributes:
        queries: evaluations of the loss that a search may spend.
        learning_rate: Adam's, of the logits.

    Raises:
        ValueError: a number is out of its range.
    """

    queries: ranges.Queries = 2000
    learning_rate: ranges.Positive = 0.1

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def words(self) -> str:
        return f"{self.queries:,} queries, learning rate {self.learning_rate:g}, "


@dataclass(frozen=True)
class Annealed(Descent):
    """Settings of a search by gradient whose samples have a temperature.

    Attributes:
        temperature: of the softmax at the first and at the last query; linear between them.

    Raises:
        ValueError: as `Descent`.
    """

    temperature: tuple[ranges.Temperature, ranges.Temperature] = (1.0, 1.0)

    @property
    def schedule(self) -> Temperature:
        """The temperature of each query."""
        import optax  # type: ignore[import-untyped]

        schedule: Temperature = optax.linear_schedule(*self.temperature, max(self.queries - 1, 1))
        return schedule


@dataclass(frozen=True)
class EdgeByEdge(Descent):
    """Settings of RAM.

    Attributes:
        edges_per_step: edges drawn for each estimate; None for all of them.

    Raises:
        ValueError: as `Descent`.
    """

    edges_per_step: ranges.Count | None = None


Settings: TypeAlias = Picking | Budgeted | Descent


@dataclass(frozen=True)
class Method:
    """A way to search.

    Attributes:
        name: by which it is asked for.
        title: in tables.
        summary: what it does, in a sentence.
        runs: searches of a simulation, by default.
        settings: of a run, by default; other values are of the same class.
        strategy: takes a generator and a space; None where there is no such strategy.
        estimator: the gradient estimator of given settings; None where there is none.
        whole_table: whether a query reads the whole table, at soft weights, so that no cell is
            trained.
    """

    name: str
    title: str
    summary: str
    runs: int
    settings: Settings
    strategy: Callable[..., Strategy] | None = None
    estimator: Callable[..., Estimator] | None = None
    whole_table: bool = False


def _score_function(_: Descent) -> Estimator:
    from jaxnas.estimators import score_function

    return score_function()


def _relax(_: Descent) -> Estimator:
    from jaxnas.estimators import relax

    return relax()


def _ram(settings: EdgeByEdge) -> Estimator:
    from jaxnas.estimators import ram

    # More at once than there are: all evaluations of a step together.
    return ram(settings.edges_per_step, batch_size=settings.queries)


def _gumbel_softmax(settings: Annealed) -> Estimator:
    from jaxnas.estimators import gumbel_softmax

    return gumbel_softmax(settings.schedule)


def _straight_through(settings: Annealed) -> Estimator:
    from jaxnas.estimators import straight_through

    return straight_through(settings.schedule)


def _gdas(settings: Annealed) -> Estimator:
    from jaxnas.estimators import gdas

    return gdas(settings.schedule)


def _softmax_mixture(_: Descent) -> Estimator:
    from jaxnas.estimators import softmax_mixture

    return softmax_mixture()


_TABLE = (
    Method(
        "gt-nas",
        "GT-NAS",
        "Scores s cells, trains the best k, keeps the best.",
        500,
        Picking(),
    ),
    Method(
        "random",
        "random search",
        "Trains random cells until the time is spent.",
        500,
        Budgeted(),
        strategy=random_search,
    ),
    Method(
        "rea",
        "REA",
        "Regularised evolution, population 10, tournaments of 3.",
        500,
        Budgeted(),
        strategy=regularized_evolution,
    ),
    Method(
        "reinforce",
        "REINFORCE",
        "A policy over operations, by its gradient; Adam at 0.01.",
        500,
        Budgeted(),
        strategy=reinforce,
    ),
    Method(
        "bohb",
        "BOHB",
        "Hyperband and kernel densities, as in NAS-Bench-201.",
        500,
        Budgeted(),
        strategy=bohb,
    ),
    Method(
        "sf",
        "sf",
        "Score function, less a moving average of losses.",
        100,
        Descent(),
        estimator=_score_function,
    ),
    Method(
        "relax",
        "relax",
        "Score function with a learned control variate.",
        100,
        Descent(),
        estimator=_relax,
    ),
    Method(
        "ram",
        "ram",
        "Each edge's operations all evaluated, the others drawn.",
        100,
        EdgeByEdge(),
        estimator=_ram,
    ),
    Method(
        "snas",
        "snas",
        "Gumbel-softmax, annealed.",
        100,
        Annealed(temperature=(1.0, 0.03)),
        estimator=_gumbel_softmax,
        whole_table=True,
    ),
    Method(
        "st",
        "st",
        "Straight-through Gumbel-softmax.",
        100,
        Annealed(),
        estimator=_straight_through,
        whole_table=True,
    ),
    Method(
        "gdas",
        "gdas",
        "Straight-through as GDAS's code has it.",
        100,
        Annealed(temperature=(10.0, 0.1)),
        estimator=_gdas,
    ),
    Method(
        "darts",
        "darts",
        "Softmax mixture, nothing drawn.",
        100,
        Descent(),
        estimator=_softmax_mixture,
        whole_table=True,
    ),
)

METHODS: Mapping[str, Method] = MappingProxyType({method.name: method for method in _TABLE})
"""Every method by its name."""


def find_method(name: str) -> Method:
    """The method of a name.

    Raises:
        ValueError: there is none.
    """
    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    return METHODS[name]
