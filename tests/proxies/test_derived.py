"""Derived scores by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from jaxnas.proxies.derived import DERIVED, js_range

JS = ("js", "js_n0.1", "js_n10", "js_n100")
JSC = ("jsc", "jsc_n0.1", "jsc_n10", "jsc_n100")
RESCALED = ("sns", "lns", "mnjs")


def derive(name: str, columns: dict[str, np.ndarray], limits: tuple[float, float] | None):
    return DERIVED.compute(name, columns, {"noise_range": limits})


def columns_from(values: dict[str, list[float]]) -> dict[str, np.ndarray]:
    return {name: np.array(value) for name, value in values.items()}


HAND = columns_from(
    {
        "js": [-100.0, -60.0],
        "js_n0.1": [-90.0, -60.0],
        "js_n10": [-80.0, -20.0],
        "js_n100": [0.0, -70.0],
        "jsc": [0.5, 0.8],
        "jsc_n0.1": [0.25, 0.8],
        "jsc_n10": [0.75, 0.3],
        "jsc_n100": [0.5, 0.3],
    }
)  # js~ = 0, .4; with noise .1 and .4, .2 and .8, 1 and .3


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sns", [0.9, 1.0]),
        ("lns", [0.8, 0.6]),
        ("mnjs", [0.0, 0.4 * 1.0 * 0.6 * 0.9]),
        ("snsc", [0.75, 1.0]),
        ("lnsc", [0.75, 0.5]),
        ("mnjsc", [0.5 * 0.75 * 0.75 * 1.0, 0.8 * 1.0 * 0.5 * 0.5]),
    ],
)
def test_derived_scores_by_hand(name: str, expected: list[float]) -> None:
    assert js_range(HAND) == (-100.0, 0.0)
    needed = {base: HAND[base] for base in DERIVED.requires[name]}
    np.testing.assert_allclose(derive(name, needed, (-100.0, 0.0)), expected, atol=1e-12)


def test_constants_given_rescale_without_clipping() -> None:
    # js~ = -1 and 1; with noise 0.1: -0.5 and 1
    np.testing.assert_allclose(derive("sns", HAND, (-80.0, -60.0)), [0.5, 1.0])
    np.testing.assert_allclose(derive("mnjsc", HAND, None)[0], 0.28125)


def test_range_ignores_what_is_not_finite() -> None:
    columns = columns_from({name: [math.nan, -math.inf, math.inf] for name in JS})
    assert js_range(columns) is None
    columns["js_n10"][0] = -3.0
    columns["js"][0] = 4.0
    assert js_range(columns) == (-3.0, 4.0)


def test_js_that_never_varies_makes_no_noise_score() -> None:
    for limits in ((-90.0, -90.0), None):
        for name in RESCALED:
            assert np.isnan(derive(name, HAND, limits)).all()
        assert np.isfinite(derive("snsc", HAND, limits)).all()


def test_every_derived_score_names_what_it_needs() -> None:
    assert DERIVED.with_bases(["mnjsc", "pjs", "lns"]) == ("mnjsc", "pjs", "lns", *JSC, *JS)
    for name, bases in DERIVED.requires.items():
        derive(name, {base: HAND[base] for base in bases}, (0.0, 1.0))
    assert set(DERIVED.requires) == {"sns", "snsc", "lns", "lnsc", "mnjs", "mnjsc"}
