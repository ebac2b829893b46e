"""Checkpoints that are damaged, of other shapes or another run's; nothing is compiled here."""

from __future__ import annotations

import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from jaxnas.results import ResultsError
from jaxnas.training.checkpoints import Checkpoints


@dataclass(frozen=True)
class Row:
    epoch: int
    loss: float


class State(NamedTuple):
    params: Any
    step: Any


RUN = {"epochs": 3, "seed": 0}
CURVE = (Row(1, 0.5), Row(2, math.nan))


def state(seed: int = 0, width: int = 6, dtype: Any = np.float32) -> State:
    random = np.random.default_rng(seed)
    params = {"z": random.normal(size=(5, width)).astype(dtype), "a": [np.arange(7)]}
    return State(params, np.int32(seed))


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the checkpoint of epoch 2."""
    folder = tmp_path_factory.mktemp("kept") / "checkpoints"
    with Checkpoints(folder, Row, RUN) as checkpoints:
        assert checkpoints.newest(state()) is None
        checkpoints.save(state(1), CURVE[:1])
        checkpoints.save(state(2), CURVE)
    return folder


def read(folder: Path, like: State | None = None, **changes: Any) -> Any:
    with Checkpoints(folder, Row, RUN | changes) as checkpoints:
        return checkpoints.newest(like or state())


def refused(folder: Path, like: State | None = None, **changes: Any) -> str:
    with pytest.raises(ResultsError, match="is damaged: expected") as error:
        read(folder, like, **changes)
    text = str(error.value)
    assert text.isprintable()
    assert text.endswith(f"delete {folder} to begin anew")
    return text


def test_the_newest_is_read_back(kept: Path) -> None:
    found, curve = read(kept)
    jax.tree.map(np.testing.assert_array_equal, found, state(2))
    assert repr(curve) == repr(CURVE)


def test_another_run_s_is_refused(kept: Path) -> None:
    assert "that of a run with seed 0, where this run has seed 1" in refused(kept, seed=1)


def test_other_shapes_names_and_types_are_refused(kept: Path) -> None:
    good = state()
    refused(kept, state(width=7))
    refused(kept, state(dtype=np.float16))
    refused(kept, good._replace(params={"z": good.params["z"]}))
    refused(kept, good._replace(params={**good.params, "b": np.zeros(2)}))


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def same(found: Any) -> bool:
    equal = jax.tree.map(np.array_equal, found[0], state(2))
    return all(jax.tree.leaves(equal)) and repr(found[1]) == repr(CURVE)


def test_damage_anywhere_is_found_or_changes_nothing(kept: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    for number, file in enumerate(files(kept)):
        data = file.read_bytes()
        at = int(random.integers(max(len(data), 1)))
        flipped = bytes([*data[:at], data[at] ^ 1 << at % 8, *data[at + 1 :]]) if data else b"x"
        for what, damaged in enumerate((flipped, b"", data[: len(data) // 2])):
            folder = tmp_path / f"{number}-{what}"
            shutil.copytree(kept, folder)
            (folder / file.relative_to(kept)).write_bytes(damaged)
            try:
                found = read(folder)
            except ResultsError as error:
                assert str(error).isprintable()
                assert f"delete {folder} to begin anew" in str(error)
            else:
                assert found is None or same(found)


def test_a_weight_that_is_another_is_found(kept: Path, tmp_path: Path) -> None:
    """What the files' own checksums cannot tell: whole files of another checkpoint."""
    with Checkpoints(tmp_path / "other", Row, RUN) as checkpoints:
        checkpoints.save(state(1), CURVE[:1])
        checkpoints.save(state(3), CURVE)
    mixed = tmp_path / "mixed"
    shutil.copytree(kept, mixed)
    shutil.rmtree(mixed / "2/state")
    shutil.copytree(tmp_path / "other/2/state", mixed / "2/state")
    assert "another state or curve than its checksum is of" in refused(mixed)


@pytest.mark.parametrize("kind", ["pipe", "link", "device"])
def test_what_is_no_file_is_refused_and_nothing_hangs(
    kept: Path, tmp_path: Path, kind: str
) -> None:
    for number, file in enumerate(files(kept)):
        folder = tmp_path / str(number)
        shutil.copytree(kept, folder)
        place = folder / file.relative_to(kept)
        place.unlink()
        if kind == "pipe":
            os.mkfifo(place)
        else:
            place.symlink_to("nothing" if kind == "link" else "/dev/zero")
        assert "a link, a pipe or a device" in refused(folder)


def test_a_curve_of_other_epochs_is_refused(kept: Path, tmp_path: Path) -> None:
    shutil.copytree(kept, tmp_path / "c")
    (tmp_path / "c/2").rename(tmp_path / "c/1")
    refused(tmp_path / "c")


def test_a_disk_that_refuses_is_one_sentence_and_the_one_before_is_kept(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(kept, tmp_path / "c")
    with Checkpoints(tmp_path / "c", Row, RUN) as checkpoints:
        with monkeypatch.context() as patch:
            patch.setattr(ocp.CheckpointManager, "save", full)
            with pytest.raises(ResultsError, match=r"c could not be written \(OSError: .*full"):
                checkpoints.save(state(3), (*CURVE, Row(3, 0.1)))
        assert same(checkpoints.newest(state()))


def full(*_: Any, **__: Any) -> None:
    raise OSError(28, "full")
