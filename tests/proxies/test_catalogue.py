"""The list of scores: complete, in the order of the tables there are, and readable without JAX."""

import importlib
import inspect
import subprocess
import sys

import numpy as np
import pytest

from jaxnas.proxies import CATALOGUE, catalogue
from jaxnas.proxies.derived import DERIVED, js_range
from jaxnas.references import REFERENCES, cite

# The order of the columns of every table written so far.
COLUMNS = (
    *("params", "flops"),
    *("gradient_kernel", "gradient_value", "gradient_correlation", "gradient_trace"),
    "gradient_kernel_sampled",
    *("js", "js_n0.1", "js_n10", "js_n100", "jsc", "jsc_n0.1", "jsc_n10", "jsc_n100"),
    *("pjs", "pjsc", "wpjs", "wpjsi", "pjs_nz", "wpjs_nz", "wpjsi_nz"),
    *("sns", "snsc", "lns", "lnsc", "mnjs", "mnjsc"),
)
NOT_IN_ALL = {"gradient_kernel_sampled", "pjs_nz", "wpjs_nz", "wpjsi_nz"}
JS, JSC = COLUMNS[7:11], COLUMNS[11:15]


def test_order_and_all_are_those_of_the_tables_there_are():
    assert catalogue.names() == COLUMNS
    assert catalogue.all_names() == tuple(name for name in COLUMNS if name not in NOT_IN_ALL)
    assert catalogue.names("count") == ("params", "flops")
    assert catalogue.names("derived") == tuple(DERIVED.requires)
    assert catalogue.preferred() == ("pjs", "js", "gradient_kernel")


@pytest.mark.parametrize("entry", CATALOGUE, ids=lambda entry: entry.name)
def test_each_entry_is_complete(entry):
    for text in (entry.family, entry.meaning, entry.equation, entry.place, entry.cost):
        assert text
        assert "\n" not in text
    assert entry.references
    assert set(entry.references) <= set(REFERENCES)
    assert (entry.bn is not None) == bool(entry.factory) == (entry.kind == "proxy")
    assert bool(entry.requires) == (entry.kind == "derived")
    if entry.kind == "proxy":
        module, function = entry.factory.split(":")
        factory = getattr(importlib.import_module(module), function)
        assert set(entry.constants) <= set(inspect.signature(factory).parameters)
        assert entry.make().name == entry.name
        assert (entry.passes is None) == (entry.family == "gradients of examples") or entry.rank


def test_batch_normalisation_by_default_is_that_of_the_paper():
    modes = {"gt-nas": "example", "parameters-scoring": "batch"}
    for entry in CATALOGUE:
        if entry.kind == "proxy":
            assert entry.bn == modes[entry.reference]


def test_columns_spell_out_all_and_add_bases():
    assert catalogue.columns("all") == catalogue.all_names()
    assert catalogue.columns(["mnjs", "pjs"]) == (*JS, "pjs", "mnjs")
    assert catalogue.columns("snsc") == ("jsc", "jsc_n0.1", "snsc")
    assert catalogue.columns(["wpjs_nz", "all", "pjs"]) == tuple(
        name for name in COLUMNS if name not in NOT_IN_ALL - {"wpjs_nz"}
    )
    with pytest.raises(ValueError, match="expected at least one name, got none"):
        catalogue.columns([])
    with pytest.raises(ValueError, match="score 'gradient_kernal': .*'gradient_kernel'"):
        catalogue.columns("gradient_kernal")


def test_constants_make_another_proxy():
    assert catalogue.make("js_n10", k=0.1).name == "js_n10_k0.1"
    assert catalogue.make("js_n10", noise=3).name == "js_n3"
    with pytest.raises(ValueError, match="expected the name of a proxy, got params, a count"):
        catalogue.make("params")


def test_the_list_is_read_without_jax():
    code = """
import sys
import jaxnas.references
from jaxnas import proxies
from jaxnas.proxies import catalogue
catalogue.columns("all")
assert {"js", "score", "make", "CATALOGUE"} <= set(dir(proxies))
print(sorted({"jax", "pyarrow", "flax"} & set(sys.modules)))
assert callable(proxies.js) and callable(proxies.gradient_kernel)
print("jax" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["[]", "True"]


# ---- derived scores, as a table asks for them

HAND = {name: np.array([-100.0 + 10 * i, -20.0 * i]) for i, name in enumerate(JS)} | {
    name: np.array([0.5, 0.25 * i]) for i, name in enumerate(JSC)
}


def test_the_tables_own_range_is_found_and_a_given_one_checked():
    assert js_range(HAND) == (-100.0, 0.0)
    assert DERIVED.constants(["sns", "pjs"], HAND) == {"noise_range": (-100.0, 0.0)}
    assert DERIVED.constants(["sns"], HAND, {"noise_range": (-1.0, 2.0)}) == {
        "noise_range": (-1.0, 2.0)
    }
    assert DERIVED.constants(["snsc", "js"], HAND) == {"noise_range": None}
    assert DERIVED.constants(["sns"], HAND, {"noise_range": None}) == DERIVED.constants(
        ["sns"], HAND
    )
    for wrong in ((1.0, 1.0), (2.0, 1.0), (float("nan"), 1.0), (0.0, float("inf"))):
        with pytest.raises(ValueError, match="noise_range: expected"):
            DERIVED.constants(["sns"], HAND, {"noise_range": wrong})
    with pytest.raises(ValueError, match="expected some of noise_range, got range"):
        DERIVED.check({"range": (0.0, 1.0)})


def test_derived_scores_by_hand():
    limits = {"noise_range": (-100.0, 0.0)}  # js~ of the first cell 0, .1, .2, .3
    expected = {"sns": 0.9, "lns": 0.8, "mnjs": 0.0, "snsc": 1.0, "lnsc": 1.0, "mnjsc": 0.5}
    for name, value in expected.items():
        needed = {base: HAND[base] for base in DERIVED.requires[name]}
        assert DERIVED.compute(name, needed, limits)[0] == pytest.approx(value), name
    # Of the second js~ = 1, .8, .6, .4 and jsc = 0, .25, .5, .75.
    assert DERIVED.compute("mnjs", HAND, limits)[1] == pytest.approx(0.8 * 0.6 * 0.4)
    assert DERIVED.compute("lnsc", HAND, limits)[1] == pytest.approx(0.5)


def test_js_that_never_varies_makes_no_noise_score():
    for limits in ((-90.0, -90.0), None):
        for name, bases in DERIVED.requires.items():
            values = DERIVED.compute(name, HAND, {"noise_range": limits})
            assert np.isnan(values).all() == (bases == JS)


def test_bases_are_added_behind_what_is_asked():
    assert DERIVED.with_bases(["mnjsc", "pjs", "lns"]) == ("mnjsc", "pjs", "lns", *JSC, *JS)


# ---- references


def test_each_reference_is_cited_once_in_order():
    text = cite(["darts", "gt-nas", "darts"])
    assert [line for line in text.splitlines() if line.startswith("@")] == [
        "@inproceedings{darts,",
        "@inproceedings{gt-nas,",
    ]
    with pytest.raises(ValueError, match="reference 'dart': .* did you mean 'darts'"):
        cite(["dart"])


@pytest.mark.parametrize("key", REFERENCES)
def test_bibtex_says_what_the_fields_say(key):
    reference = REFERENCES[key]
    assert reference.key == key
    assert reference.bibtex.count("{") == reference.bibtex.count("}")
    for value in (key, *reference.authors, reference.title, str(reference.year), reference.url):
        assert value in reference.bibtex
    assert reference.short.endswith(str(reference.year))
