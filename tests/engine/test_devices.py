"""The devices of this machine in words, and what is said where their memory is too small."""

from __future__ import annotations

import jax
import pytest

from jaxnas.engine import devices


def test_devices_in_words() -> None:
    local = jax.local_devices()
    assert devices.local_devices() == local
    assert devices.local_devices(1) == local[:1]
    assert devices.describe(local[:1]) == f"1 device ({local[0].device_kind})"
    assert devices.describe([local[0], local[0]]).startswith("2 devices (")
    with pytest.raises(
        ValueError, match="devices: expected a whole number from 1 to 10000000, got 0"
    ):
        devices.local_devices(0)


def test_a_memory_too_small_is_a_sentence_with_a_remedy() -> None:
    error = jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
    remedy = "a smaller --batch-size"
    with (
        pytest.raises(MemoryError, match=f"ask for {remedy}; what was done is kept"),
        devices.memory_errors(remedy),
    ):
        raise error
    with pytest.raises(jax.errors.JaxRuntimeError, match="INTERNAL"), devices.memory_errors():
        raise jax.errors.JaxRuntimeError("INTERNAL: other")
