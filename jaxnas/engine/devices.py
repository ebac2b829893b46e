"""The devices of this machine: which are used, what they are called, what they keep and lack."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from jaxnas.checks import checked, quoted, ranges

if TYPE_CHECKING:
    import jax


def local_devices(most: int | None = None) -> list[jax.Device]:
    """The first devices of this machine, at most so many; all of them for None.

    Raises:
        ValueError: fewer than one is asked for.
    """
    import jax

    return list(jax.local_devices()[: checked("devices", most, ranges.Count | None)])


def chosen_devices(devices: Sequence[jax.Device] | None) -> list[jax.Device]:
    """The devices given, each once; all of this machine for None.

    Raises:
        ValueError: there is none, or something else among them.
    """
    import jax

    if devices is None:
        return list(jax.local_devices())
    if not isinstance(devices, Iterable) or isinstance(devices, str):
        raise ValueError(
            f"devices: expected a sequence such as jax.local_devices()[:1], got {quoted(devices)}"
        )
    found = list(dict.fromkeys(devices))
    for device in found:
        if not isinstance(device, jax.Device):
            raise ValueError(f"devices: expected those of jax.devices(), got {quoted(device)}")
    if not found:
        raise ValueError("devices: expected at least one, got none; leave them out for all")
    return found


def describe(devices: Sequence[jax.Device]) -> str:
    """Devices in words, as "2 devices (cpu)"."""
    plural = "s" if len(devices) > 1 else ""
    return f"{len(devices)} device{plural} ({devices[0].device_kind})"


@contextlib.contextmanager
def memory_errors(remedy: str = "a smaller batch_size or fewer devices") -> Iterator[None]:
    """Turns XLA's report that a device's memory is too small into a sentence.

    Args:
        remedy: what is to be asked for instead, in the words in which it was asked for.

    Raises:
        MemoryError: a device's memory was too small for what was done within.
    """
    import jax

    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        raise MemoryError(
            f"a device's memory is too small: ask for {remedy}; what was done is kept ({error})"
        ) from error


def keep_compiled_programs(folder: Path | None = None) -> None:
    """Makes JAX keep what it compiles, so that the next run starts at once.

    Args:
        folder: where the programs are kept; by default JAX_COMPILATION_CACHE_DIR where that is
            set, otherwise a folder in the user's cache.
    """
    import jax
    import pooch  # type: ignore[import-untyped]

    if folder is None and os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    chosen = folder or Path(pooch.os_cache("jaxnas")) / "xla"
    jax.config.update("jax_compilation_cache_dir", str(chosen))  # type: ignore[no-untyped-call]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)  # type: ignore[no-untyped-call]
