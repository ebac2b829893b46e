"""Gives back the memory that a compilation leaves behind.

With the allocator settings of `jaxnas.cli.process` what is freed stays with the process, for the
next cell. What a compilation frees, about a gigabyte a device, is of no use to a cell: it lies in
pieces, and a cell's temporaries are one block of hundreds of megabytes.
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from typing import Any

# JAX records it whenever a program was compiled or read from the cache.
COMPILED = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def trimmed_after_compilations() -> Iterator[None]:
    """Within, each compilation ends with glibc's `malloc_trim`; nothing changes without glibc."""
    from jax import monitoring

    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        yield
        return

    def compiled(event: str, *_: Any, **__: Any) -> None:
        if event == COMPILED:
            trim(0)

    monitoring.register_event_duration_secs_listener(compiled)
    try:
        yield
    finally:
        monitoring.unregister_event_duration_listener(compiled)
