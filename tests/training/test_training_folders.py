"""The folder of a training, damaged or another's; nothing is compiled here."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest
from hostile_results import ESCAPE, documents, places

from jaxnas.pipelines.citing import cite
from jaxnas.results import ResultsError
from jaxnas.training.folder import TrainingFolder
from jaxnas.training.outcomes import Epoch, Trained, from_content

SETTINGS: dict[str, Any] = {"space": "nb201", "epochs": 2, "channels": 4, "drop_path": 0}
SETTINGS |= {"auxiliary_weight": 0}
CURVE = tuple(Epoch(n, 0.1, 2.5 / n, 10.0 * n, 9.5 * n, 1.25) for n in (1, 2))
ONE = Trained("|a|", 855, "855", 1_000, 0, "ok", CURVE, 21.5)
OTHER = Trained("|b|", 4, "4", 2_000, 3, "diverged", (), math.nan, 7)
OUTCOME = Path("candidates/855-0/outcome.json")


# Changes of an outcome without its seal that leave it one.
UNSEALED = {"arch text", "no cell", "cell None", "no diverged_step", "no run", "run None"}
UNSEALED |= {"test 0.5"}


def write(path: Path, **changes: Any) -> None:
    with TrainingFolder(path, SETTINGS | changes) as folder:
        folder.keep(ONE)
        folder.keep(OTHER)


def read(path: Path) -> list[Trained]:
    with TrainingFolder(path, SETTINGS) as folder:
        assert folder.outcome("855", 1) is None
        return [one for one in (folder.outcome("855", 0),) if one] and folder.outcomes()


def refused(path: Path) -> str:
    with pytest.raises(ResultsError) as error:
        read(path)
    text = str(error.value)
    assert text.isprintable()
    assert str(path) in text
    return text


def test_outcomes_are_read_back(tmp_path: Path) -> None:
    write(tmp_path)
    one, other = sorted(read(tmp_path), key=lambda trained: -trained.params)[::-1]
    assert one == ONE
    assert repr(other) == repr(OTHER)  # NaN is not NaN


@pytest.mark.parametrize("file", ["training.json", str(OUTCOME)])
def test_hostile_documents_are_one_sentence(tmp_path: Path, file: str) -> None:
    write(tmp_path / "run")
    path = tmp_path / "run" / file
    good = path.read_bytes()
    for name, data in documents(good):
        path.write_bytes(data)
        if name in UNSEALED:  # as earlier versions wrote them
            read(tmp_path / "run")
        else:
            text = refused(tmp_path / "run")
            assert "is damaged: expected" in text or "this run asks for" in text, name
    for number in range(5):
        place = tmp_path / str(number)
        write(place)
        list(places(place / file))[number][1](place)
        refused(place)


def test_a_flipped_bit_of_an_outcome_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    path = tmp_path / OUTCOME
    good = path.read_bytes()
    for at in range(0, len(good), 3):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1 << at % 8]) + good[at + 1 :])
        try:
            found = read(tmp_path)
        except ResultsError as error:
            assert str(error).isprintable()
        else:  # a space is another
            assert ONE in found


def test_an_outcome_of_another_candidate_or_run_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "run")
    write(tmp_path / "other", epochs=3)
    shutil.copy(tmp_path / "other" / OUTCOME, tmp_path / "run" / OUTCOME)
    assert "that of a run with epochs 3, where this run has epochs 2" in refused(tmp_path / "run")
    shutil.copy(tmp_path / "run/candidates/4-3/outcome.json", tmp_path / "run" / OUTCOME)
    assert "that of '4-3'" in refused(tmp_path / "run")


def test_candidates_without_settings_are_not_taken_for_this_run_s(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "training.json").unlink()
    assert "holds trainings but no training.json" in refused(tmp_path)
    assert not (tmp_path / "training.json").exists()


def test_what_killed_writers_left_is_removed(tmp_path: Path) -> None:
    write(tmp_path)
    left = [tmp_path / ".training.json.0123456789abcdef.tmp", tmp_path / ".curves.parquet.17.tmp"]
    left.append((tmp_path / OUTCOME).with_name(".outcome.json.0123456789abcdef.tmp"))
    for path in left:
        path.write_bytes(b"x")
    write(tmp_path)
    assert not any(path.exists() for path in left)


@pytest.mark.parametrize(
    "change",
    [
        {"test": "21.5"},
        {"test": 1e999},
        {"test": 100.5},
        {"test": None},
        {"status": "fine"},
        {"curve": []},
        {"curve": None},
        {"curve": [{"epoch": 1}]},
        {"curve": [{**ONE.content()["curve"][0], "epoch": 2}]},
        {"curve": [{**ONE.content()["curve"][0], "train_loss": ESCAPE}]},
        {"seed": "0"},
        {"cell": 0.5},
        {ESCAPE: ESCAPE},
    ],
)
def test_an_unsealed_outcome_of_other_types_is_refused(change: dict[str, Any]) -> None:
    content = json.loads(json.dumps(ONE.content()))
    assert from_content(content) == ONE
    with pytest.raises(ValueError, match="expected") as error:
        from_content(content | change)
    assert str(error.value).isprintable()


def test_what_cannot_be_cited_is_one_sentence(tmp_path: Path) -> None:
    write(tmp_path)
    assert "@" in cite(tmp_path)
    good = (tmp_path / "training.json").read_bytes()
    for _, data in documents(good):
        (tmp_path / "training.json").write_bytes(data)
        try:
            cite(tmp_path)
        except ResultsError as error:
            assert str(error).isprintable()
