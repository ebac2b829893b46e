"""Seconds of a training step of the DARTS supernet, jaxnas against eager PyTorch, side by side.

A step is the loss and its gradients by the weights, with softmax weights on all operations (the
mixture), and for jaxnas also with one sampled operation an edge. Both programs are long-lived
processes on the same machine, warmed up, that take turns; the ratio of neighbouring steps is what
is reported. PyTorch builds its kernels in its first step, jaxnas compiles: both are reported apart.

    pip install -e ".[benchmark]"
    python benchmarks/supernet_step.py --out benchmarks/results/supernet_step.md
"""

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from program import Program
from throughput import cpu_name, spread

KINDS = ("mixture", "sampled", "torch-nhwc", "torch-nchw")


def batch(size: int) -> tuple[Any, Any]:
    """Images [B, 32, 32, 3] of noise and labels: time does not depend on what they show."""
    rng = np.random.default_rng(0)
    return rng.standard_normal((size, 32, 32, 3)).astype(np.float32), rng.integers(0, 10, size)


def jaxnas_step(sampled: bool, args: Any) -> Callable[[], None]:
    import jax
    import jax.numpy as jnp
    import optax

    from jaxnas.networks.darts import PerKind, SupernetModule

    net = SupernetModule(channels=args.channels, depth=args.cells)
    x, y = (jnp.asarray(a) for a in batch(args.batch_size))
    weights = PerKind(*(jnp.full((14, 8), 1 / 8) for _ in range(2)))
    ops = np.random.default_rng(1).integers(0, 8, (64, 2, 14))

    def loss(params: Any, ops: Any) -> Any:
        logits = net.apply({"params": params}, x, weights, ops)
        return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()

    first = PerKind(*jnp.asarray(ops[0])) if sampled else None
    params = jax.jit(net.init)(jax.random.key(0), x, weights, first)["params"]
    step = jax.jit(jax.value_and_grad(loss))
    turn = iter(np.tile(ops, (1000, 1, 1)))

    def run() -> None:
        jax.block_until_ready(step(params, PerKind(*jnp.asarray(next(turn))) if sampled else None))

    return run


def torch_step(layout: str, args: Any) -> Callable[[], None]:
    import eager_supernet as eager
    import torch

    torch.set_num_threads(args.threads)
    net = eager.Supernet(channels=args.channels, cells=args.cells)
    net.to(memory_format=eager.LAYOUTS[layout])
    images, labels = batch(args.batch_size)
    x = torch.from_numpy(images).permute(0, 3, 1, 2)
    x = x.contiguous(memory_format=eager.LAYOUTS[layout])
    y, weights = torch.from_numpy(labels), torch.full((14, 8), 1 / 8)

    def run() -> None:
        eager.train_step(net, x, y, weights, weights)

    return run


def serve(args: Any) -> None:
    """The worker: a step for each line read, answered with its seconds."""
    kind = args.worker
    if kind.startswith("torch-"):
        run = torch_step(kind.removeprefix("torch-"), args)
    else:
        run = jaxnas_step(kind == "sampled", args)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps({"seconds": seconds, "memory": memory}), flush=True)


def program(kind: str, args: Any) -> Program:
    """One that takes a step whenever it is asked."""
    env = dict(os.environ)
    if not kind.startswith("torch-"):
        from jaxnas.engine import environment as process

        env["GLIBC_TUNABLES"] = process.glibc_tunables(env.get("GLIBC_TUNABLES", ""))
    names = ("batch_size", "channels", "cells", "threads")
    options = {name.replace("_", "-"): getattr(args, name) for name in names}
    return Program(__file__, kind, options, env)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", help="file for the table, Markdown")
    parser.add_argument("--kinds", default=",".join(KINDS), help="programs, the first the measure")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--channels", type=int, default=16)
    parser.add_argument("--cells", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        serve(args)
        return
    workers = {kind: program(kind, args) for kind in args.kinds.split(",")}
    first = {kind: worker.ask()["seconds"] for kind, worker in workers.items()}
    rows = [{kind: worker.ask() for kind, worker in workers.items()} for _ in range(args.steps)]
    for worker in workers.values():
        worker.close()
    measure = next(iter(workers))
    lines = [
        "# A training step of the DARTS supernet",
        "",
        f"`python benchmarks/supernet_step.py {' '.join(sys.argv[1:])}`",
        "",
        f"{cpu_name()}, {args.threads} threads; {args.cells} cells, {args.channels} channels, "
        f"batch {args.batch_size}, float32; {args.steps} steps in turn, median (quartiles).",
        "",
        f"| program | first step s | step s | times {measure} | peak GB |",
        "|---|---|---|---|---|",
    ]
    for kind in workers:
        seconds = [row[kind]["seconds"] for row in rows]
        ratios = [row[kind]["seconds"] / row[measure]["seconds"] for row in rows]
        lines.append(
            f"| {kind} | {first[kind]:.1f} | {spread(seconds)} | {spread(ratios)} | "
            f"{rows[-1][kind]['memory']:.1f} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if args.out:
        Path(args.out).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
