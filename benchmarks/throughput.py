"""Cells per second of jaxnas against eager PyTorch, side by side.

Both programs are long-lived processes on the same machine, warmed up, and score the same cells in
turn, block by block: the ratio of each block's times is what is reported, with its spread. Then how
jaxnas' cost grows with cells, batch size and workers.

    pip install -e ".[benchmark]"
    python benchmarks/throughput.py --data cifar10_small.npz --out benchmarks/results/throughput.md

PyTorch runs as its users run it, on all cores, plain (`nchw`) and with channels last (`nhwc`), in
the environment as it is; with `--same-allocator` it gets jaxnas' allocator settings as well.
"""

import argparse
import contextlib
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from program import Program

from jaxnas.spaces import nb201

RIVALS = ("torch-nchw", "torch-nhwc")


class Worker:
    """A program that scores lists of cells."""

    def __init__(self, kind: str, scores: str, batch_size: int, workers: int, args: Any) -> None:
        env = dict(os.environ)
        if kind == "jaxnas" or args.same_allocator:
            from jaxnas.engine import environment as process

            env = process.environment(env, workers, process.jaxlib_version(), glibc=True)
        options = {"scores": scores, "batch-size": batch_size, "workers": workers}
        self._program = Program(__file__, kind, {**options, "data": args.data}, env)

    def score(self, cells: Sequence[int]) -> dict[str, float]:
        """Seconds for the cells and peak memory in MB so far."""
        return self._program.ask([int(cell) for cell in cells])

    def close(self) -> None:
        self._program.close()


def serve(args: Any) -> None:
    """The worker: reads lists of cells, answers with seconds."""
    with contextlib.ExitStack() as stack:
        score = jaxnas_scorer(args, stack) if args.worker == "jaxnas" else torch_scorer(args)
        for line in sys.stdin:
            cells = json.loads(line)
            start = time.perf_counter()
            score(cells)
            seconds = time.perf_counter() - start
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            print(json.dumps({"seconds": seconds, "memory": memory}), flush=True)


def jaxnas_scorer(args: Any, stack: contextlib.ExitStack) -> Any:
    import jax

    from jaxnas import data
    from jaxnas.engine.memory import memory_trimmed
    from jaxnas.engine.threads import run_on_workers
    from jaxnas.proxies import catalogue
    from jaxnas.scoring import Settings
    from jaxnas.scoring.programs import ScoringPrograms, scoring_passes
    from jaxnas.spaces import DEFAULT

    settings = Settings(batch_size=args.batch_size)
    asked = catalogue.columns(args.scores)
    names = [name for name in catalogue.names("proxy") if name in asked]
    images = data.load(args.data)
    needed = scoring_passes(names, settings)

    def scorer(device: jax.Device) -> Any:
        programs = ScoringPrograms(needed, settings, images, device)

        def score_one(job: tuple[str, int]) -> Any:
            with jax.enable_x64(True):
                return programs.score(job)

        return score_one

    scorers = [scorer(device) for device in jax.local_devices()]
    progress = stack.enter_context(memory_trimmed(lambda *_: None))  # as `jaxnas score` does

    def score(cells: list[int]) -> None:
        for done, _ in enumerate(
            run_on_workers(scorers, [(DEFAULT.arch(cell), 0) for cell in cells])
        ):
            progress(done, len(cells))

    return score


def torch_scorer(args: Any) -> Any:
    import eager_pytorch as eager
    import torch

    torch.set_num_threads(args.workers)
    layout = eager.LAYOUTS[args.worker.removeprefix("torch-")]
    x, y, num_classes = eager.load_batch(args.data, args.batch_size, 0)
    noises = [torch.randn_like(x) for _ in eager.NOISE_LEVELS]

    def score(cells: list[int]) -> None:
        for cell in cells:
            ops = nb201.cell_ops()[cell]
            if args.scores == "js":
                eager.score_js(ops, x, y, num_classes, layout)
            else:
                eager.score_all(ops, x, y, noises, num_classes, layout)

    return score


def spread(values: Sequence[float]) -> str:
    low, middle, high = np.percentile(values, [25, 50, 75])
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def compare(scores: str, args: Any) -> list[str]:
    """Rows of the table of paired runs for one set of scores."""
    rng = np.random.default_rng(0)
    connected = np.flatnonzero(nb201.is_connected(nb201.cell_ops()))
    functions = np.setdiff1d(
        np.unique(nb201.representatives()), np.flatnonzero(~nb201.is_connected(nb201.cell_ops()))
    )
    cells = rng.choice(connected, args.cells, replace=False).reshape(-1, args.block)
    merged = rng.choice(functions, args.cells, replace=False).reshape(-1, args.block)
    kinds = ("jaxnas", *RIVALS)
    workers = {kind: Worker(kind, scores, args.batch_size, args.workers, args) for kind in kinds}
    # Every operation on every worker once: the first run of each is slower, in either program.
    uniform = [nb201.ops_to_index([op] * 6) for op in range(1, 5) for _ in range(args.workers)]
    for worker in workers.values():
        worker.score([*uniform, *cells[0]])
    seconds: dict[str, list[float]] = {kind: [] for kind in (*kinds, "functions")}
    for block, block_merged in zip(cells, merged, strict=True):
        for kind, worker in workers.items():
            seconds[kind].append(worker.score(block)["seconds"] / args.block)
        seconds["functions"].append(workers["jaxnas"].score(block_merged)["seconds"] / args.block)
    memory = workers["jaxnas"].score([int(cells[0, 0])])["memory"]
    for worker in workers.values():
        worker.close()
    per_function = np.mean(seconds["functions"]) * len(functions)
    rows = []
    for rival in RIVALS:
        ratios = np.divide(seconds[rival], seconds["jaxnas"])
        whole = np.mean(seconds[rival]) * len(connected) / per_function
        rows.append(
            f"| {scores} | {rival} | {np.mean(seconds['jaxnas']):.3f} | "
            f"{np.mean(seconds[rival]):.3f} | {spread(ratios)} | "
            f"{np.sum(seconds[rival]) / np.sum(seconds['jaxnas']):.2f} | {whole:.2f} | "
            f"{per_function / 60:.0f} min | {memory:.0f} |"
        )
        print(rows[-1], flush=True)
    return rows


def growth(args: Any) -> list[str]:
    """Rows of the table of jaxnas' own cost."""
    rng = np.random.default_rng(1)
    connected = np.flatnonzero(nb201.is_connected(nb201.cell_ops()))
    cells = rng.choice(connected, 64, replace=False)
    rows = []
    for batch_size in (16, 32, 64, 128):
        worker = Worker("jaxnas", "js", batch_size, args.workers, args)
        worker.score(cells[:8])
        times = [worker.score(cells[:16])["seconds"] / 16 for _ in range(3)]
        rows.append(f"| batch {batch_size} | {spread([1 / t for t in times])} |")
        worker.close()
    one, several = (Worker("jaxnas", "js", args.batch_size, n, args) for n in (1, args.workers))
    for worker in (one, several):
        worker.score(cells[:8])
    ratios = [
        one.score(block)["seconds"] / several.score(block)["seconds"]
        for block in cells.reshape(4, 16)
    ]
    rows.append(f"| {args.workers} workers, times one worker's rate | {spread(ratios)} |")
    for count in (8, 32, 64):
        rows.append(f"| {count} cells | {count / several.score(cells[:count])['seconds']:.2f} |")
    one.close()
    several.close()
    return rows


def cpu_name() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="an .npz of images, or a data set's name")
    parser.add_argument("--out", help="file for the tables, Markdown")
    parser.add_argument("--cells", type=int, default=64, help="random cells, a multiple of --block")
    parser.add_argument("--block", type=int, default=8, help="cells a program scores in one turn")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="cores to use")
    parser.add_argument("--sets", default="js,all", help="which scores to time")
    parser.add_argument("--no-growth", action="store_true")
    parser.add_argument("--same-allocator", action="store_true")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--scores", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        serve(args)
        return
    import jax
    import torch

    lines = [
        "# Throughput",
        "",
        f"`python benchmarks/throughput.py {' '.join(sys.argv[1:])}`",
        "",
        f"{cpu_name()}, {args.workers} cores; jax {jax.__version__}, torch {torch.__version__}; "
        f"batch {args.batch_size}, float32. {args.cells} random connected cells, each scored on "
        f"its own, in blocks of {args.block} taken in turn. Ratio: median (quartiles) over blocks.",
        "",
        "| scores | rival | jaxnas s/cell | rival s/cell | ratio | ratio of sums | whole space, "
        "equal functions merged | jaxnas, whole space | jaxnas peak MB |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for scores in args.sets.split(","):
        lines += compare(scores, args)
    if not args.no_growth:
        lines += ["", "| js, jaxnas | cells/s |", "|---|---|", *growth(args)]
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        Path(args.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
