"""The shape of the library: what is public, what imports what, and who knows which space."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxnas

ROOT = Path(jaxnas.__path__[0])

# Imports go to the same level or to an earlier one.
LEVELS = (
    ("checks", "lazy", "modes", "precision", "references", "representation", "types", "version"),
    ("spaces", "data", "engine"),
    ("networks", "proxies", "estimators", "results"),
    ("scoring", "oracle", "evaluation", "search"),
    ("training",),
    ("oneshot",),
    ("plots",),
    ("reports",),
    ("pipelines",),
    ("cli", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LEVELS) for name in names}

# Where a space may be named: its own folders, the registry, defaults and published tables.
NAMING = {
    "spaces/__init__.py",
    "references.py",
    "search/literature.py",
    "search/simulation.py",
    "oracle/benchmark.py",
    "oracle/columns.py",
    "oracle/reading.py",
    "oracle/table.py",
    "oneshot/recipes.py",
    "training/settings.py",
    "plots/cell_graph.py",
}


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Modules of the library that a file imports when it is imported itself."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxnas"):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (node.module,) if node.module != "jaxnas" else names


def test_every_public_name_is_listed_and_there() -> None:
    assert set(dir(jaxnas)) == set(jaxnas.__all__)
    for name in jaxnas.__all__:
        assert getattr(jaxnas, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'scores'"):
        jaxnas.scores  # noqa: B018


def test_no_module_is_hidden_by_what_it_holds() -> None:
    for module in pkgutil.walk_packages(jaxnas.__path__, "jaxnas."):
        if module.name != "jaxnas.__main__":
            importlib.import_module(module.name)
    loaded = {name: module for name, module in sys.modules.items() if name.startswith("jaxnas.")}
    for name, module in loaded.items():
        parent, child = name.rsplit(".", 1)
        assert getattr(sys.modules[parent], child) is module, name


def test_importing_the_library_imports_no_jax() -> None:
    code = "import jaxnas, sys; dir(jaxnas); assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for module in imports(path):
        other = module.split(".")[1]
        assert LEVEL[other] <= LEVEL[own], f"{path} imports {module}"


def test_only_a_space_s_own_folders_defaults_and_published_tables_name_it() -> None:
    for path in files():
        place = str(path.relative_to(ROOT))
        own = place.startswith(("spaces/nb201/", "spaces/darts/", "networks/"))
        if own or place in NAMING:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            named = isinstance(node, ast.Name | ast.Attribute) and "nb201" in ast.unparse(node)
            text = isinstance(node, ast.Constant) and node.value == "nb201"
            imported = isinstance(node, ast.ImportFrom) and "nb201" in ast.unparse(node)
            assert not (named or text or imported), f"{place}, line {node.lineno}"
