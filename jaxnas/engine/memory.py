"""Gives back memory that a run has no more use for.

With the allocator settings of `jaxnas.engine.environment` the heap stays as large as it ever was: a
compilation frees most of a gigabyte in small pieces, and the first networks leave holes of hundreds
of MB that no later one fills. Once the pages are given back, they are not asked for again.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Callable, Iterator
from typing import Any

# JAX records it whenever a program was compiled or read from the cache.
COMPILED = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def memory_trimmed(progress: Callable[[int, int], None]) -> Iterator[Callable[[int, int], None]]:
    """Within, glibc's `malloc_trim` follows each compilation and some networks.

    Those are the first, second, fourth, eighth and so on: the holes come early, and a trim costs
    as many page faults as the next network needs pages. Nothing changes without glibc.

    Args:
        progress: called by a run with the networks done and to do.

    Yields:
        What the run is to call in its place.
    """
    from jax import monitoring

    if platform.libc_ver()[0] != "glibc":
        yield progress
        return
    libc = ctypes.CDLL(None)
    calls = 0

    def compiled(event: str, *_: Any, **__: Any) -> None:
        if event == COMPILED:
            libc.malloc_trim(0)

    def progressed(done: int, total: int) -> None:
        nonlocal calls
        calls += 1
        if calls.bit_count() == 1:
            libc.malloc_trim(0)
        progress(done, total)

    monitoring.register_event_duration_secs_listener(compiled)
    try:
        yield progressed
    finally:
        monitoring.unregister_event_duration_listener(compiled)
