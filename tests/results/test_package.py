"""What results import, and what their files are."""

from __future__ import annotations

import ast
import os
import sys
from pathlib import Path

from results_cases import fresh, numbered, part_files

from jaxnas import results as results_package


def test_results_import_no_engine_and_no_jax() -> None:
    allowed = set(sys.stdlib_module_names) | {"numpy", "pyarrow"}
    files = sorted(Path(results_package.__path__[0]).glob("*.py"))
    assert files
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                ours = name.startswith(("jaxnas.results", "jaxnas.spaces", "jaxnas.checks"))
                assert ours or name.split(".")[0] in allowed, f"{file.name} imports {name}"


def test_files_follow_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        with fresh(tmp_path / "out") as folder:
            folder.append([numbered(1)])
    finally:
        os.umask(old)
    for path in [tmp_path / "out/manifest.json", *part_files(tmp_path / "out")]:
        assert path.stat().st_mode & 0o777 == 0o640
