"""Which run something is of: its settings as JSON, compared name by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from jaxnas.checks import one_line, quoted, shortened
from jaxnas.results.files import ResultsError

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"


def canonical(value: JSON) -> str:
    """The one JSON text of a value: sorted keys, no spaces; 1, 1.0 and true are different.

    Raises:
        ResultsError: if the value has no JSON text.
    """
    try:
        return json.dumps(
            value, sort_keys=True, separators=(",", ":"), allow_nan=False, default=_mapping
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"Settings and sessions: expected finite numbers, texts, booleans, lists and mappings, "
            f"got {quoted(value)} ({one_line(error)})."
        ) from error


def plain_json(value: Mapping[str, JSON]) -> dict[str, JSON]:
    """A copy as JSON would read it back: tuples become lists."""
    copy: dict[str, JSON] = json.loads(canonical(value))
    return copy


def differences(
    a: Mapping[str, JSON], b: Mapping[str, JSON]
) -> list[tuple[str, str | None, str | None]]:
    """How two settings differ.

    Returns:
        Name, JSON text in a and JSON text in b of each value that differs, None where there is
        none; empty if the settings are equal. Nested names are joined by dots.
    """
    leaves_a, leaves_b = _leaves(plain_json(a)), _leaves(plain_json(b))
    return [
        (".".join(name), leaves_a.get(name), leaves_b.get(name))
        for name in sorted(leaves_a.keys() | leaves_b.keys())
        if leaves_a.get(name) != leaves_b.get(name)
    ]


def phrases(values: Iterable[tuple[str, str | None]]) -> str:
    """Names and JSON texts as a message shows them: ``batch_size 64, no bn``."""
    return ", ".join(
        f"no {shortened(name)}" if text is None else f"{shortened(name)} {shortened(text)}"
        for name, text in values
    )


def check_run(
    stored: Any,
    run: Mapping[str, JSON],
    upgrade: Callable[[Mapping[str, Any]], Mapping[str, Any]] = dict,
) -> None:
    """Refuses what says that it is of another run.

    Args:
        stored: settings of the run that it says it is of; None where it does not say.
        run: settings of this run.
        upgrade: as of `claim_folder`.

    Raises:
        ValueError: it is of another; the message is what was got.
    """
    if stored is None:
        return
    if not isinstance(stored, Mapping):
        raise ValueError(f"one of a run {quoted(stored)}")
    different = differences(upgrade(stored), upgrade(run))
    if different:
        there = phrases((name, text) for name, text, _ in different)
        here = phrases((name, text) for name, _, text in different)
        raise ValueError(f"that of a run with {there}, where this run has {here}")


def _mapping(value: object) -> dict[Any, Any]:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _leaves(value: JSON, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Path of each value that is not itself a mapping with entries → its JSON text."""
    if not isinstance(value, Mapping) or (path and not value):
        return {path: canonical(value)}
    return {
        name: text
        for key, inner in value.items()
        for name, text in _leaves(inner, (*path, key)).items()
    }
