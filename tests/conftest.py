"""Small networks and data that several test modules share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from quick import compile_quickly
from small import SMALL

from jaxnas.cli import main as entry
from jaxnas.data import Images

compile_quickly()

import jax  # noqa: E402

# A first call compiles, and machines are busy: no test asserts how long something takes.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


# Files that take minutes, the longest first: at the end one would keep one worker busy alone.
LONGEST = (
    *("scoring/test_plain_call", "proxies/test_proxies", "networks/test_networks"),
    *("networks/test_supernets", "training/test_training_command", "networks/test_darts_scored"),
    *("scoring/test_folders", "oneshot/test_search_runs", "training/test_training_runs"),
    *("cli/test_score", "cli/test_search_gt_nas", "notebooks/test_notebook"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of the longest files first."""
    places = {f"{name}.py": place for place, name in enumerate(LONGEST)}

    def place(item: pytest.Item) -> int:
        return places.get("/".join(item.path.parts[-2:]), len(places))

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def compiled_once(tmp_path_factory):
    """Nothing is compiled twice."""
    changes = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.2,
    }
    before = {name: getattr(jax.config, name, False) for name in changes}
    for name, value in changes.items():
        jax.config.update(name, value)
    yield
    for name, value in before.items():
        jax.config.update(name, value)


@pytest.fixture
def small() -> dict[str, Any]:
    return SMALL


@pytest.fixture
def x64():
    """64-bit types for the test, the process's own setting left alone."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def make_images() -> Callable[..., Images]:
    def make(size: int = 8, number: int = 24, seed: int = 0) -> Images:
        random = np.random.default_rng(seed)
        x = random.integers(0, 256, (number, size, size, 3), dtype=np.uint8)
        return Images.from_arrays(f"noise{size}", x, random.integers(0, 10, number), num_classes=10)

    return make


@pytest.fixture
def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., tuple[int, str, str]]:
    """Runs a command in this process, in an empty folder: exit status, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments: object) -> tuple[int, str, str]:
        status = entry.run([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return called
