"""The constants of each method of searching a supernet, and the methods by name; no JAX here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import Any

from jaxnas.checks import quoted, ranges, unknown
from jaxnas.oneshot.recipe import Alternation, Recipe, Rule
from jaxnas.spaces import DEFAULT

ENTROPY_WEIGHT = 1e-4
BASELINE_DECAY = 0.99


@dataclass(frozen=True)
class Definition:
    """A method that can be asked for by name.

    Attributes:
        title: what it does, in a line.
        reference: key of its publication in `jaxnas.references`.
        recipe: the constants that it has, with the preset of the DARTS space, as the paper's.
        presets: by space, the constants that differ there.
    """

    title: str
    reference: str
    recipe: type[Recipe]
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def make_recipe(method: str, space: str = DEFAULT.name, **constants: Any) -> Recipe:
    """The preset of a method in a space, with some constants set otherwise.

    Args:
        method: a name of `METHODS`.
        space: name of a space; one without a preset gets the method's own constants.
        **constants: the constants set otherwise.

    Raises:
        ValueError: there is no such method or constant, or one is not what it should be.
    """
    definition = definition_of(method)
    known = [constant.name for constant in fields(definition.recipe)]
    for name in constants:
        if name not in known:
            raise ValueError(
                f"{method}: expected a constant of {', '.join(known)}, got {quoted(name)}"
            )
    return definition.recipe(**{**definition.presets.get(space, {}), **constants})


def definition_of(method: str) -> Definition:
    """The definition of a method.

    Raises:
        ValueError: there is no such method.
    """
    if method not in METHODS:
        raise ValueError(unknown("method", method, METHODS))
    return METHODS[method]


@dataclass(frozen=True)
class ScoreFunction(Recipe):
    """Constants of the score function with a moving average as baseline.

    Huang, "Improved Gradient-Based Neural Architecture Search", 2019, eq. 10; the constants it does
    not give are those of DARTS, which it compares with.

    Attributes:
        baseline_decay: of the moving average of losses; None for no control variate.
        rule: of independent edges the most probable operation each.
    """

    baseline_decay: ranges.Fraction | None = 0.9
    rule: Rule = "every-edge"


@dataclass(frozen=True)
class Relax(Recipe):
    """Constants of RELAX: a learned control variate.

    Huang, "Improved Gradient-Based Neural Architecture Search", 2019, eq. 11.

    Attributes:
        hidden: units of the control variate's network.
        control_rate: its learning rate.
        rule: as `ScoreFunction`'s.
    """

    hidden: ranges.Units = 64
    control_rate: ranges.Positive = 1e-3
    rule: Rule = "every-edge"


@dataclass(frozen=True)
class Ram(Recipe):
    """Constants of RAM: all operations of an edge evaluated, the other edges drawn.

    Huang, "Improved Gradient-Based Neural Architecture Search", 2019, eq. 14 to 16.

    Attributes:
        edges_per_step: edges whose operations are all evaluated; None for all, which takes
            E (K - 1) + 1 networks a step.
        rule: as `ScoreFunction`'s.
    """

    edges_per_step: ranges.Count | None = None
    rule: Rule = "every-edge"


@dataclass(frozen=True)
class Annealed(Recipe):
    """A recipe with a temperature.

    Attributes:
        temperature: of the first epoch.
        final_temperature: of the last; linear by epochs, as the papers' code has it.
    """

    temperature: ranges.Temperature = 1.0
    final_temperature: ranges.Temperature = 0.03


@dataclass(frozen=True)
class Snas(Annealed):
    """Constants of SNAS: Gumbel-softmax, annealed, weights and α taught together.

    Xie et al., "SNAS", ICLR 2019, by its released code; without its resource constraint.

    One level: a batch teaches weights and α together. Unlike there, a tenth of the images is held
    out, to show the accuracy by images that taught neither; the code shows the test set's.
    """

    epochs: int = 150
    alternation: Alternation = "together"
    alpha_mean: float = 1.0
    alpha_deviation: float = 0.01
    alpha_clip: float | None = 10.0
    rule: Rule = "every-edge"
    valid_fraction: float = 0.1


@dataclass(frozen=True)
class Gdas(Annealed):
    """Constants of GDAS: straight-through, one operation computed; the weights' step comes first.

    Dong & Yang, "GDAS", CVPR 2019, by the released code.
    """

    epochs: int = 250
    batch_size: int = 256
    temperature: ranges.Temperature = 10.0
    final_temperature: ranges.Temperature = 0.1
    nesterov: bool = True
    weight_decay: float = 5e-4
    alternation: Alternation = "weights-first"
    rule: Rule = "top-pairs"


@dataclass(frozen=True)
class StraightThrough(Gdas):
    """Constants of GDAS as printed: the true straight-through gradient, all operations computed."""


@dataclass(frozen=True)
class Darts(Recipe):
    """Constants of DARTS: a softmax mixture of all operations.

    Liu et al., "DARTS", ICLR 2019.

    Attributes:
        second_order: whether α's loss is the validation loss after a step of the weights.
    """

    second_order: bool = False


@dataclass(frozen=True)
class PrDarts(Annealed):
    """Constants of PR-DARTS: stochastic gates with regularisers.

    Zhou et al., "Theory-inspired path-regularized DARTS", NeurIPS 2020.

    α are the gates' logits β. Though gates are independent, the paper and its code compare the
    softmax of an edge's logits when they discretise; so do the entropy and what is found here.

    Attributes:
        skip_strength: λ1, of the skip connections' sparsity.
        non_skip_strength: λ2, of the other operations'.
        path_strength: λ3, of the path depth.
        lower: a, where a gate's stretched sigmoid begins.
        upper: b, where it ends.
        released: the released code's form: two operations an edge by straight-through gates, and
            regularisers of three groups, hinged.
    """

    epochs: int = 200
    batch_size: int = 250
    depth: int = 6
    temperature: ranges.Temperature = 1.0
    final_temperature: ranges.Temperature = 0.1
    nesterov: bool = True
    weight_decay: float = 5e-4
    alternation: Alternation = "weights-first"
    rule: Rule = "top-pairs"
    skip_strength: ranges.NotNegative = 0.01
    non_skip_strength: ranges.NotNegative = 0.005
    path_strength: ranges.NotNegative = 0.005
    lower: ranges.BelowZero = -0.1
    upper: ranges.AboveOne = 1.1
    released: bool = False


@dataclass(frozen=True)
class Enas(Recipe):
    """Constants of ENAS: a recurrent controller.

    Pham et al., "ENAS", ICML 2018, by the constants of NAS-Bench-201's search code.

    Unlike there weights and controller take turns at every batch, not at every epoch, the weights'
    rate is one cosine without restarts, and operations alone are chosen, of all edges.

    Attributes:
        hidden: units of the controller's layers.
        layers: of its LSTM.
        policy_temperature: its logits are divided by it.
        tanh_constant: bound of its logits.
        entropy_weight: of the policy's entropy in the reward, per nat.
        baseline_decay: of the moving average of losses.
    """

    epochs: int = 250
    batch_size: int = 128
    weight_rate: float = 0.05
    final_weight_rate: float = 0.0005
    nesterov: bool = True
    weight_decay: float = 2.5e-4
    alternation: Alternation = "weights-first"
    alpha_rate: float = 1e-3
    alpha_beta1: float = 0.0
    alpha_epsilon: float = 1e-3
    alpha_estimates: int = 20
    alpha_decay: float = 0.0
    candidates: int = 100
    hidden: ranges.Units = 32
    layers: ranges.Layers = 2
    policy_temperature: ranges.Temperature = 5.0
    tanh_constant: ranges.Positive = 2.5
    entropy_weight: ranges.NotNegative = ENTROPY_WEIGHT
    baseline_decay: ranges.Fraction = BASELINE_DECAY


@dataclass(frozen=True)
class Rsps(Recipe):
    """Constants of random search with shared weights.

    Li & Talwalkar, "Random search and reproducibility for NAS", UAI 2019, by AutoDL's code.
    """

    epochs: int = 250
    nesterov: bool = True
    weight_decay: float = 5e-4
    alternation: Alternation = "weights-first"
    candidates: ranges.Count = 100


# NAS-Bench-201's search code (AutoDL-Projects) has its own constants for the weights.
_NB201: dict[str, Any] = {"depth": 5, "nesterov": True, "weight_decay": 5e-4}
_NB201_GDAS = {**_NB201, "batch_size": 64}

METHODS: Mapping[str, Definition] = MappingProxyType(
    {
        "sf": Definition(
            "Score function, its baseline a moving average of losses.",
            "improved-gradient-nas",
            ScoreFunction,
            {"nb201": _NB201},
        ),
        "relax": Definition(
            "Score function with a learned control variate.", "relax", Relax, {"nb201": _NB201}
        ),
        "ram": Definition(
            "Each edge's operations all evaluated, the others drawn.", "ram", Ram, {"nb201": _NB201}
        ),
        "snas": Definition("Gumbel-softmax, annealed.", "snas", Snas, {"nb201": {"depth": 5}}),
        "st": Definition(
            "Straight-through Gumbel-softmax.", "gdas", StraightThrough, {"nb201": _NB201_GDAS}
        ),
        "gdas": Definition(
            "Straight-through as GDAS's code has it.", "gdas", Gdas, {"nb201": _NB201_GDAS}
        ),
        "darts": Definition("Softmax mixture, nothing drawn.", "darts", Darts, {"nb201": _NB201}),
        "pr-darts": Definition(
            "Stochastic gates, group-structured sparsity, path-depth regularisation.",
            "pr-darts",
            PrDarts,
            {"nb201": {**_NB201, "batch_size": 64}},
        ),
        "enas": Definition(
            "A recurrent controller, by the score function.",
            "enas",
            Enas,
            {"nb201": {"depth": 5}},
        ),
        "rsps": Definition(
            "Random search with shared weights: uniform sampling, no logits.",
            "rsps",
            Rsps,
            {"nb201": _NB201},
        ),
    }
)
"""Every method by its name."""
