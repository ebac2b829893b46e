"""Pickled batches are read safely: nothing in them is run."""

from __future__ import annotations

import collections
import contextlib
import io
import os
import pickle
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from data_cases import WRITERS, Calls, one_sentence, python2_batch
from hostile_pickles import PICKLES
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import data
from jaxnas.data import DataError, UnsafePickleError
from jaxnas.data.pickles import read_dict


def read(content: bytes) -> dict[str, Any]:
    return data.read_batch(io.BytesIO(content), name="batch")


@pytest.mark.parametrize("writer", WRITERS.values(), ids=WRITERS)
def test_published_batches_are_read(writer: Callable[..., bytes]) -> None:
    rows = np.arange(2 * 48, dtype=np.uint8).reshape(2, 48) + 150  # past 127: bytes, not text
    batch = read(writer(rows, [3, 1], "labels"))
    np.testing.assert_array_equal(batch["data"], rows)
    assert batch["data"].dtype == np.uint8 and batch["labels"] == [3, 1]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<i8", "?", "u2"])
def test_numeric_arrays_are_read_in_every_older_protocol(protocol: int, dtype: str) -> None:
    for array in (np.arange(12).reshape(3, 4), np.arange(12).reshape(4, 3).T):
        typed = np.asarray(array, dtype)
        loaded = read(pickle.dumps({"a": typed}, protocol=protocol))["a"]
        np.testing.assert_array_equal(loaded, typed)
        assert loaded.dtype == typed.dtype


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
def test_numpy_scalars_sets_and_ordered_dicts_are_read(protocol: int) -> None:
    content: dict[str, Any] = {
        "float64": np.float64(0.1),
        "float32": np.float32(0.1),
        "big-endian": np.dtype(">i4").type(7),
        "bool": np.bool_(True),
        "ordered": collections.OrderedDict([((1, "x"), [np.float64(2)]), ((0, "y"), None)]),
    }
    if protocol >= 3:  # Python 2 named set otherwise
        content["set"] = {1, 2}
    written = pickle.dumps(content, protocol=protocol)
    former = written.replace(b"numpy._core", b"numpy.core") if protocol < 4 else written
    for loaded in (read(written), read(former)):
        assert loaded == content
        assert list(loaded["ordered"]) == [(1, "x"), (0, "y")]
        assert type(loaded["float64"]) is float and type(loaded["bool"]) is bool


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, subprocess.call, np.load])
def test_malicious_pickles_are_refused_and_not_run(
    tmp_path: Path, function: Callable[..., object], protocol: int
) -> None:
    mark = tmp_path / "mark"
    argument = f"touch {mark}" if function is os.system else f"open({str(mark)!r}, 'w')"
    content = pickle.dumps({"data": Calls(function, argument)}, protocol=protocol)
    with pytest.raises(UnsafePickleError, match="refused and not run") as error:
        read(content)
    assert f".{function.__name__}," in one_sentence(error)
    assert not mark.exists()
    assert isinstance(error.value, ValueError)


def test_known_names_cannot_be_turned_to_other_ends() -> None:
    called = b"\x80\x02}U\x04datacnumpy\nndarray\n(J\xff\xff\xff\x7ft\x85Rs."
    with pytest.raises(DataError, match=r"calls numpy\.ndarray"):
        read(called)
    with pytest.raises(DataError, match="not of numbers"):
        read(pickle.dumps({"data": np.array([{}], object)}, protocol=2))
    with pytest.raises(DataError, match="scalar not of numbers"):
        read(b"\x80\x02}U\x04datacnumpy.core.multiarray\nscalar\nK\x01K\x02\x86Rs.")
    with pytest.raises(DataError, match="not written in latin1"):
        read(b"\x80\x02}U\x04datac_codecs\nencode\nX\x01\x00\x00\x00aX\x05\x00\x00\x00rot13\x86Rs.")


@pytest.mark.parametrize("content", [b"", b"<html>", pickle.dumps([1]), b"\x80\x02}(U\x04dataK"])
def test_what_is_no_batch_is_refused(content: bytes) -> None:
    with pytest.raises(DataError, match="batch is damaged: .*get the file again") as error:
        read(content)
    one_sentence(error)


@pytest.mark.parametrize("name", PICKLES)
def test_hostile_pickles_are_refused_within_bounds(name: str) -> None:
    content, reason = PICKLES[name]
    with pytest.raises(DataError, match=reason) as error:
        read(content())
    one_sentence(error)


def test_what_pickles_share_and_how_deep_they_may_be() -> None:
    shared: dict[str, Any] = {"a": [1.5]}
    content: dict[str, Any] = {"one": shared, "other": shared}
    assert read(pickle.dumps(content)) == content
    deep: Any = 1
    for _ in range(20):
        deep = [deep, {"a": (deep,)}][:1]
    assert read(pickle.dumps({"deep": deep})) == {"deep": deep}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("count", [1, 3, 4, 5, 200, 700, 1003])
def test_runs_of_floats_are_read_whatever_their_keys_and_length(count: int, protocol: int) -> None:
    shared = [f"x-valid@{epoch}" for epoch in range(count)]
    content = {
        "numbers": {epoch: epoch / 7 for epoch in range(count)},
        "texts": {key: -1.5 for key in shared},
        "the same texts": {key: 1e300 * number for number, key in enumerate(shared)},
        "list": [float(number) for number in range(count)],
    }
    written = pickle.dumps(content, protocol=protocol)
    assert repr(read_dict(written, name="batch", what="a dict")) == repr(pickle.loads(written))


def test_a_run_of_what_is_not_in_the_memo_is_refused() -> None:
    run = b"".join(b"h\x07G" + bytes(8) for _ in range(9))
    with pytest.raises(DataError, match="batch is damaged: .*KeyError"):
        read(b"\x80\x04}(" + run + b"u.")


KEYS = st.one_of(
    st.text(), st.integers(-(2**63), 2**64 - 1), st.tuples(st.text(), st.integers(0, 9))
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(allow_nan=False), KEYS, st.binary(min_size=1)),
    lambda inner: st.one_of(
        st.lists(inner), st.dictionaries(KEYS, inner), st.tuples(inner, inner), st.sets(KEYS)
    ),
    max_leaves=8,
)


@given(content=st.dictionaries(KEYS, VALUES), protocol=st.integers(0, pickle.HIGHEST_PROTOCOL))
@settings(max_examples=40, deadline=None)
def test_plain_data_is_read_as_pickle_reads_it(content: dict[Any, Any], protocol: int) -> None:
    written = pickle.dumps(content, protocol=protocol)
    assert read_dict(written, name="batch", what="a dict") == pickle.loads(
        written, encoding="bytes"
    )


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_no_bytes_fail_otherwise(content: bytes) -> None:
    with contextlib.suppress(DataError):
        read(b"\x80\x04}" + content + b".")


@given(position=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
@settings(max_examples=100, deadline=None)
def test_damaged_pickle_never_fails_otherwise(position: float, byte: int) -> None:
    content = bytearray(python2_batch(np.zeros((1, 12), np.uint8), [1], "labels"))
    content[int(position * len(content))] = byte
    try:
        read(bytes(content))
    except DataError as error:
        assert "\n" not in str(error)
