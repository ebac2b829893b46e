"""Numbers and words from outside: what is taken, what is refused, and in which words."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxnas import checks


@pytest.mark.parametrize("value", [3, np.int8(3), np.array(3, np.uint64)])
def test_a_whole_number_of_any_integer_type_is_taken_as_an_int(value: object) -> None:
    found = checks.whole("k", value)
    assert type(found) is int
    assert found == 3


@pytest.mark.parametrize(
    "value",
    [1.0, True, np.True_, "3", None, math.nan, [3], np.array([3]), -1, 2**63, 10**5000],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_whole_number_of_the_range_is_refused_in_one_short_line(value: object) -> None:
    with pytest.raises(ValueError, match=r"^k: expected a whole number of at least 0, got ") as e:
        checks.whole("k", value)
    assert len(str(e.value)) < 160
    assert "\n" not in str(e.value)


def test_a_range_is_said_with_both_ends_and_its_reason() -> None:
    with pytest.raises(ValueError, match="k: expected a whole number from 2 to 9, for two, got 1"):
        checks.whole("k", 1, 2, 9, why="for two")


@given(st.integers(-20, 20), st.integers(-5, 5), st.integers(-5, 5))
def test_whole_numbers_are_taken_just_within_their_range(value: int, a: int, b: int) -> None:
    low, high = min(a, b), max(a, b)
    if low <= value <= high:
        assert checks.whole("k", value, low, high) == value
    else:
        with pytest.raises(ValueError, match="k: expected"):
            checks.whole("k", value, low, high)


def test_real_numbers_are_finite_and_within_open_or_closed_ranges() -> None:
    assert checks.real("r", np.float32(0.5), 0, 1) == 0.5
    assert type(checks.real("r", 2)) is float
    assert checks.real("r", np.array(0.25)) == 0.25
    for value in (math.nan, math.inf, -math.inf, "0.5", True, None, 10**400, 1j, [0.5]):
        with pytest.raises(ValueError, match="^r: expected a finite number, got "):
            checks.real("r", value)
    assert checks.real("r", 0, 0) == 0
    with pytest.raises(ValueError, match="r: expected a finite number above 0 up to 1, got 0"):
        checks.real("r", 0, 0, 1, above=True)
    with pytest.raises(ValueError, match="r: expected a finite number from 0 below 1, got 1"):
        checks.real("r", 1, 0, 1, below=True)


def test_only_true_and_false_are_flags() -> None:
    assert checks.flag("f", np.True_) is True
    for value in ("yes", 1, 0, None, "", np.array([True])):
        with pytest.raises(ValueError, match="f: expected True or False, got"):
            checks.flag("f", value)


def test_a_word_is_one_of_those_known() -> None:
    assert checks.one_of("mode", "a", ["a", "b"]) == "a"
    with pytest.raises(ValueError, match="mode 'bb': expected .*did you mean 'b'"):
        checks.one_of("mode", "bb", ["a", "b"])
    with pytest.raises(ValueError, match="mode: expected one of a, b, got None"):
        checks.one_of("mode", None, ["a", "b"])


def test_sequences_of_whole_numbers_lose_their_repetitions() -> None:
    assert checks.several_whole("seeds", [3, np.int64(1), 3]) == (3, 1)
    assert checks.several_whole("seeds", range(0), empty=True) == ()
    for value in (3, "0,1", b"01", None):
        with pytest.raises(ValueError, match="seeds: expected a sequence of whole numbers"):
            checks.several_whole("seeds", value)
    with pytest.raises(ValueError, match="seeds: expected at least one, got none"):
        checks.several_whole("seeds", [])


@given(st.text())
def test_what_is_shown_has_no_control_characters_and_one_line(text: str) -> None:
    for shown in (checks.quoted(text), checks.shortened(text), checks.unknown("x", text, ["ab"])):
        assert shown.isprintable()
    assert all(c.isprintable() or c in "\n\t" for c in checks.printable(text))


def test_escapes_of_a_terminal_are_written_out() -> None:
    assert checks.printable("a\x1b]0;title\x07b\x9b31m") == "a\\x1b]0;title\\x07b\\x9b31m"
    assert checks.printable("π τ_b\nnext") == "π τ_b\nnext"


def test_what_is_long_is_cut_before_it_is_written() -> None:
    for value in ("x" * 10_000_000, [0] * 10_000_000, 10**5000, [10**5000], {1: "y" * 10**6}):
        assert len(checks.quoted(value)) < 100
