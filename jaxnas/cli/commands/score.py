"""`jaxnas score`: the main job."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jaxnas.cli import options
from jaxnas.engine.environment import Start
from jaxnas.spaces import selection

if TYPE_CHECKING:
    import jax

BN = ("paper", "batch", "example", "frozen")
INIT = ("pytorch", "he", "xavier")
DTYPE = ("float32", "float64")
WEIGHTS = ("independent", "shared")

_COUNT = click.IntRange(min=1)
_PATH = click.Path(path_type=Path)


@click.command(context_settings={"show_default": True})
@click.option(
    "--cells",
    default="random:64",
    metavar="SPEC",
    help="all; START:STOP; random:N, drawn by the first seed; an arch string; comma-separated "
    "indices; @FILE with one index or arch string a line.",
)
@click.option(
    "--proxies", default="all", metavar="LIST", help="Comma-separated; `jaxnas proxies` lists them."
)
@click.option(
    "--dataset",
    default="digits",
    metavar="NAME_OR_NPZ",
    help="digits, cifar10, cifar100, imagenet16-120, or an .npz with x_train and y_train.",
)
@click.option("--batch-size", type=click.IntRange(min=2), default=64, help="Examples in the batch.")
@click.option("--seeds", default="0", metavar="S[,S...]", help="Each fixes batch, weights, noise.")
@click.option("--out", type=_PATH, help="Folder of the results.  [default: runs/nb201-DATASET]")
@click.option(
    "--bn",
    type=click.Choice(BN),
    default="paper",
    help="Batch normalisation; paper: as each proxy's paper has it.",
)
@click.option("--init", type=click.Choice(INIT), default="pytorch", help="Initialisation.")
@click.option("--dtype", type=click.Choice(DTYPE), default="float32", help="Of the networks.")
@click.option(
    "--merge/--no-merge", default=True, help="Score functionally equal cells once, or each cell."
)
@click.option(
    "--weights",
    type=click.Choice(WEIGHTS),
    default="independent",
    help="independent: each cell draws its own; shared: a seed draws the same for all.",
)
@click.option("--stem-channels", type=_COUNT, default=16, help="Channels of the first stage.")
@click.option("--cells-per-stage", type=_COUNT, default=5, help="Cells in each of three stages.")
@options.several(options.noise_range, *options.MACHINE)
@click.pass_obj
def score(
    start: Start | None,
    /,
    *,
    cells: str,
    proxies: str,
    dataset: str,
    seeds: str,
    out: Path | None,
    devices: int | None,
    noise_range: options.NoiseRange,
    data_dir: Path | None,
    cache_dir: Path | None,
    no_cache: bool,
    **settings: Any,
) -> None:
    """Scores cells of NAS-Bench-201 before any training.

    Stopped at any moment, the same command goes on from there. The same folder asked for more
    cells, seeds or proxies scores what is missing. It ends with the table DIR/scores.parquet, the
    picture DIR/scores.png, and the best cells on the screen.
    """
    chosen_seeds = selection.parse_seeds(seeds)
    chosen_cells = selection.parse_cells(cells, chosen_seeds[0])
    names = selection.parse_proxies(proxies)
    folder = out or default_folder(dataset)
    options.refuse_files(folder, cache_dir)
    if start:
        start(devices)

    from jaxnas import data
    from jaxnas.cli.finishing import finish
    from jaxnas.cli.terminal.progress import RunProgress
    from jaxnas.engine.memory import memory_trimmed
    from jaxnas.scoring import run as scoring
    from jaxnas.scoring.settings import Settings

    scoring.columns(names)
    checked = Settings(**settings)
    images = data.load(dataset, data_dir=data_dir)
    scoring.check_images(images, checked, chosen_seeds)
    if not no_cache:
        keep_compiled_programs(cache_dir)
    chosen_devices = local_devices(devices)
    with (
        memory_errors(),
        RunProgress(describe(chosen_devices)) as bar,
        memory_trimmed(bar) as progress,
    ):
        table = scoring.score(
            chosen_cells,
            names,
            dataset=images,
            seeds=chosen_seeds,
            settings=checked,
            out=folder,
            devices=chosen_devices,
            noise_range=noise_range,
            progress=progress,
        )
    finish(table, folder, images.name)


def default_folder(dataset: str) -> Path:
    """Where results go if the user does not say."""
    return Path("runs") / f"nb201-{Path(dataset).stem}"


def local_devices(most: int | None) -> list[jax.Device]:
    """The first devices of this machine, all if `most` is None."""
    import jax

    return list(jax.local_devices()[:most])


def describe(devices: list[jax.Device]) -> str:
    """Devices in words: "2 devices (cpu)"."""
    plural = "s" if len(devices) > 1 else ""
    return f"{len(devices)} device{plural} ({devices[0].device_kind})"


@contextlib.contextmanager
def memory_errors(batch_size: str = "--batch-size") -> Iterator[None]:
    """Turns XLA's report that a device's memory is too small into a sentence.

    Args:
        batch_size: the option by which it can be made to do.
    """
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(
            f"a device's memory is too small: ask for a smaller {batch_size} or fewer --devices; "
            f"what was done is kept ({error})"
        ) from error


def keep_compiled_programs(folder: Path | None) -> None:
    """Makes JAX keep what it compiles, so that the next run starts at once.

    Args:
        folder: by default JAX_COMPILATION_CACHE_DIR where that is set, else in the user's cache.
    """
    import jax
    import pooch  # type: ignore[import-untyped]

    if folder is None and os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    chosen = folder or Path(pooch.os_cache("jaxnas")) / "xla"
    jax.config.update("jax_compilation_cache_dir", str(chosen))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)  # type: ignore[no-untyped-call]
