"""Every score there is: what it is called, means and costs, where it is from, and how it is made.

`CATALOGUE` is the one list, in the order of a table's columns: counts of an architecture, proxies,
and scores derived from a table's other columns. To read it takes no JAX; `make` imports it.

A new proxy of a known kind is its factory in the file of its family and an entry here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from jaxnas.checks import quoted, unknown
from jaxnas.proxies.derived import DERIVED

if TYPE_CHECKING:
    from jaxnas.proxies.proxy import Proxy

Kind = Literal["count", "proxy", "derived"]

NOISE_LEVELS = (0.1, 10.0, 100.0)


@dataclass(frozen=True)
class Entry:
    """A score of the catalogue.

    Attributes:
        name: as in tables and on the command line.
        kind: "count" of the architecture, "proxy" of a network, "derived" of other columns.
        family: what it is a score of, in a few words.
        meaning: one line.
        equation: in the symbols of its paper.
        references: keys of `jaxnas.references.REFERENCES`, the defining paper first.
        place: where in that paper.
        bn: mode of batch normalisation by default, that of its paper: with the statistics of each
            example or of the batch. None for what is no proxy.
        passes: backward passes through the batch that it takes on its own, None for one an example.
            Scores of a family share them.
        in_all: whether "all" has it.
        factory: of a proxy, "module:function" of its keyword factory.
        constants: what that is given.
        requires: of a derived score, the columns that it is made of.
        rank: place among the scores by which a table is ranked where none is named, first 0; None
            for those that it is not ranked by.
    """

    name: str
    kind: Kind
    family: str
    meaning: str
    equation: str
    references: tuple[str, ...]
    place: str
    bn: Literal["example", "batch"] | None = None
    passes: int | None = 0
    in_all: bool = True
    factory: str = ""
    constants: Mapping[str, Any] = field(default_factory=dict)
    requires: tuple[str, ...] = ()
    rank: int | None = None

    @property
    def reference(self) -> str:
        """The key of the paper that defines it."""
        return self.references[0]

    @property
    def cost(self) -> str:
        """What it costs, in words."""
        match self.kind, self.passes:
            case "count", _:
                return "counted, no network"
            case "derived", _:
                return f"of {', '.join(self.requires)}"
            case _, None:
                return "one backward pass an example"
            case _, 1:
                return "one backward pass"
            case _, several:
                return f"{several} backward passes"

    def make(self, **constants: Any) -> Proxy:
        """The proxy, with the paper's constants but for those given.

        Raises:
            ValueError: it is no proxy.
        """
        if self.kind == "count":
            raise ValueError(
                f"proxy: expected the name of a proxy, got {self.name}, a count of an architecture "
                "of a space; of a network of your own count sum(p.size for p in "
                "jax.tree.leaves(params))"
            )
        if self.kind == "derived":
            raise ValueError(
                f"proxy: expected the name of a proxy, got {self.name}, which is derived from a "
                f"table of many networks; score {', '.join(self.requires)} of each"
            )
        module, function = self.factory.split(":")
        factory: Callable[..., Proxy] = getattr(importlib.import_module(module), function)
        return factory(**{**self.constants, **constants})


_KERNELS = "jaxnas.proxies.gradient_kernels"
_INPUT = "jaxnas.proxies.input_jacobian"
_PARAMETERS = "jaxnas.proxies.parameter_jacobian"

_EIGENVALUES = "−Σ_i log(σ_i + k) + 1/(σ_i + k)"
_COSINES = "1 − mean over pairs of |cos|^(1/20)"


def _count(name: str, meaning: str, equation: str) -> Entry:
    return Entry(name, "count", "size", meaning, equation, ("nas-bench-201",), "section 2")


def _kernel(name: str, meaning: str, equation: str, place: str, **more: Any) -> Entry:
    return Entry(
        name,
        "proxy",
        "gradients of examples",
        meaning,
        equation,
        ("gt-nas",),
        place,
        bn="example",
        factory=f"{_KERNELS}:{name}",
        **{"passes": None, **more},
    )


def _of_input(score: str, meaning: str, equation: str, **more: Any) -> tuple[Entry, ...]:
    """A score of the input Jacobian without noise, then with each level of it."""

    def entry(name: str, meaning: str, **more: Any) -> Entry:
        return Entry(
            name,
            "proxy",
            "input Jacobian",
            meaning,
            equation,
            ("parameters-scoring", "naswot") if score == "js" else ("parameters-scoring",),
            f"section 3.2 ({score.upper()})",
            bn="batch",
            passes=1,
            factory=f"{_INPUT}:{score}",
            **more,
        )

    return (
        entry(score, meaning, **more),
        *(
            entry(
                f"{score}_n{noise:g}",
                f"{meaning}, noise {noise:g} on the input",
                constants={"noise": noise},
            )
            for noise in NOISE_LEVELS
        ),
    )


def _of_parameters(name: str, meaning: str, equation: str, **more: Any) -> Entry:
    score = name.removesuffix("_nz")
    return Entry(
        name,
        "proxy",
        "parameter gradients",
        meaning,
        equation,
        ("parameters-scoring",),
        f"section 3.2 ({score.upper()})",
        bn="batch",
        passes=1,
        factory=f"{_PARAMETERS}:{score}",
        in_all=name == score,
        constants={} if name == score else {"zeros": "structural-removed"},
        **more,
    )


def _derived(name: str, meaning: str, equation: str) -> Entry:
    return Entry(
        name,
        "derived",
        "noise",
        meaning,
        equation,
        ("parameters-scoring",),
        f"section 3.2 ({name.upper()})",
        requires=DERIVED.requires[name],
    )


_MEAN = f"(1/N) Σ_i S_i, S_i = {_EIGENVALUES} of W_i's gradient"
_TO_OUTPUT = "(1/N) 2/(N(N+1)) Σ_i i S_i"
_TO_INPUT = "(1/N) 2/(N(N+1)) Σ_i (N + 1 − i) S_i"

CATALOGUE: tuple[Entry, ...] = (
    _count(
        "params", "trainable parameters of the cell as written", "Σ sizes of weights and biases"
    ),
    _count("flops", "multiply-adds of the cell as written, one image", "Σ multiply-adds"),
    _kernel(
        "gradient_kernel",
        "mean of the gradients' Gram matrix P (exact)",
        "mean of P = G Gᵀ, which is ‖mean of g_i‖²",
        "section 5",
        passes=1,
        rank=2,
    ),
    _kernel("gradient_value", "mean absolute per-example gradient", "mean of |G|", "section 3"),
    _kernel(
        "gradient_correlation",
        "mean cosine between per-example gradients",
        "mean of P_ij / (‖g_i‖ ‖g_j‖)",
        "section 3",
    ),
    _kernel(
        "gradient_trace",
        "mean squared norm of per-example gradients",
        "mean of ‖g_i‖²",
        "section 5, the diagonal of P",
    ),
    _kernel(
        "gradient_kernel_sampled",
        "the kernel from 50 examples and 50 parameters a layer",
        "Σ over layers of the mean of P of sampled, centred gradients",
        "sections 3 and 5",
        in_all=False,
    ),
    *_of_input(
        "js",
        "input Jacobian, eigenvalue score",
        f"{_EIGENVALUES}, σ of the correlation of the rows of ∂L/∂x",
        rank=1,
    ),
    *_of_input("jsc", "input Jacobian, cosine score", f"{_COSINES} of the rows of ∂L/∂x"),
    _of_parameters("pjs", "parameter gradients, mean eigenvalue score", _MEAN, rank=0),
    _of_parameters(
        "pjsc",
        "parameter gradients, mean cosine score",
        f"(1/N) Σ_i S_i, S_i = {_COSINES} of the rows of W_i's gradient",
    ),
    _of_parameters("wpjs", "pjs weighted towards the output", _TO_OUTPUT),
    _of_parameters("wpjsi", "pjs weighted towards the input", _TO_INPUT),
    _of_parameters("pjs_nz", "pjs without structural zeros", _MEAN),
    _of_parameters("wpjs_nz", "wpjs without structural zeros", _TO_OUTPUT),
    _of_parameters("wpjsi_nz", "wpjsi without structural zeros", _TO_INPUT),
    _derived(
        "sns",
        "1 - |js - js_n0.1|, js rescaled over the table: small noise",
        "1 − |js~ − js~_0.1|",
    ),
    _derived("snsc", "1 - |jsc - jsc_n0.1|: small noise", "1 − |jsc − jsc_0.1|"),
    _derived(
        "lns", "1 - |js - js_n10|, js rescaled over the table: large noise", "1 − |js~ − js~_10|"
    ),
    _derived("lnsc", "1 - |jsc - jsc_n10|: large noise", "1 − |jsc − jsc_10|"),
    _derived(
        "mnjs",
        "js times the noise scores at 0.1, 10 and 100, js rescaled over the table",
        "js~ Π_a (1 − |js~ − js~_a|)",
    ),
    _derived(
        "mnjsc",
        "jsc times the noise scores at 0.1, 10 and 100",
        "jsc Π_a (1 − |jsc − jsc_a|)",
    ),
)
"""Every score, in the order of a table's columns."""

_BY_NAME = {entry.name: entry for entry in CATALOGUE}


def names(kind: Kind | None = None) -> tuple[str, ...]:
    """Names of all scores, or of those of one kind, in the order of a table's columns."""
    return tuple(entry.name for entry in CATALOGUE if kind in (None, entry.kind))


def all_names() -> tuple[str, ...]:
    """Names of the scores that "all" means, in the order of a table's columns."""
    return tuple(entry.name for entry in CATALOGUE if entry.in_all)


def preferred() -> tuple[str, ...]:
    """Names of the scores by which a table is ranked where none is named, the first the best."""
    ranked = [(entry.rank, entry.name) for entry in CATALOGUE if entry.rank is not None]
    return tuple(name for _, name in sorted(ranked))


def entry(name: str) -> Entry:
    """A score's entry.

    Raises:
        ValueError: there is no such score; the sentence names the nearest.
    """
    if not isinstance(name, str):
        raise ValueError(f"score: expected a name such as 'js', got {quoted(name)}; name one")
    if name not in _BY_NAME:
        raise ValueError(unknown("score", name, _BY_NAME))
    return _BY_NAME[name]


def columns(scores: str | Iterable[str]) -> tuple[str, ...]:
    """The columns that scores need: "all" spelt out, the bases of derived ones added.

    Args:
        scores: a name, or several.

    Returns:
        In the order of a table's columns, each once.

    Raises:
        ValueError: an unknown name, or none at all.
    """
    given = [scores] if isinstance(scores, str) else list(scores)
    if not given:
        raise ValueError("scores: expected at least one name, got none; name one, or all")
    named = [known for name in given for known in (all_names() if name == "all" else (name,))]
    chosen = {column for name in named for column in (name, *entry(name).requires)}
    return tuple(name for name in names() if name in chosen)


def make(name: str, **constants: Any) -> Proxy:
    """A proxy by name, with the paper's constants but for those given.

    Raises:
        ValueError: there is no such proxy; the sentence names the nearest.

    Example:
        >>> from jaxnas import proxies
        >>> proxies.make("js_n10")
        js(noise=10.0)
    """
    return entry(name).make(**constants)
