"""Which networks a request needs, and which of them are left to score; no JAX."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from jaxnas.results import Request
from jaxnas.spaces import Space

Job = tuple[str, int]
"""(arch, seed)."""


def networks(archs: Sequence[str], space: Space, *, merge: bool) -> list[str]:
    """Architectures that have to be scored for a table: connected ones, equal ones once."""
    connected = space.connected(archs)
    chosen = [arch for arch, is_connected in zip(archs, connected, strict=True) if is_connected]
    return list(dict.fromkeys(space.functions(chosen) if merge else chosen))


def lacking(
    request: Request,
    archs: Sequence[str],
    wanted: Collection[str],
    known: Mapping[Job, set[str]],
) -> dict[frozenset[str], list[Job]]:
    """Networks to score, those that lack the same scores together.

    Args:
        request: what is asked for.
        archs: of the networks, from `networks`.
        wanted: scores that are recorded, of those asked for.
        known: scores that there are already.
    """
    found: dict[frozenset[str], list[Job]] = {}
    for seed in request.seeds:
        for arch in archs:
            lacks = frozenset(wanted) - known.get((arch, seed), set())
            if lacks:
                found.setdefault(lacks, []).append((arch, seed))
    return found
