"""`jaxnas top` and `jaxnas proxies`: what is in a folder, and what there is to ask for."""

from __future__ import annotations

from pathlib import Path

import click

from jaxnas.cli import options

# Title of each paper by the name that the catalogue has for it.
PAPERS = {
    "GT-NAS": "A Gradient-based Kernel Approach for Efficient Network Architecture Search",
    "parameters scoring": "Improving Zero-shot Neural Architecture Search with Parameters Scoring",
    "NAS-Bench-201": "Extending the Scope of Reproducible Neural Architecture Search",
}

# Meaning of the scores that are no proxies: counts of the cell, and those derived from the table.
COUNT_MEANINGS = {
    "params": "trainable parameters of the cell as written",
    "flops": "multiply-adds of the cell as written, one image",
}
DERIVED_MEANINGS = {
    "sns": "1 - |js - js_n0.1|, js rescaled over the table: small noise",
    "snsc": "1 - |jsc - jsc_n0.1|: small noise",
    "lns": "1 - |js - js_n10|, js rescaled over the table: large noise",
    "lnsc": "1 - |jsc - jsc_n10|: large noise",
    "mnjs": "js times the noise scores at 0.1, 10 and 100, js rescaled over the table",
    "mnjsc": "jsc times the noise scores at 0.1, 10 and 100",
}


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--by", metavar="PROXY", help="Score to rank by.  [default: pjs, js, ...]")
@click.option("-k", "k", type=click.IntRange(min=1), default=10, show_default=True, help="Cells.")
@click.option("--seed", type=int, help="Scores of this seed alone, not the mean over seeds.")
@options.noise_range
def top(
    folder: Path, by: str | None, k: int, seed: int | None, noise_range: options.NoiseRange
) -> None:
    """Prints the best cells of DIR, one per function; works while the run goes on."""
    from jaxnas.cli.terminal.tables import print_top
    from jaxnas.results import ranking
    from jaxnas.scoring.run import columns, read_table

    if by is not None:
        columns(by)  # raises where there is no such score
    table = read_table(folder, noise_range)
    names = ranking.scores_of(table)
    if by is not None and by not in names:
        raise ValueError(f"{folder} has no scores {by}: it has {', '.join(names)}")
    if seed is not None:
        table = ranking.with_seed(table, seed)
    print_top(table, by or ranking.default_score(table), k)


@click.command()
def proxies() -> None:
    """Lists every score with its meaning and its paper."""
    from jaxnas.cli.terminal.tables import print_table
    from jaxnas.proxies.catalogue import CATALOGUE
    from jaxnas.scoring.run import ALL, COLUMNS

    rows = {name: (meaning, "NAS-Bench-201") for name, meaning in COUNT_MEANINGS.items()}
    rows |= {name: (entry.meaning, entry.paper) for name, entry in CATALOGUE.items()}
    rows |= {name: (meaning, "parameters scoring") for name, meaning in DERIVED_MEANINGS.items()}
    print_table(
        ["score", "meaning", "paper", "in all"],
        [(name, *rows[name], "yes" if name in ALL else "") for name in COLUMNS],
    )
    click.echo()
    for name, title in PAPERS.items():
        click.echo(f"{name}: {title}")
