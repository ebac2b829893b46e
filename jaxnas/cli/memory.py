"""Gives back the memory that a compilation leaves behind.

With the allocator settings of `jaxnas.cli.process` the heap stays as large as it ever was. A
compilation frees most of a gigabyte in small pieces, which no cell has a use for.
"""

from __future__ import annotations

import contextlib
import ctypes
import platform
from collections.abc import Iterator
from typing import Any

# JAX records it whenever a program was compiled or read from the cache.
COMPILED = "/jax/core/compile/backend_compile_duration"


@contextlib.contextmanager
def trimmed_after_compilations() -> Iterator[None]:
    """Within, each compilation ends with glibc's `malloc_trim`; nothing changes without glibc."""
    from jax import monitoring

    if platform.libc_ver()[0] != "glibc":
        yield
        return
    libc = ctypes.CDLL(None)

    def compiled(event: str, *_: Any, **__: Any) -> None:
        if event == COMPILED:
            libc.malloc_trim(0)

    monitoring.register_event_duration_secs_listener(compiled)
    try:
        yield
    finally:
        monitoring.unregister_event_duration_listener(compiled)
