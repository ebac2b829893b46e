"""What a run would take, said before anything is compiled."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas import data
from jaxnas.checks import check_path, several_whole
from jaxnas.data import Images
from jaxnas.engine.devices import chosen_devices
from jaxnas.precision import with_float64
from jaxnas.proxies import catalogue
from jaxnas.results import Folder, Request, median_seconds
from jaxnas.results.manifest import MANIFEST_FILE
from jaxnas.scoring.jobs import lacking, networks
from jaxnas.scoring.programs import ScoringPass, scoring_passes
from jaxnas.scoring.run import check_images, chosen_settings
from jaxnas.scoring.settings import Settings
from jaxnas.scoring.tables import recorded_names
from jaxnas.spaces import Space, select
from jaxnas.spaces.selection import Selection

# Multiply-adds a second of one CPU core in a backward pass of NAS-Bench-201's network at 16
# channels (benchmarks/results/throughput.md: js, batch 64, .166 s a cell on two cores).
_CPU_RATE = 3.3e10
# A backward pass is the work of about three forward passes.
_FORWARD_PASSES = 3


@dataclass(frozen=True)
class Plan:
    """What a run would take.

    Attributes:
        architectures: number of architectures asked for.
        rows: rows of the table, one for each architecture and seed.
        networks: networks left to score.
        passes: backward passes through a batch that each takes.
        devices: number of devices that would score.
        seconds: about how long, compilation left out; None where nothing was measured.
        basis: what `seconds` rests on, in words.
        memory: bytes that a pass needs on each device, about: parameters, their gradients, and
            what the forward pass keeps for the backward pass.
    """

    architectures: int
    rows: int
    networks: int
    passes: int
    devices: int
    seconds: float | None
    basis: str
    memory: int


def plan(
    cells: Selection = "all",
    proxies: str | Sequence[str] = "all",
    *,
    space: str | Space | None = None,
    dataset: Images | str | os.PathLike[str] = "digits",
    seeds: Iterable[int] = (0,),
    settings: Settings | None = None,
    out: str | os.PathLike[str] | None = None,
    devices: Sequence[jax.Device] | None = None,
    **options: Any,
) -> Plan:
    """Says what `jaxnas.score` with these arguments would take; compiles and writes nothing.

    The network is traced, not compiled, to see what its backward pass keeps. Arguments as
    `jaxnas.score`'s.

    Raises:
        ValueError: as `jaxnas.score`.
    """
    chosen = chosen_settings(settings, space, options)
    numbers = several_whole("seeds", seeds)
    local = chosen_devices(devices)
    folder = None if out is None else check_path("out", out)
    archs = select(cells, chosen.find_space(), numbers[0])
    request = Request(archs, numbers, catalogue.columns(proxies))
    images = dataset if isinstance(dataset, Images) else data.load(dataset)
    check_images(images, chosen, request.seeds)
    wanted = [name for name in recorded_names() if name in request.columns]
    known = {}
    if folder is not None and (folder / MANIFEST_FILE).is_file():
        with Folder.load(folder) as run:
            known = run.known()
    scored = networks(request.archs, chosen.find_space(), merge=chosen.merge)
    jobs = [job for some in lacking(request, scored, wanted, known).values() for job in some]
    needed = scoring_passes(wanted, chosen)
    passes = sum(_passes(one, chosen.batch_size) for one in needed)
    seconds, basis = _seconds(jobs, needed, passes, chosen, images, folder, local)
    return Plan(
        len(archs),
        len(archs) * len(request.seeds),
        len(jobs),
        passes,
        len(local),
        seconds,
        basis,
        max((_memory(one, chosen, images) for one in needed), default=0),
    )


def _passes(one: ScoringPass, batch_size: int) -> int:
    """Backward passes of a whole batch; with batch statistics one for each example's gradient."""
    return batch_size if one.by_example and one.bn == "batch" else 1


def _seconds(
    jobs: Sequence[tuple[str, int]],
    needed: Sequence[ScoringPass],
    passes: int,
    settings: Settings,
    images: Images,
    folder: Path | None,
    devices: Sequence[jax.Device],
) -> tuple[float | None, str]:
    if not jobs:
        return 0.0, "nothing is left to score"
    workers = min(len(devices), len(jobs))
    measured = {} if folder is None else median_seconds(folder, {})
    firsts = [one.group.proxies[0].name for one in needed]
    if all(name in measured for name in firsts):
        each = sum(measured[name] for name in firsts)
        return each * len(jobs) / workers, "the median of the networks that the folder has"
    if devices[0].platform != "cpu":
        return None, f"no estimate for {devices[0].device_kind}: score a few networks, plan again"
    side = int(images.x_train.shape[1])
    archs = [arch for arch, _ in jobs]
    counts = settings.find_space().counts(archs, settings.sizes, images.num_classes, side)
    work = _FORWARD_PASSES * passes * settings.batch_size * float(np.sum(counts.flops))
    return work / _CPU_RATE / workers, "multiply-adds at the rate of one core of a common CPU"


@with_float64
def _memory(one: ScoringPass, settings: Settings, images: Images) -> int:
    """Bytes of parameters, gradients and of what the forward pass keeps, by tracing alone."""
    side = int(images.x_train.shape[1])
    network = settings.network(images.num_classes, side, one.bn)
    arch = settings.find_space().draw(1, 0)[0]
    code = network.code(arch)
    params = network.initial(jax.devices("cpu")[0])(0, 0, code)
    x = jax.ShapeDtypeStruct((settings.batch_size, side, side, 3), settings.jax_dtype)

    def keeps(params: Any, x: Any) -> Any:
        return jax.vjp(lambda p, x: network.apply(p, x, jnp.asarray(code)), params, x)

    def size(tree: Any) -> int:
        return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))

    of_params = size(params)
    gradients = of_params * (settings.batch_size if one.by_example else 1)
    return of_params + gradients + size(jax.eval_shape(keeps, params, x))
