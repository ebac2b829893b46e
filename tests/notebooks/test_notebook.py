"""The notebooks and the README's examples run as they are."""

import math
import re
from pathlib import Path

import nbformat
import pyarrow.csv
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]


def test_quickstart(tmp_path: Path) -> None:
    notebook = nbformat.read(ROOT / "notebooks" / "quickstart.ipynb", as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert (tmp_path / "runs" / "notebook" / "scores.parquet").exists()
    assert (tmp_path / "runs" / "notebook" / "scores.png").exists()
    report = tmp_path / "runs" / "report"
    rows = pyarrow.csv.read_csv(report / "evaluation.csv").to_pylist()
    assert {"js", "pjs", "pjs_nz", "params", "flops"} <= {row["score"] for row in rows}
    assert all(-1 <= row["kendall_all"] <= 1 for row in rows if row["score"] in ("js", "params"))
    pictures = [o for cell in notebook.cells for o in cell.get("outputs", []) if "data" in o]
    assert sum("image/png" in output["data"] for output in pictures) > len(
        list(report.glob("*.png"))
    )
    scores = notebook.cells[-1].outputs[-1]["data"]["text/plain"]
    assert re.search(r"'js': -\d", scores)


def test_readme_scores_a_model() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = (b for b in re.findall(r"```python\n(.*?)```", text, re.S) if "Sequential" in b)
    names: dict[str, object] = {}
    exec(example.replace("print(", "result = ("), names)
    result = names["result"]
    assert isinstance(result, dict)
    assert set(result) == {"js", "pjs", "gradient_kernel"}
    assert all(math.isfinite(value) for value in result.values())
