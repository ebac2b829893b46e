"""Memory that is given back while a run goes on."""

from __future__ import annotations

import platform
import types

import jax
import numpy as np
import pytest

from jaxnas.engine import memory


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="glibc's malloc_trim")
def test_memory_is_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    trims: list[int] = []
    reports: list[tuple[int, int]] = []
    libc = types.SimpleNamespace(malloc_trim=trims.append)
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda _: libc)
    add, x = jax.jit(lambda x: x + 1), np.zeros(3)
    with memory.memory_trimmed(lambda *counts: reports.append(counts)) as progress:
        add(x)
        assert trims
        assert set(trims) == {0}
        trims.clear()
        add(x)
        assert not trims
        after = []
        for done in range(70):
            progress(done, 70)
            if len(trims) > len(after):
                after.append(done + 1)
        assert after == [1, 2, 4, 8, 16, 32, 64]
        assert reports == [(done, 70) for done in range(70)]
        trims.clear()
    jax.jit(lambda x: x + 2)(x)
    assert not trims
