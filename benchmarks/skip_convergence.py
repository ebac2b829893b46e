"""Theorem 1 of PR-DARTS on its own small network: how fast training converges as skips grow.

    python benchmarks/skip_convergence.py --out benchmarks/results/skip_convergence

The network of seeds 004 (Zhou et al., NeurIPS 2020): node l of h is X^(l) = Σ_{s<l} (skip_sl X^(s)
+ conv_sl tanh(W_sl ∗ X^(s))), the prediction u = Σ_s <W_s, X^(s)>, the loss F = Σ (u - y)² / 2n,
trained by gradient descent on all images at once. The theorem: F(k+1) ≤ (1 - λ) F(k), all k, with
λ = c η S and S = Σ_{s=0}^{h-2} conv_{s,h-1}² Π_{t<s} skip_{t,s}².

Measured: the λ of a run, min_k 1 - F(k+1) / F(k), the largest for which the inequality holds in
it; beside it what the kernel of the network at its start gives for its slowest mode, which is
theory for wide networks. Images are 1-D and circular, labels random signs, all in float64.
"""

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.stats import spearmanr

from jaxnas.plots.style import BLUE, GREY, LIGHT_GREY, ORANGE, new_figure, save
from jaxnas.results.parts import write_atomically

NODES = 4
IMAGES, PIXELS, CHANNELS = 8, 4, 3
EDGES = tuple((source, target) for target in range(1, NODES) for source in range(target))
INNER = np.array([target < NODES - 1 for _, target in EDGES])
SHARES = np.linspace(0, 1, 7)
KINDS = {
    "convolutions to the last node": ("last",),
    "all convolutions": ("inner", "last"),
    "all weights": ("inner", "last", "stem", "readouts"),
}
"""What is trained. S has the weights of the first; the slides write the update of the second."""


class Weights(NamedTuple):
    """Of the operations, by edge [6] (source and target in the order of `EDGES`)."""

    skip: Any
    conv: Any


class Problem(NamedTuple):
    """Data and the parameters at the start.

    Attributes:
        images: [images, pixels, channels], each of length 1.
        labels: [images], -1 or 1.
        params: convolutions of the edges to the inner nodes and to the last [3, 3 width, width],
            readouts [4, pixels, width], stem [3 channels, width].
    """

    images: Any
    labels: Any
    params: dict[str, Any]


SWEEPS: dict[str, tuple[str, Callable[[float], Weights]]] = {
    "gates, skips grow": (
        "skip = x, conv = ½ on all edges",
        lambda x: Weights(np.full(6, x), np.full(6, 0.5)),
    ),
    "gates, convolutions grow": (
        "skip = ½, conv = x on all edges",
        lambda x: Weights(np.full(6, 0.5), np.full(6, x)),
    ),
    "softmax, inner edges": (
        "skip = x, conv = 1 - x on edges not to the last node; there skip = conv = ½",
        lambda x: Weights(np.where(INNER, x, 0.5), np.where(INNER, 1 - x, 0.5)),
    ),
    "softmax, all edges": (
        "skip = x, conv = 1 - x on all edges",
        lambda x: Weights(np.full(6, x), np.full(6, 1 - x)),
    ),
}
"""What varies with x from 0 to 1; zero's weight changes nothing in the network."""


def structure(weights: Weights) -> float:
    """S, λ without the constant and the learning rate."""
    skip, conv = ({edge: value for edge, value in zip(EDGES, w, strict=True)} for w in weights)
    last = NODES - 1
    return sum(
        conv[s, last] ** 2 * np.prod([skip[t, s] ** 2 for t in range(s)]) for s in range(last)
    )


def problem(key: Any, width: int) -> Problem:
    """Random images and weights, all normal: with 1/sqrt(fan-in) the neural tangent scaling."""
    at_images, at_labels, *keys = jax.random.split(key, 6)
    images = jax.random.normal(at_images, (IMAGES, PIXELS, CHANNELS))
    images /= jnp.linalg.norm(images, axis=(1, 2), keepdims=True)
    params = {
        "stem": jax.random.normal(keys[0], (3 * CHANNELS, width)) * (3 * CHANNELS) ** 0.5,
        "inner": jax.random.normal(keys[1], (INNER.sum(), 3 * width, width)),
        "last": jax.random.normal(keys[2], ((~INNER).sum(), 3 * width, width)),
        "readouts": jax.random.normal(keys[3], (NODES, PIXELS, width)),
    }
    labels = jax.random.rademacher(at_labels, (IMAGES,), images.dtype)
    return Problem(images, labels, params)


def convolve(x: Any, kernel: Any) -> Any:
    """tanh of a circular convolution of 3 pixels, kernels scaled by 1/sqrt(fan-in)."""
    patches = jnp.concatenate([jnp.roll(x, 1, 1), x, jnp.roll(x, -1, 1)], 2)
    return jnp.tanh(patches @ kernel / kernel.shape[0] ** 0.5)


def predict(params: dict[str, Any], images: Any, weights: Weights) -> Any:
    """u [images]."""
    kernels = jnp.concatenate([params["inner"], params["last"]])
    nodes = [convolve(images, params["stem"])]
    for target in range(1, NODES):
        total = 0.0
        for e, (source, to) in enumerate(EDGES):
            if to == target:
                x = nodes[source]
                total = total + weights.skip[e] * x + weights.conv[e] * convolve(x, kernels[e])
        nodes.append(total)
    readouts = params["readouts"] / params["readouts"][0].size ** 0.5
    return sum(jnp.einsum("ipc,pc->i", x, w) for x, w in zip(nodes, readouts, strict=True))


def trained(params: dict[str, Any], kind: str) -> dict[str, Any]:
    return {name: params[name] for name in KINDS[kind]}


def kernel_values(data: Problem, weights: Weights, kind: str) -> Any:
    """Eigenvalues, ascending, of J Jᵀ / n at the start: the rates of the linearised flow."""

    def outputs(part: dict[str, Any]) -> Any:
        return predict({**data.params, **part}, data.images, weights)

    leaves = jax.tree.leaves(jax.jacrev(outputs)(trained(data.params, kind)))
    number = len(data.labels)
    flat = jnp.concatenate([leaf.reshape(number, -1) for leaf in leaves], 1)
    return jnp.linalg.eigvalsh(flat @ flat.T / number)


def losses(data: Problem, weights: Weights, rate: Any, kind: str, steps: int) -> Any:
    """F of k = 0 to `steps` [steps + 1], by gradient descent."""

    def loss(part: dict[str, Any]) -> Any:
        error = predict({**data.params, **part}, data.images, weights) - data.labels
        return (error**2).mean() / 2

    def step(part: dict[str, Any], _: None) -> tuple[dict[str, Any], Any]:
        value, slope = jax.value_and_grad(loss)(part)
        return jax.tree.map(lambda p, g: p - rate * g, part, slope), value

    return jax.lax.scan(step, trained(data.params, kind), length=steps + 1)[1]


def measured_rate(curve: np.ndarray) -> np.ndarray:
    """min_k 1 - F(k+1) / F(k) along the last axis, k from 1 as in the theorem."""
    return (1 - curve[..., 2:] / curve[..., 1:-1]).min(-1)


class Outcome(NamedTuple):
    """Of a sweep; [shares] or [shares, seeds].

    Attributes:
        structure: S.
        rates: measured.
        kernel: 1 - (1 - η κ)², κ the least eigenvalue at the start.
        fits: R² of ln F against k over the second half of the steps.
        ends: F at the last step over F at the first.
    """

    structure: np.ndarray
    rates: np.ndarray
    kernel: np.ndarray
    fits: np.ndarray
    ends: np.ndarray


def run(kind: str, seeds: int, width: int, steps: int) -> tuple[float, dict[str, Outcome]]:
    """The learning rate of all, half of what the stiffest network allows, and the outcomes."""
    data = jax.vmap(partial(problem, width=width))(jax.random.split(jax.random.key(0), seeds))
    grids = {
        name: Weights(*(jnp.asarray(np.stack(w)) for w in zip(*map(make, SHARES), strict=True)))
        for name, (_, make) in SWEEPS.items()
    }

    def over(function: Callable[..., Any]) -> Callable[..., Any]:
        return jax.jit(jax.vmap(jax.vmap(function, (0, None)), (None, 0)))

    spectrum = over(partial(kernel_values, kind=kind))
    spectra = {name: np.asarray(spectrum(data, grid)) for name, grid in grids.items()}
    rate = 1 / max(values.max() for values in spectra.values())
    train = over(partial(losses, rate=rate, kind=kind, steps=steps))
    outcomes = {}
    for name, grid in grids.items():
        curves = np.asarray(train(data, grid))
        late = np.log(curves[..., steps // 2 :])
        time = np.arange(late.shape[-1])
        with np.errstate(invalid="ignore"):  # NaN where nothing moves
            fits = [np.corrcoef(time, one)[0, 1] ** 2 for one in late.reshape(-1, len(time))]
        outcomes[name] = Outcome(
            np.array(
                [structure(Weights(*row)) for row in zip(*map(np.asarray, grid), strict=True)]
            ),
            measured_rate(curves),
            1 - (1 - rate * spectra[name][..., 0]) ** 2,
            np.reshape(fits, curves.shape[:2]),
            curves[..., -1] / curves[..., 0],
        )
    return rate, outcomes


def elasticity(outcomes: dict[str, Outcome], name: str) -> tuple[float, float]:
    """d ln rate / d ln x at x = ½, of the seeds' median rate and of S, by central differences."""
    middle = len(SHARES) // 2
    around = slice(middle - 1, middle + 2, 2)
    width = np.diff(np.log(SHARES[around]))[0]
    outcome = outcomes[name]
    slopes = [np.median(outcome.rates, 1), outcome.structure]
    return tuple(float(np.diff(np.log(values[around]))[0] / width) for values in slopes)


def check(outcomes: dict[str, Outcome]) -> list[dict[str, str]]:
    """One row a sweep: what the theorem says of it and what was measured."""
    base = outcomes["gates, skips grow"]
    # The largest constant c η that the first sweep allows, seed by seed; then held elsewhere.
    constants = (base.rates / base.structure[:, None]).min(0)
    rows = []
    for name, outcome in outcomes.items():
        median = np.median(outcome.rates, 1)
        positive = (outcome.structure > 0) & (median > 1e-12)
        held = outcome.rates >= constants * outcome.structure[:, None] * (1 - 1e-9)
        ratio = outcome.rates[positive] / outcome.kernel[positive]
        rows.append(
            {
                "sweep": name,
                "S": f"{outcome.structure[0]:.3g} to {outcome.structure[-1]:.3g}",
                "measured λ, median": f"{median[0]:.2e} to {median[-1]:.2e}",
                "largest at x": f"{SHARES[median.argmax()]:g}",
                "S largest at x": f"{SHARES[outcome.structure.argmax()]:g}",
                "Spearman of λ and S": f"{spearmanr(outcome.structure, median).statistic:.2f}",
                "λ ≥ c η S": f"{held.mean():.0%}",
                "λ / kernel's": f"{np.median(ratio):.2f} ({ratio.min():.2f} to {ratio.max():.2f})",
                "R² of ln F": f"{np.median(outcome.fits[positive]):.4f}",
            }
        )
    return rows


def table(rows: list[dict[str, str]]) -> list[str]:
    lines = [f"| {' | '.join(rows[0])} |", f"|{'---|' * len(rows[0])}"]
    return lines + [f"| {' | '.join(row.values())} |" for row in rows]


def draw(results: dict[str, tuple[float, dict[str, Outcome]]]) -> Any:
    figure = new_figure(8.4, 6.4)
    axes = figure.subplots(len(KINDS), len(SWEEPS), sharex=True)
    for row, (kind, (_, outcomes)) in zip(axes, results.items(), strict=True):
        for ax, (name, outcome) in zip(row, outcomes.items(), strict=True):
            visible = np.where(outcome.rates > 1e-12, outcome.rates, np.nan)
            predicted = np.where(outcome.kernel > 1e-12, outcome.kernel, np.nan)
            ax.plot(SHARES, visible, ".", color=LIGHT_GREY, markersize=4)
            ax.plot(SHARES, np.median(visible, 1), color=BLUE, label="measured λ, median of seeds")
            ax.plot(SHARES, np.median(predicted, 1), "--", color=GREY, label="kernel at the start")
            base = outcomes["gates, skips grow"]
            constant = np.median((base.rates / base.structure[:, None]).min(0))
            bound = np.where(outcome.structure > 0, constant * outcome.structure, np.nan)
            ax.plot(SHARES, bound, color=ORANGE, label="theorem: c η S, c from the first sweep")
            ax.set_yscale("log")
            ax.set_title(name, loc="left")
        row[0].set_ylabel(f"{kind}\nλ, decrease of F a step")
    for ax in axes[-1]:
        ax.set_xlabel("x")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of table and figure")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--steps", type=int, default=250)
    args = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    results = {}
    for kind in KINDS:
        results[kind] = run(kind, args.seeds, args.width, args.steps)
        print(f"{kind}: done", file=sys.stderr, flush=True)
    lines = [
        "# Theorem 1 of PR-DARTS, measured",
        "",
        f"`python benchmarks/skip_convergence.py {' '.join(sys.argv[1:])}`",
        "",
        f"{NODES} nodes, {len(EDGES)} edges, {args.width} channels of {PIXELS} pixels, {IMAGES} "
        f"random images, labels random signs; {args.steps} steps of gradient descent, {args.seeds} "
        "seeds, float64.",
        "",
        *(f"- {name}: {text};" for name, (text, _) in SWEEPS.items()),
        "",
    ]
    for kind, (rate, outcomes) in results.items():
        by_skip, by_conv = (
            elasticity(outcomes, name) for name in ("gates, skips grow", "gates, convolutions grow")
        )
        lines += [
            f"## Trained: {kind}",
            "",
            f"Learning rate {rate:.3g} in all runs.",
            "",
            *table(check(outcomes)),
            "",
            f"At skip = conv = ½, a percent more skip changes λ by {by_skip[0]:.2f} % (S: "
            f"{by_skip[1]:.2f} %), a percent more convolution by {by_conv[0]:.2f} % (S: "
            f"{by_conv[1]:.2f} %).",
            "",
        ]
    text = "\n".join(lines)
    print(text)
    args.out.mkdir(parents=True, exist_ok=True)
    write_atomically(args.out / "rates.md", text.encode())
    save(lambda: draw(results), args.out / "rates.png")


if __name__ == "__main__":
    main()
