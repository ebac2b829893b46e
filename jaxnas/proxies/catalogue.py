"""Every proxy by name: its factory with the papers' constants, its meaning and its source."""

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

from jaxnas.proxies.gradient_kernel import (
    gradient_correlation,
    gradient_kernel,
    gradient_kernel_sampled,
    gradient_trace,
    gradient_value,
)
from jaxnas.proxies.input_jacobian import js, jsc
from jaxnas.proxies.parameter_jacobian import pjs, pjsc, wpjs, wpjsi
from jaxnas.proxies.proxy import Proxy

Paper = Literal["GT-NAS", "parameters scoring"]

NOISE_LEVELS = (0.1, 10.0, 100.0)


@dataclass(frozen=True)
class Entry:
    """A proxy of the catalogue.

    Attributes:
        make: its keyword factory, with the paper's constants.
        meaning: one line.
        paper: which of the papers defines it; it says how batch normalisation is meant by default.
    """

    make: Callable[..., Proxy]
    meaning: str
    paper: Paper


def _noisy(make: Callable[..., Proxy], score: str, what: str) -> dict[str, Entry]:
    return {
        f"{score}_n{noise:g}": Entry(
            partial(make, noise=noise),
            f"{what}, noise {noise:g} on the input",
            "parameters scoring",
        )
        for noise in NOISE_LEVELS
    }


CATALOGUE: dict[str, Entry] = {
    "gradient_kernel": Entry(
        gradient_kernel, "mean of the gradients' Gram matrix P (exact)", "GT-NAS"
    ),
    "gradient_value": Entry(gradient_value, "mean absolute per-example gradient", "GT-NAS"),
    "gradient_correlation": Entry(
        gradient_correlation, "mean cosine between per-example gradients", "GT-NAS"
    ),
    "gradient_trace": Entry(gradient_trace, "mean squared norm of per-example gradients", "GT-NAS"),
    "gradient_kernel_sampled": Entry(
        gradient_kernel_sampled, "the kernel from 50 examples and 50 parameters a layer", "GT-NAS"
    ),
    "js": Entry(js, "input Jacobian, eigenvalue score", "parameters scoring"),
    **_noisy(js, "js", "input Jacobian, eigenvalue score"),
    "jsc": Entry(jsc, "input Jacobian, cosine score", "parameters scoring"),
    **_noisy(jsc, "jsc", "input Jacobian, cosine score"),
    "pjs": Entry(pjs, "parameter gradients, mean eigenvalue score", "parameters scoring"),
    "pjsc": Entry(pjsc, "parameter gradients, mean cosine score", "parameters scoring"),
    "wpjs": Entry(wpjs, "pjs weighted towards the output", "parameters scoring"),
    "wpjsi": Entry(wpjsi, "pjs weighted towards the input", "parameters scoring"),
    "pjs_nz": Entry(
        partial(pjs, zeros="structural-removed"),
        "pjs without structural zeros",
        "parameters scoring",
    ),
    "wpjs_nz": Entry(
        partial(wpjs, zeros="structural-removed"),
        "wpjs without structural zeros",
        "parameters scoring",
    ),
    "wpjsi_nz": Entry(
        partial(wpjsi, zeros="structural-removed"),
        "wpjsi without structural zeros",
        "parameters scoring",
    ),
}


def unknown_name(name: str, known: list[str]) -> str:
    """One sentence about a name that is not known, with the nearest that is."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    return f'there is no proxy "{name}": {hint}'


def make(name: str) -> Proxy:
    """A proxy by name, with the papers' constants.

    Raises:
        ValueError: there is no such proxy; the sentence names the nearest.
    """
    if name not in CATALOGUE:
        raise ValueError(unknown_name(name, list(CATALOGUE)))
    return CATALOGUE[name].make()
