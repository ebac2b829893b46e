"""`jaxnas top`: what is best in a folder, by one score or several, and what is no folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from commands import (
    DISCONNECTED,
    Call,
    assert_refused,
    ranks,
    representatives,
    write_darts_run,
    write_run,
)

from jaxnas.spaces import nb201


def params_of(cells: list[int]) -> list[int]:
    return [int(n) for n in nb201.num_params(nb201.cell_ops()[cells])]


def test_it_orders_and_averages(call: Call) -> None:
    a, b, c, d = representatives(4)
    js = {(a, 0): 1.0, (a, 1): 5.0, (b, 0): 4.0, (b, 1): 0.0, (c, 0): np.nan, (c, 1): 9.0}
    write_run(Path("run"), js | {(d, 0): -3.5}, (a, b, c, d, DISCONNECTED))
    status, out, _ = call("top", "run")
    assert status == 0
    assert ranks(out) == [(a, "3"), (b, "2"), (d, "-3.5")]
    assert out.splitlines()[-1] == "6 ok, 2 disconnected, 1 nonfinite, 1 not scored"
    assert ranks(call("top", "run", "--by", "js", "-k", 1, "--seed", 0)[1]) == [(b, "4")]
    assert ranks(call("top", "run", "--by", "js", "-k", 2, "--seed", 1)[1]) == [(c, "9"), (a, "5")]
    by_params = ranks(call("top", "run", "--by", "params", "-k", 5)[1])
    params = params_of([cell for cell, _ in by_params])
    assert [score for _, score in by_params] == [f"{number:,}" for number in params]
    assert params == sorted(params, reverse=True)


def test_it_prints_a_function_once(call: Call) -> None:
    groups = nb201.representatives()
    first = next(cell for cell in representatives(50) if (groups == cell).sum() > 2)
    cells = tuple(int(cell) for cell in np.flatnonzero(groups == first)[:3])
    write_run(Path("run"), {(first, 0): 2.0}, cells)
    out = call("top", "run")[1]
    assert ranks(out) == [(first, "2")]
    assert "3 ok" in out


def test_a_combination_is_the_sum_of_log_ranks_and_says_who_has_none(call: Call) -> None:
    cells = representatives(5)
    js = {(cell, 0): float(value) for cell, value in zip(cells, (3, 1, 2, 4), strict=False)}
    write_run(Path("run"), js | {(cells[4], 0): np.nan}, tuple(cells))
    status, out, _ = call("top", "run", "--by", "js+params")
    assert status == 0
    params = params_of(cells[:4])
    logs = {
        cell: np.log((sorted(js.values()).index(js[cell, 0]) + 1) / 4)
        + np.log((sum(other < mine for other in params) + (params.count(mine) + 1) / 2) / 4)
        for cell, mine in zip(cells[:4], params, strict=True)
    }
    printed = ranks(out)
    assert {cell for cell, _ in printed} == set(cells[:4])
    for cell, value in printed:
        assert float(value) == pytest.approx(logs[cell], rel=1e-5, abs=1e-9)
    values = [float(value) for _, value in printed]
    assert values == sorted(values, reverse=True)
    assert "1 architecture has no rank, as one of js, params is undefined" in out


def test_a_space_without_indices_has_no_column_of_them(call: Call) -> None:
    archs = write_darts_run(Path("run"))
    status, out, _ = call("top", "run", "-k", 1)
    assert status == 0
    assert out.splitlines()[0].split() == ["rank", "arch", "js"]
    assert out.splitlines()[1].split() == ["1", *archs[0].split(), "0"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--by", "pjs"], ["pjs", "the table has params, js"]),
        (["--by", "jss"], ["jss", "did you mean 'js'"]),
        (["--by", "js+"], ["'js+'", "names joined by +", "js+params"]),
        (["--by", "+js"], ["'+js'", "empty name"]),
        (["--by", "js+js"], ["'js+js'", "js twice"]),
        (["--by", "js+jss"], ["jss", "did you mean"]),
        (["--by", "js+pjs"], ["pjs", "the table has params, js"]),
        (["--seed", "4"], ["seed 4", "seed 0"]),
        (["-k", "0"], ["-k"]),
    ],
)
def test_bad_input(call: Call, arguments: list[str], words: list[str]) -> None:
    write_run(Path("run"), {(0, 0): 1.0}, (0,))
    assert_refused(call("top", "run", *arguments), *words)


def test_no_folder(call: Call) -> None:
    assert_refused(call("top", "run"), "run")
    assert not Path("run").exists()
