"""What there is to ask for: scores, and search spaces."""

from __future__ import annotations

from jaxnas.proxies import catalogue
from jaxnas.references import REFERENCES
from jaxnas.reports.report import Column, Report
from jaxnas.spaces import DEFAULT, SPACES


def scores() -> Report:
    """Every score with its meaning, its source and its cost."""
    rows = [
        {
            "score": entry.name,
            "kind": entry.kind,
            "family": entry.family,
            "meaning": entry.meaning,
            "equation": entry.equation,
            "reference": REFERENCES[entry.reference].short,
            "place": entry.place,
            "bn": entry.bn,
            "cost": entry.cost,
            "in_all": entry.in_all,
        }
        for entry in catalogue.CATALOGUE
    ]
    columns = [
        Column("score", lambda row: row["score"]),
        Column("kind", lambda row: row["kind"]),
        Column("meaning", lambda row: row["meaning"]),
        Column("reference", lambda row: row["reference"]),
        Column("batch norm", lambda row: row["bn"] or ""),
        Column("cost", lambda row: row["cost"]),
        Column("in all", lambda row: "yes" if row["in_all"] else ""),
    ]
    keys = dict.fromkeys(entry.reference for entry in catalogue.CATALOGUE)
    notes = [
        "",
        "kind: a proxy is computed from a network, a count from the architecture, a derived score "
        "from other columns of the table",
        "batch norm: by which statistics a network normalises, unless --bn says otherwise",
        "a score can be ranked together with others, as js+params",
        "",
        *(f"{REFERENCES[key].short}: {REFERENCES[key].title}" for key in keys),
    ]
    return Report(rows, columns, notes=notes)


def spaces() -> Report:
    """Every search space with its size, its notation and the size of its networks."""
    rows = [
        {
            "space": name,
            "title": space.title,
            "reference": REFERENCES[space.reference].short,
            "size": space.size,
            "indexed": space.indexed,
            "inputs": space.inputs,
            "channels": space.sizes.channels,
            "depth": space.sizes.depth,
            "depth_means": space.depth_means,
            "notation": space.notation,
            "published": " ".join(space.published),
        }
        for name, space in SPACES.items()
    ]
    columns = [
        Column("space", lambda row: row["space"]),
        Column("title", lambda row: row["title"]),
        Column("architectures", lambda row: _size(row["size"]), right=True),
        Column("networks by default", lambda row: f"{row['channels']} channels, depth "
               f"{row['depth']}"),
        Column("input", lambda row: row["inputs"]),
        Column("an architecture is written as", lambda row: row["notation"]),
    ]  # fmt: skip
    notes = [
        "",
        *(f"{name}: depth counts {space.depth_means}" for name, space in SPACES.items()),
        *(
            f"{name}: {', '.join(space.published)} are published architectures"
            for name, space in SPACES.items()
            if space.published
        ),
        f"--space {DEFAULT.name} is the default",
    ]
    return Report(rows, columns, notes=notes)


def _size(count: int) -> str:
    """A number of architectures, in full while it can be read."""
    return f"{count:,}" if count < 10**9 else f"{count:.2g}"
