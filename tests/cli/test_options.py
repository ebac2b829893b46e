"""Options made of a dataclass's fields, and those that several commands have."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click
import pytest
from click.testing import CliRunner

from jaxnas.cli import options


@dataclass(frozen=True)
class Recipe:
    rate: float = 0.05
    epochs: int = 12
    bn: Literal["batch", "example"] = "batch"
    depth: int | None = None
    merge: bool = True


TEXTS = {name: f"The {name}." for name in ("rate", "epochs", "bn", "depth", "merge")}


def run(*arguments: str) -> tuple[str, dict[str, Any]]:
    found: dict[str, Any] = {}

    @click.command()
    @options.of_fields(Recipe, TEXTS, {"depth": "the space's"})
    def command(**given: Any) -> None:
        found.update(options.given(given))

    result = CliRunner().invoke(command, list(arguments))
    return result.output, found


def test_an_option_that_is_not_given_is_left_to_the_dataclass() -> None:
    assert run()[1] == {}


def test_values_have_the_types_of_the_fields() -> None:
    arguments = ["--rate", "1", "--epochs", "3", "--bn", "example", "--depth", "2", "--no-merge"]
    expected = {"rate": 1.0, "epochs": 3, "bn": "example", "depth": 2, "merge": False}
    assert run(*arguments)[1] == expected
    assert Recipe(**run(*arguments)[1]) == Recipe(1.0, 3, "example", 2, False)


def test_the_help_has_the_defaults_of_the_fields() -> None:
    help_text = run("--help")[0]
    for words in ("0.05", "12", "batch", "the space's", "merge"):
        assert f"[default: {words}]" in help_text


def test_wrong_values_are_refused() -> None:
    for arguments in (["--bn", "x"], ["--epochs", "1.5"], ["--depth", "x"]):
        output, found = run(*arguments)
        assert found == {}
        assert arguments[0] in output


def test_a_text_for_no_field_is_an_error() -> None:
    with pytest.raises(KeyError, match="rates"):
        options.of_fields(Recipe, {"rates": "x"})


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    options.check_folders(None, tmp_path, tmp_path / "new")
    with pytest.raises(ValueError, match="file: expected a folder, .*, got a file; choose"):
        options.check_folders(tmp_path / "file")
