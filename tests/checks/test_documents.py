"""JSON from outside: bounded, sealed, of the types that are written."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnas.checks.documents import filled, parse_json, read_document, sealed, unsealed

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: "Infinity" not in json.dumps(value))


@given(st.dictionaries(st.text().filter(lambda name: name != "checksum"), PLAIN, max_size=4))
def test_what_is_sealed_is_read_back_and_nothing_else(content: dict[str, Any]) -> None:
    assert unsealed(json.loads(json.dumps(sealed(content)))) == json.loads(json.dumps(content))
    with pytest.raises(ValueError, match="another content than its checksum is of"):
        unsealed({**sealed(content), "more": 1})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"", "no JSON"),
        (b"\xff", "no JSON"),
        (b"\xef\xbb\xbf{}", "no JSON"),
        (b'{"a": 1, "a": 2}', "'a' twice"),
        (b'{"\\u001b": 1, "\\u001b": 2}', r"'\\x1b' twice"),
        (b"[NaN]", "NaN, which is no number"),
        (b"[-Infinity]", "-Infinity, which is no number"),
        (b"1e999", "no finite number"),
        (b'"\\ud800"', "no JSON"),
        (b"9" * 5_000, "no JSON"),
        (b"[" * 200_000, "nested too deep"),
        (b"[" * 200_000 + b"]" * 200_000, "nested too deep"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested too deep"),
        (b"[" * 21 + b"]" * 21, "nested too deep"),
        (b"[" + b"0," * 5_000_000 + b"0]", "more than 4,194,304 values"),
    ],
)
def test_what_is_no_json_that_is_written_here_is_refused(text: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why) as error:
        parse_json(text)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def test_json_as_it_is_written_is_read() -> None:
    assert parse_json(b'{"a": [1, -0.5, "\\u00e9\\ud83d\\ude00", null, true]}') == {
        "a": [1, -0.5, "é😀", None, True]
    }
    assert parse_json(b"[" * 20 + b"]" * 20)


def test_a_sealed_flaw_is_found_whatever_it_is(tmp_path: Path) -> None:
    content = {"a": 1, "b": [0.1, "x"], "c": None}
    text = json.dumps(sealed(content)).encode()
    path = tmp_path / "file"
    for at in range(len(text)):
        for bit in range(8):
            path.write_bytes(text[:at] + bytes([text[at] ^ 1 << bit]) + text[at + 1 :])
            try:
                found = read_document(path, "a thing", "mend it")
            except ValueError as error:
                assert "is damaged: expected a thing, got" in str(error)
                assert str(error).endswith("; mend it")
            else:  # the checksum's name is gone, or a space is another
                assert {name: found[name] for name in content} == content


@dataclass(frozen=True)
class Row:
    epoch: int
    loss: float
    valid: float | None
    status: Literal["ok", "diverged"]
    more: int | None = None


GOOD = {"epoch": 1, "loss": 0.5, "valid": None, "status": "ok"}


def test_a_row_is_filled_from_its_fields() -> None:
    assert asdict(filled(Row, GOOD)) == {**GOOD, "more": None}
    assert filled(Row, {**GOOD, "loss": 1, "valid": 2.0, "more": 3}).more == 3
    assert math.isnan(filled(Row, {**GOOD, "loss": math.nan}).loss)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 1.0},
        {"epoch": True},
        {"epoch": "1"},
        {"epoch": 2**63},
        {"loss": None},
        {"loss": math.inf},
        {"loss": "0.5"},
        {"loss": True},
        {"valid": []},
        {"status": "fine"},
        {"status": 1},
        {"other": 1},
        {"\x1b": 1},
    ],
)
def test_other_types_and_names_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        filled(Row, {**GOOD, **change})
    assert str(error.value).isprintable()


def test_missing_names_and_other_shapes_are_refused() -> None:
    for name in GOOD:
        with pytest.raises(ValueError, match=f"{name}: expected a value, got none"):
            filled(Row, {key: value for key, value in GOOD.items() if key != name})
    for content in (None, [], "text", 1):
        with pytest.raises(ValueError, match="Row: expected names with values"):
            filled(Row, content)
