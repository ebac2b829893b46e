"""How programs are compiled in tests: as fast as can be, since compilation is most of the suite."""

from __future__ import annotations

import os
import subprocess
import sys

# Older kernels of XLA for the CPU, which compile in half the time.
_FLAG = "--xla_cpu_use_fusion_emitters=false"


def compile_quickly() -> None:
    """Sets the environment of this process and its children, before JAX is imported."""
    os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"
    # The workers have it from the process that starts them.
    if "PYTEST_XDIST_WORKER" not in os.environ and _is_known(_FLAG):
        os.environ["XLA_FLAGS"] = with_flags(_FLAG)


def with_flags(*more: str) -> str:
    """XLA_FLAGS of this process and `more`."""
    return " ".join([os.environ.get("XLA_FLAGS", ""), *more]).strip()


def _is_known(flag: str) -> bool:
    """Whether this XLA has a flag; it ends a process that gives it another."""
    code = "import jax; jax.devices()"
    env = os.environ | {"XLA_FLAGS": with_flags(flag)}
    run = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=False)
    return run.returncode == 0
