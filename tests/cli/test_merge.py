"""`jaxnas merge`: one folder out of several."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from commands import Call, assert_refused, ranks, representatives, write_darts_run, write_run


@pytest.mark.filterwarnings("default::UserWarning")
def test_folders_are_joined_and_the_first_wins(call: Call) -> None:
    a, b = representatives(2)
    write_run(Path("one"), {(a, 0): 1.0}, (a,))
    write_run(Path("two"), {(b, 0): 2.0, (a, 0): 1.5}, (a, b))
    status, out, err = call("merge", "one", "two", "--out", "both")
    assert status == 0
    assert "jaxnas: warning: 1 scores have different values" in err
    assert ranks(out) == [(b, "2"), (a, "1")]
    table = pq.read_table("both/scores.parquet")
    assert table["js"].to_pylist() == [1.0, 2.0]
    assert Path("both/scores.png").exists()
    assert_refused(call("merge", "one", "--out", "both"), "both")
    assert_refused(call("merge", "--out", "more"), "DIR")


def test_folders_of_two_spaces_are_not_joined(call: Call) -> None:
    write_run(Path("one"), {(0, 0): 1.0}, (0,))
    write_darts_run(Path("two"))
    assert_refused(call("merge", "one", "two", "--out", "both"), "space", "darts", "nb201")
    assert not Path("both").exists()
