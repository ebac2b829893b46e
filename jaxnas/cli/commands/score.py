"""`jaxnas score`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jaxnas import checks
from jaxnas.cli import options
from jaxnas.engine.environment import Start
from jaxnas.scoring.settings import Settings
from jaxnas.spaces import SPACES, selection


def _size(field: str) -> str:
    """A default size of each space, as "16 for nb201"."""
    return ", ".join(f"{getattr(space.sizes, field)} for {name}" for name, space in SPACES.items())


@click.command()
@options.space
@options.cells("random:64")
@click.option(
    "--proxies",
    default="all",
    show_default=True,
    metavar="LIST",
    help="Scores, separated by commas; `jaxnas proxies` lists them.",
)
@options.images()
@options.seeds("each fixes batch, initial weights and noise.")
@options.out("Folder of the results.  [default: runs/SPACE-DATASET]")
@options.of_fields(
    Settings,
    {
        "batch_size": "Images in the batch.",
        "channels": "Channels of the first stage or cell.",
        "depth": "Cells, counted as `jaxnas spaces` says.",
        "bn": "Batch normalisation; paper: as each score's publication has it.",
        "init": "Initialisation of the networks.",
        "dtype": "Number format of the networks.",
        "merge": "Score functionally equal architectures once, or each of them.",
        "weights": "independent: each architecture draws its own; shared: a seed draws the same "
        "for all.",
    },
    {name: _size(name) for name in ("channels", "depth")},
)
@options.noise_range
@click.option(
    "--plan",
    is_flag=True,
    help="Compute nothing; say how many networks would be scored, about how long it would take, "
    "and how much memory.",
)
@options.machine
@click.pass_obj
def score(
    start: Start | None,
    /,
    *,
    space: str,
    cells: str,
    proxies: str,
    dataset: str,
    seeds: str,
    out: Path | None,
    noise_range: options.NoiseRange,
    plan: bool,
    machine: options.Machine,
    **settings: Any,
) -> None:
    """Scores architectures before any training.

    If it is interrupted, run the same command again: it goes on from there. The same folder asked
    for more architectures, seeds or scores computes what is missing. It ends with the table
    DIR/scores.parquet, the picture DIR/scores.png, and the best architectures on the screen.
    """
    from jaxnas.proxies.catalogue import columns

    checked = Settings(space=space, **options.given(settings))
    chosen_seeds = selection.select_seeds(seeds)
    archs = selection.select(cells, SPACES[space], chosen_seeds[0])
    names = columns(parse_proxies(proxies))
    folder = out or Path("runs") / f"{space}-{Path(dataset).stem}"
    options.check_folders(folder)
    machine.ready(start)

    from jaxnas import data, scoring
    from jaxnas.cli.terminal.progress import RunProgress
    from jaxnas.cli.terminal.scored import finish
    from jaxnas.cli.terminal.tables import show
    from jaxnas.engine.devices import describe, memory_errors
    from jaxnas.engine.memory import memory_trimmed
    from jaxnas.reports import scores as reports
    from jaxnas.scoring.run import check_images

    images = data.load(dataset, data_dir=machine.data_dir)
    check_images(images, checked, chosen_seeds)
    request: dict[str, Any] = {
        "dataset": images,
        "seeds": chosen_seeds,
        "settings": checked,
        "out": folder,
        "devices": machine.local_devices(),
    }
    if plan:
        show(reports.plan(scoring.plan(archs, names, **request)))
        return
    with (
        memory_errors(options.SMALLER_BATCH),
        RunProgress(describe(request["devices"])) as shown,
        memory_trimmed(shown) as progress,
    ):
        table = scoring.score(archs, names, noise_range=noise_range, progress=progress, **request)
    finish(table, folder, images.name)


def parse_proxies(text: str) -> tuple[str, ...]:
    """Names of scores separated by commas, without repetitions, in their order.

    Raises:
        ValueError: a name is empty.
    """
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise ValueError(
            f"proxies {checks.quoted(text)}: expected names separated by commas, got an empty "
            "name; `jaxnas proxies` lists them"
        )
    return tuple(dict.fromkeys(names))
