"""Settings are held to the kinds that their annotations say, in Python and as texts."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas import checks
from jaxnas.checks.kinds import Flag, OrNone, Real, Several, Text, Whole, Word, parsed

Mode = Literal["a", "b"]


@dataclass(frozen=True)
class Constants:
    count: Annotated[int, Whole(1, 9, "for nine")] = 1
    rate: Annotated[float, Real(0, 1, above=True)] = 0.5
    yes: bool = True
    mode: Mode | Literal["c"] = "a"
    most: Annotated[int, Whole(1)] | None = None
    pair: tuple[Annotated[float, Real(0)], Annotated[float, Real(0)]] = (0.0, 1.0)
    several: tuple[Annotated[int, Whole(1)], ...] = (1,)
    name: str = "x"
    anything: Any = None
    plain: int = 0

    def __post_init__(self) -> None:
        checks.check_fields(self)


def test_kinds_are_read_off_annotations() -> None:
    assert dict(checks.kinds_of(Constants)) == {
        "count": Whole(1, 9, "for nine"),
        "rate": Real(0, 1, above=True),
        "yes": Flag(),
        "mode": Word(("a", "b", "c")),
        "most": OrNone(Whole(1)),
        "pair": Several(Real(0), 2),
        "several": Several(Whole(1)),
        "name": Text(),
        "plain": Whole(),
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("count", 0), ("count", 10), ("count", 1.0), ("count", True), ("count", "3"),
        ("count", None),
        ("count", 10**5000), ("rate", 0), ("rate", math.nan), ("rate", math.inf), ("rate", "0.5"),
        ("rate", False), ("yes", 1), ("yes", "yes"), ("yes", None), ("mode", "d"), ("mode", 1),
        ("mode", None), ("mode", []), ("most", 0), ("most", "none"), ("pair", (1,)), ("pair", 1),
        ("pair", (1, 2, 3)), ("pair", "ab"), ("pair", (1, math.nan)), ("several", ()),
        ("several", 3), ("several", (1, 0)), ("several", "1"), ("name", 3), ("name", None),
        ("plain", -1), ("plain", 2**63),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_a_field_that_is_not_of_its_kind_is_refused_by_its_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected [^\n]*, got ") as error:
        Constants(**{name: value})
    assert len(str(error.value)) < 250


def test_fields_are_python_s_own_and_stay_as_they_were_written() -> None:
    found = Constants(count=np.int8(3), rate=np.float32(0.5), yes=np.True_, pair=[1, 2])
    assert (found.count, found.rate, found.yes, found.pair) == (3, 0.5, True, (1, 2))
    assert type(found.count) is int
    assert type(found.rate) is float
    assert type(found.yes) is bool
    assert type(Constants(rate=1).rate) is int
    assert dataclasses.replace(found, most=5).most == 5


@settings(deadline=None)
@given(st.integers(-(10**30), 10**30))
def test_whole_numbers_are_read_as_they_are_written(number: int) -> None:
    if 1 <= number <= 9:
        assert parsed("n", f" {number} ", Annotated[int, Whole(1, 9)]) == number
    else:
        with pytest.raises(ValueError, match="^n: expected a whole number from 1 to 9, got "):
            parsed("n", str(number), Annotated[int, Whole(1, 9)])


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_real_numbers_are_read_as_python_writes_them(number: float) -> None:
    assert parsed("r", repr(number), float) == number


@pytest.mark.parametrize(
    "text",
    ["", " ", "nan", "inf", "-inf", "infinity", "1e400", "1_000", "１", "0x10", "1e", ".", "1,5",
     "--1", "1e99999999", "9" * 5000, "x" * 5000, "True"],
)  # fmt: skip
def test_what_is_no_number_is_refused_as_a_text(text: str) -> None:
    for hint in (int, float, Annotated[int, Whole(1)] | None):
        with pytest.raises(ValueError, match=r"^x: expected a [^\n]*, got ") as error:
            parsed("x", text, hint)
        assert len(str(error.value)) < 200


def test_words_flags_and_none_are_read_as_they_are_written() -> None:
    assert parsed("x", "TRUE", bool) is True
    assert parsed("x", "none", int | None) is None
    assert parsed("x", "a", Mode) == "a"
    assert parsed("x", "1, 2", tuple[int, ...]) == (1, 2)
    for text, hint in (("yes", bool), ("A", Mode), ("1,", tuple[int, ...])):
        with pytest.raises(ValueError, match="^x: expected "):
            parsed("x", text, hint)


@pytest.mark.parametrize("text", ["CIFAR10", "cifar-10", "Cifar_10", " CIFAR 10"])
def test_a_word_is_known_whatever_its_case_and_hyphens(text: str) -> None:
    known = ("cifar10", "cifar100", "imagenet16-120")
    assert checks.same_word(text, known) == "cifar10"
    assert checks.same_word("ImageNet16_120", known) == "imagenet16-120"
    for other in ("cifar1", "cifar10-valid", "", "x" * 5000, 3, None):
        assert checks.same_word(other, known) is None
