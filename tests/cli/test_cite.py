"""`jaxnas cite`: BibTeX of exactly what a folder's run used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from commands import Call, assert_refused, write_darts_run, write_run

from jaxnas.oneshot.recipes import METHODS
from jaxnas.pipelines import cite
from jaxnas.pipelines.citing import used
from jaxnas.references import REFERENCES


def write_settings(path: Path, file: str, **settings: Any) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    name = {"training.json": "jaxnas-training", "search.json": "jaxnas-oneshot"}[file]
    (path / file).write_text(json.dumps({"format": name, "version": 1, "settings": settings}))
    return path


def keys(bibtex: str) -> list[str]:
    return re.findall(r"^@\w+\{([^,]+),", bibtex, re.MULTILINE)


def test_a_scored_folder_cites_its_scores_and_its_space(call: Call) -> None:
    write_run(Path("run"), {(1, 0): 1.0}, (1,), "gradient_kernel")
    status, out, _ = call("cite", "run")
    assert status == 0
    assert keys(out) == ["jaxnas", "nas-bench-201", "gt-nas"]
    assert out.strip() == cite("run")
    write_darts_run(Path("genotypes"))
    found = keys(call("cite", "genotypes")[1])
    assert found[:2] == ["jaxnas", "darts"]
    assert "parameters-scoring" in found
    assert "gt-nas" not in found


def test_a_training_cites_its_space(tmp_path: Path) -> None:
    folder = write_settings(tmp_path / "run", "training.json", space="darts")
    assert used(folder) == ("jaxnas", "darts")


@pytest.mark.parametrize("method", METHODS)
def test_a_search_cites_its_method(tmp_path: Path, method: str) -> None:
    folder = write_settings(tmp_path / "run", "search.json", space="nb201", method=method)
    found = used(folder)
    assert found[:2] == ("jaxnas", "nas-bench-201")
    assert len(found) > 2
    assert set(found) <= set(REFERENCES)


def test_gt_nas_cites_the_stages_of_its_search(tmp_path: Path) -> None:
    write_run(tmp_path / "scores", {(1, 0): 1.0}, (1,), "js")
    write_settings(tmp_path / "trained", "training.json", space="nb201")
    assert used(tmp_path) == (
        "jaxnas", "gt-nas", "nas-bench-201", "parameters-scoring", "naswot"
    )  # fmt: skip


def test_other_folders_are_refused(call: Call) -> None:
    Path("empty").mkdir()
    assert_refused(call("cite", "empty"), "empty: expected a folder of jaxnas score", "got none")
    assert_refused(call("cite", "none"), "none: expected a folder of jaxnas score")
    Path("damaged").mkdir()
    Path("damaged/training.json").write_text("{")
    assert_refused(
        call("cite", "damaged"), "training.json is damaged: expected the settings of a run"
    )
