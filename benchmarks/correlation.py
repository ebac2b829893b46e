"""How js and pjs rank 300 random cells: Spearman against 200-epoch validation accuracy.

    python benchmarks/correlation.py --data cifar10_small.npz --accuracies nb201.npz \
        --out benchmarks/results/correlation.md

`--data` is an .npz of CIFAR-10 images, `--accuracies` one with `cifar10valid_val_200` [15625]. The
interval is a bootstrap over functions. Scores are kept in `--runs`, so that it can be stopped.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau, spearmanr

import jaxnas


def bootstrap(score: np.ndarray, accuracy: np.ndarray, function: np.ndarray) -> str:
    """95 % interval of Spearman's correlation, resampling functions."""
    rng = np.random.default_rng(0)
    functions = np.unique(function)
    rows = {f: np.flatnonzero(function == f) for f in functions}
    values = []
    for _ in range(1000):
        drawn = np.concatenate([rows[f] for f in rng.choice(functions, len(functions))])
        values.append(spearmanr(score[drawn], accuracy[drawn])[0])
    low, high = np.percentile(values, [2.5, 97.5])
    return f"{low:.3f} to {high:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True)
    parser.add_argument("--accuracies", required=True)
    parser.add_argument("--cells", default="random:300")
    parser.add_argument("--proxies", default="js,pjs,pjs_nz,params")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--runs", default="runs/correlation")
    parser.add_argument("--out")
    args = parser.parse_args()
    command = [sys.executable, "-m", "jaxnas", "score", "--cells", args.cells]
    command += ["--proxies", args.proxies, "--dataset", args.data, "--out", args.runs]
    subprocess.run([*command, "--dtype", args.dtype], check=True)
    table = jaxnas.read_table(args.runs)
    ok = np.asarray(table["status"].to_pylist()) == "ok"
    cell, function = (table[name].to_numpy()[ok] for name in ("cell", "function"))
    with np.load(args.accuracies, allow_pickle=False) as accuracies:
        accuracy = accuracies["cifar10valid_val_200"][cell]
    lines = [
        "# Scores against accuracy",
        "",
        f"`python benchmarks/correlation.py {' '.join(sys.argv[1:])}`",
        "",
        f"{ok.sum()} cells scored ok of {len(ok)}, {len(np.unique(function))} functions, batch 64, "
        f"seed 0, {args.dtype}; CIFAR-10 validation accuracy after 200 epochs.",
        "",
        "| score | Spearman | 95 % interval | Kendall |",
        "|---|---|---|---|",
    ]
    for name in args.proxies.split(","):
        score = table[name].to_numpy()[ok].astype(float)
        rho, tau = spearmanr(score, accuracy)[0], kendalltau(score, accuracy)[0]
        interval = bootstrap(score, accuracy, function)
        lines.append(f"| {name} | {rho:.3f} | {interval} | {tau:.3f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        Path(args.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
