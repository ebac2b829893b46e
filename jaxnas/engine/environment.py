"""What the process has to be started with, so that scoring on a CPU is fast.

XLA and glibc read these settings once, when a process starts, so commands that compute start
themselves again with them. A library that is imported must not do so: only the command line calls
`restart`. What the user has set stays; JAXNAS_PLAIN_PROCESS=1 leaves everything as it is.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import platform
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

Start: TypeAlias = Callable[[int | None], None]
"""Readies the process for so many devices, for None as many as there are; may not return."""

PLAIN = "JAXNAS_PLAIN_PROCESS"
MARKER = "JAXNAS_PROCESS_IS_SET_UP"

HELD_BACK = (signal.SIGINT, signal.SIGTERM)
"""Signals that are held back while the process starts itself again."""


class XlaFlag(NamedTuple):
    """A flag of XLA.

    Attributes:
        name: the flag's name without the dashes.
        value: its value, in which `{devices}` stands for the number of devices.
        since: the jaxlib release from which it is passed. XLA ends the process when it meets a flag
            that it does not know, so the unusual ones go only to releases that are known to have
            them.
    """

    name: str
    value: str
    since: tuple[int, int] = (0, 0)


XLA_FLAGS = (
    # One device a core, each scoring its own cell: a device of JAX runs one program at a time.
    XlaFlag("xla_force_host_platform_device_count", "{devices}"),
    # No threads inside a convolution: the devices would only fight for the cores.
    XlaFlag("xla_cpu_multi_thread_eigen", "false"),
    # The same for the operations that XLA itself would cut up between threads.
    XlaFlag("xla_disable_hlo_passes", "cpu-parallel-task-assigner", since=(0, 10)),
    # Fewer copies of whole buffers around the switch over a cell's operations.
    XlaFlag("xla_cpu_copy_insertion_use_region_analysis", "true", since=(0, 10)),
)

GLIBC_TUNABLES = {
    # Huge pages: a pass over a cell touches hundreds of MB, page faults were half its time.
    "glibc.malloc.hugetlb": "1",
    # Large blocks come from the heap, not from fresh pages at each allocation ...
    "glibc.malloc.mmap_max": "0",
    # ... which is never given back between two cells ...
    "glibc.malloc.trim_threshold": "100000000000",
    # ... and is one for all threads, so that what one has freed another can use.
    "glibc.malloc.arena_max": "1",
}


def restart(devices: int | None, last: Callable[[], None] = lambda: None) -> None:
    """Starts this very command again with the settings above, if they apply and it has not been.

    Signals that ask the process to stop are held back meanwhile, also in the new process, which has
    to let them in when it listens to them.

    Args:
        devices: at most so many devices; None for one a core.
        last: it is called when signals are held back; what it raises keeps the process.
    """
    if not wanted(os.environ) or accelerator(os.environ):
        return
    count = usable_cores() if devices is None else min(devices, usable_cores())
    env = environment(os.environ, count, jaxlib_version(), glibc=platform.libc_ver()[0] == "glibc")
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)
    # Other threads do not hold them back: what comes to one of these ends the process.
    heard = [signum for signum in HELD_BACK if signal.getsignal(signum) != signal.SIG_IGN]
    handlers = {signum: signal.signal(signum, signal.SIG_DFL) for signum in heard}
    try:
        last()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], env)
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def wanted(env: Mapping[str, str]) -> bool:
    """Whether a process with this environment should be started again."""
    return env.get(PLAIN, "") in ("", "0") and MARKER not in env


def environment(
    env: Mapping[str, str], devices: int, jaxlib: tuple[int, int], *, glibc: bool
) -> dict[str, str]:
    """The environment with the settings added, those of the user untouched.

    Args:
        env: the environment as it is.
        devices: number of devices that JAX is to see.
        jaxlib: major and minor release.
        glibc: whether the process has glibc's allocator.
    """
    added = {**env, MARKER: "1", "XLA_FLAGS": xla_flags(env.get("XLA_FLAGS", ""), devices, jaxlib)}
    if glibc:
        added["GLIBC_TUNABLES"] = glibc_tunables(env.get("GLIBC_TUNABLES", ""))
    return added


def xla_flags(given: str, devices: int, jaxlib: tuple[int, int]) -> str:
    """The flags given, followed by those of `XLA_FLAGS` that are not given already."""
    if given.strip() and not given.strip().startswith("-"):
        return given  # the name of a file with flags: the user's alone
    names = {token.lstrip("-").split("=", 1)[0] for token in given.split()}
    ours = [
        f"--{flag.name}={flag.value.format(devices=devices)}"
        for flag in XLA_FLAGS
        if flag.name not in names and jaxlib >= flag.since
    ]
    return " ".join([*given.split(), *ours])


def glibc_tunables(given: str) -> str:
    """The tunables given, followed by those of `GLIBC_TUNABLES` that are not given already."""
    theirs = [item for item in given.split(":") if item]
    names = {item.split("=", 1)[0] for item in theirs}
    ours = [f"{name}={value}" for name, value in GLIBC_TUNABLES.items() if name not in names]
    return ":".join([*theirs, *ours])


def accelerator(env: Mapping[str, str]) -> bool:
    """Whether JAX will compute on something other than the CPU, as far as can be told without it.

    Where JAX_PLATFORMS does not say, it is so if a plugin is installed and, for CUDA's, there is a
    GPU.
    """
    platforms = env.get("JAX_PLATFORMS", "")
    if platforms:
        return platforms.split(",")[0] != "cpu"
    if importlib.util.find_spec("libtpu"):
        return True
    plugins = [entry.name for entry in importlib.metadata.entry_points(group="jax_plugins")]
    others = [name for name in plugins if "cuda" not in name]
    return bool(others) or (len(plugins) > len(others) and _nvidia_gpu())


def usable_cores() -> int:
    """The number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def jaxlib_version() -> tuple[int, int]:
    """The major and minor release of jaxlib, found without importing it."""
    numbers = re.match(r"(\d+)\.(\d+)", importlib.metadata.version("jaxlib"))
    return (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)


def _nvidia_gpu() -> bool:
    device_files = Path("/dev")
    return any(device_files.glob("nvidia[0-9]*")) or (device_files / "dxg").exists()
