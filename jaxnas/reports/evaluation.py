"""What an evaluation finds, as two tables: how scores agree with accuracy, and what they pick."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from jaxnas.evaluation import Evaluation, Protocol
from jaxnas.evaluation.picking import PROTOCOLS
from jaxnas.reports.report import Column, Report, Row

_SIGNS = {"monotonicity": "|τa|", "kendall": "τb", "spearman": "ρ"}
_AMONG = {"all": "all", "above_median": ">med", "top_10_percent": "top"}
_SLOPE_ON = {"log(1 - score)": "log(1−s)", "standardised score": "z"}


def agreement(evaluation: Evaluation, what: str) -> Report:
    """How well each score ranks the architectures.

    Args:
        evaluation: from `jaxnas.evaluation.evaluate`.
        what: which accuracy, as "CIFAR-10 test accuracy after 200 epochs (%)".
    """
    measures = [
        Column(f"{sign} {shown}", partial(_measure, f"{name}_{among}"), right=True)
        for name, sign in _SIGNS.items()
        for among, shown in _AMONG.items()
    ]
    return Report(
        rows=_rows(evaluation),
        columns=[
            Column("score", _label),
            Column("seeds", lambda row: str(row["seeds"]), right=True),
            Column("missing", lambda row: f"{row['missing']:,}", right=True),
            *measures,
        ],
        title=(
            f"{what}: {len(evaluation.archs):,} cells, {evaluation.functions:,} functions, "
            f"{evaluation.disconnected:,} cells disconnected"
        ),
        notes=(
            "rank correlation over all cells with a score (all), above the median score (>med), in "
            "the top 10 % by accuracy (top)",
            _of_missing(evaluation),
        ),
    )


def choice(evaluation: Evaluation) -> Report:
    """How sure the ranking is, and how good the cells are that each score picks.

    Args:
        evaluation: from `jaxnas.evaluation.evaluate`.
    """
    best = evaluation.best
    cell = evaluation.archs[best] if evaluation.cells is None else evaluation.cells[best]
    return Report(
        rows=_rows(evaluation),
        columns=[
            Column("score", _label),
            Column("τb all", partial(_interval, "kendall_all"), right=True),
            Column("σ of seeds", partial(_measure, "kendall_all_seed_std"), right=True),
            Column(
                "less params'", partial(_interval, "kendall_all_minus_params", sign="+"), right=True
            ),
            Column("slope all", partial(_measure, "slope_all", kind="g"), right=True),
            Column(">med", partial(_measure, "slope_above_median", kind="g"), right=True),
            Column("on", lambda row: _SLOPE_ON.get(row["slope_on"], "both")),
            Column(
                "best cell at %", partial(_measure, "best_cell_percentile", digits=1), right=True
            ),
            *(_picked(protocol) for protocol in PROTOCOLS),
            Column("s/cell", partial(_measure, "seconds_per_cell"), right=True),
        ],
        notes=(
            "[95 % interval, functions resampled]",
            "R×N: accuracy of the top-scored function of N cells drawn at random, mean ± standard "
            f"deviation over R runs; the best cell, {cell}, has {evaluation.accuracy[best]:.2f}",
        ),
    )


def _rows(evaluation: Evaluation) -> Sequence[Row]:
    return [
        {"label": label, **row}
        for label, row in zip(evaluation.labels, evaluation.table.to_pylist(), strict=True)
    ]


def _of_missing(evaluation: Evaluation) -> str:
    if not any(evaluation.table["missing"].to_pylist()):
        return "every cell has every score"
    return (
        "missing: cells whose score is NaN or infinite (disconnected, or failed) or, of a "
        "combination, without a rank, counted for each seed; they are in no correlation, slope or "
        "rank of that score, and it never picks them"
    )


def _label(row: Row) -> str:
    return str(row["label"])


def _picked(protocol: Protocol) -> Column:
    return Column(f"{protocol.runs}×{protocol.cells}", partial(_spread, protocol.name), right=True)


def _measure(name: str, row: Row, digits: int = 3, kind: str = "f") -> str:
    return number(row[name], digits, kind)


def _interval(name: str, row: Row, sign: str = "") -> str:
    value, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    if math.isnan(value):
        return ""
    shown = [number(x, sign=sign) for x in (value, low, high)]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _spread(name: str, row: Row) -> str:
    value, std = row[name], row[f"{name}_std"]
    if math.isnan(value):
        return ""
    return f"{value:.2f}" + ("" if math.isnan(std) else f"±{std:.2f}")


def number(value: Any, digits: int = 3, kind: str = "f", sign: str = "") -> str:
    """A number with a minus that is one; nothing for NaN."""
    return "" if math.isnan(value) else f"{value:{sign}.{digits}{kind}}".replace("-", "−")
