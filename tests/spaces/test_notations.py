"""Notations of other libraries: read where they cannot be taken for another, else refused."""

from __future__ import annotations

import codecs
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas.spaces import SPACES, nb201, select
from jaxnas.spaces.darts import DARTS_V2
from jaxnas.spaces.nb201 import naslib_to_ops
from jaxnas.spaces.notation import bare, decoded

NB201, DARTS = SPACES["nb201"], SPACES["darts"]

# By NASLib's own convert_op_indices_to_str.
NASLIB = (4, 0, 3, 1, 4, 3)
NASLIB_ARCH = (
    "|avg_pool_3x3~0|+|skip_connect~0|none~1|+|nor_conv_1x1~0|avg_pool_3x3~1|nor_conv_1x1~2|"
)

V2 = str(DARTS_V2)
CODES = st.tuples(*[st.integers(0, 4)] * 6)


def refusal(selection: object, space=NB201) -> str:
    with pytest.raises(ValueError) as error:
        select(selection, space)
    sentence = str(error.value)
    assert "\n" not in sentence
    assert len(sentence) < 300
    assert "expected" in sentence
    return sentence


# NASLib's numbers.


@pytest.mark.parametrize(
    "text",
    [
        "naslib:4,0,3,1,4,3",
        "naslib:(4, 0, 3, 1, 4, 3)",
        "naslib:[4,0,3,1,4,3]",
        " naslib: 4,0,3,1,4,3 ",
    ],
)
def test_numbers_that_are_marked_are_naslib_s_cell(text: str, tmp_path) -> None:
    assert NB201.arch(2631) == NASLIB_ARCH
    assert select(text, NB201) == select([text], NB201) == (NASLIB_ARCH,)
    path = tmp_path / "cells.txt"
    path.write_text(f"7\n{text}\n")
    assert select(f"@{path}", NB201) == (NB201.arch(7), NASLIB_ARCH)


@settings(deadline=None)
@given(CODES)
def test_naslib_s_coding_by_edges(codes: tuple[int, ...]) -> None:
    names = ("skip_connect", "none", "nor_conv_3x3", "nor_conv_1x1", "avg_pool_3x3")
    at = dict(
        zip(itertools.combinations(range(4), 2), (names[code] for code in codes), strict=True)
    )
    written = "+".join(
        "|" + "|".join(f"{at[source, node]}~{source}" for source in range(node)) + "|"
        for node in (1, 2, 3)
    )
    assert nb201.ops_to_arch(naslib_to_ops(codes)) == written


@settings(deadline=None)
@given(CODES)
def test_six_small_numbers_are_refused_with_both_readings(codes: tuple[int, ...]) -> None:
    written = ",".join(map(str, codes))
    once = ",".join(map(str, dict.fromkeys(codes)))
    for selection in (written, ", ".join(map(str, codes)), codes, list(codes), np.array(codes),
                      [str(code) for code in codes], iter(codes)):  # fmt: skip
        sentence = refusal(selection)
        assert f"write {once} for" in sentence
        assert f"naslib:{written} for" in sentence
    # Both ways to write it are taken, and mean what is said.
    assert select(once, NB201) == tuple(map(NB201.arch, dict.fromkeys(codes)))
    assert select(f"naslib:{written}", NB201) == (NB201.decode(naslib_to_ops(codes)),)


def test_numbers_in_brackets_are_refused_too() -> None:
    for selection in ("(4, 0, 3, 1, 4, 3)", "[4,0,3,1,4,3]", [NASLIB], [NASLIB, NASLIB]):
        assert "naslib:4,0,3,1,4,3" in refusal(selection)


def test_numbers_that_are_no_code_are_indices() -> None:
    for indices in ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4), (4, 0, 3, 1, 4, 3, 2), range(6)):
        expected = tuple(map(NB201.arch, dict.fromkeys(indices)))
        assert select(indices, NB201) == select(",".join(map(str, indices)), NB201) == expected


@pytest.mark.parametrize(
    "text",
    [
        "naslib:",
        "naslib:1,2",
        "naslib:4,0,3,1,4,5",
        "naslib:4,0,3,1,4,-1",
        "naslib:4,0,3,1,4,3,3",
        "naslib:a,b,c,d,e,f",
        "naslib:" + "4," * 3000,
        "naslib:４,0,3,1,4,3",
    ],
)
def test_what_is_no_code_of_naslib_is_refused(text: str) -> None:
    assert "expected six numbers 0..4 after naslib:" in refusal(text)


# AutoDL-Projects.


@pytest.mark.parametrize(
    "text",
    [
        f"  {NASLIB_ARCH}\n",
        f"'{NASLIB_ARCH}'",
        f'"{NASLIB_ARCH}"',
        f"“{NASLIB_ARCH}”",
        f"\ufeff{NASLIB_ARCH}",
        f" \ufeff ' \"{NASLIB_ARCH}\" '",
        NASLIB_ARCH.replace("|+|", "| + |"),
        f"Structure(4 nodes with {NASLIB_ARCH})",
        f"CellStructure(4 nodes with {NASLIB_ARCH})",
        "((('avg_pool_3x3', 0),), (('skip_connect', 0), ('none', 1)), "
        "(('nor_conv_1x1', 0), ('avg_pool_3x3', 1), ('nor_conv_1x1', 2)))",
        "[(('avg_pool_3x3', 0),), (('none', 1), ('skip_connect', 0)), "
        "(('nor_conv_1x1', 0), ('nor_conv_1x1', 2), ('avg_pool_3x3', 1))]",
        '[[["avg_pool_3x3", 0]], [["skip_connect", 0], ["none", 1]], '
        '[["nor_conv_1x1", 0], ["avg_pool_3x3", 1], ["nor_conv_1x1", 2]]]',
    ],
)
def test_a_cell_as_autodl_and_spreadsheets_write_it(text: str) -> None:
    assert select(text, NB201) == select([text], NB201) == (NASLIB_ARCH,)
    assert NB201.indices([text]).tolist() == [2631]


def test_a_list_of_quoted_archs() -> None:
    other = NB201.arch(7)
    for quote in "\"'":
        text = f"{quote}{NASLIB_ARCH}{quote}, {quote}{other}{quote}"
        assert select(text, NB201) == (NASLIB_ARCH, other)


@pytest.mark.parametrize(
    "text",
    [
        "()",
        "(" * 5000,
        "[1, 2]",
        "((1,),(2,),(3,))",
        "((('none', 1),), (('none', 0), ('none', 1)), (('none', 0), ('none', 1), ('none', 2)))",
        "((('none', 0),), (('none', 0),), (('none', 0),))",
        "(open('x'),)",
        "((('none', True),), 1, 2)",
        "Structure(5 nodes with |none~0|)",
        "'\"'",
        "((()))",
    ],
)
def test_tuples_that_are_no_cell_are_refused(text: str) -> None:
    refusal(text)


# Genotypes.


def positional(text: str) -> str:
    for name in ("normal=", "normal_concat=", "reduce=", "reduce_concat="):
        text = text.replace(f" {name}", " ").replace(f"({name}", "(")
    return text


@pytest.mark.parametrize(
    "text",
    [
        V2.replace("[2, 3, 4, 5]", "range(2, 6, 1)"),
        V2.replace("[2, 3, 4, 5]", "list(range(2, 6))"),
        V2.replace("[2, 3, 4, 5]", "tuple(range(2, 6))"),
        V2.replace("[2, 3, 4, 5]", "(2, 3, 4, 5)"),
        V2.replace("', 0)", "', np.int64(0))"),
        positional(V2),
        positional(V2).replace("[2, 3, 4, 5])", "reduce_concat=range(2, 6))"),
        f"genotypes.{V2}",
        f"cnn.genotypes.{V2}",
        f"DARTS_V2 = {V2}",
        f"DARTS_V2 = genotypes.{V2}",
        f"DARTS_V2: Genotype = {V2}",
        f"08/25 09:15:33 PM genotype = {V2}",
        f"[2019-08-25 09:15:33] genotype : {V2}",
        f'"{V2}"',
        f"\ufeff{V2}\n",
        V2[:-1] + ", connectN=None, connects=None)",
        V2.replace(", ", ",\n    "),
        "DARTS_V2",
        "darts_v2",
        "DARTSV2",
    ],
)
def test_a_genotype_as_it_is_printed(text: str) -> None:
    assert select(text, DARTS) == select([text], DARTS) == (V2,)


def test_a_genotype_over_several_lines_of_a_file(tmp_path) -> None:
    path = tmp_path / "genotypes.py"
    text = V2.replace("), ", "),\n    ").replace("[2, 3, 4, 5]", "range(2, 6, 1)")
    for content in (text, f"# second order\nDARTS_V2 = {text}  # as printed\n", f"\n\n{text}\n"):
        path.write_text(content)
        assert select(f"@{path}", DARTS) == (V2,)


@pytest.mark.parametrize(
    "text",
    [
        f"evil({V2})",
        f"os.system({V2})",
        f"{V2}; x = 1",
        f"[{V2}]",
        V2.replace("[2, 3, 4, 5]", "range(2, 6, 0)"),
        V2.replace("[2, 3, 4, 5]", "range(2, 10**99)"),
        V2.replace("[2, 3, 4, 5]", "range(2, 99999999999)"),
        V2.replace("[2, 3, 4, 5]", "[[2]]"),
        V2.replace("[2, 3, 4, 5]", "[2.0, 3, 4, 5]"),
        V2.replace("[2, 3, 4, 5]", "[True, 3, 4, 5]"),
        V2[:-1] + ", normal=[])",
        V2[:-1] + ", connectN=4)",
        positional(V2)[:-1] + ", normal=[])",
        positional(V2)[:-1] + ", None, None, None)",
        "Genotype(" + "[" * 5000,
        "Genotype(**{})",
        "4,0,3,1,4,3",
        "naslib:4,0,3,1,4,3",
    ],
)
def test_what_is_no_genotype_is_refused(text: str) -> None:
    refusal(text, DARTS)


# Texts.


@settings(deadline=None)
@given(st.text(max_size=20))
def test_marks_and_quotes_are_taken_off_once_and_for_all(text: str) -> None:
    assert bare(bare(text)) == bare(text)
    assert bare(f" \ufeff'{bare(text)}'\n") == bare(f"'{bare(text)}'")


@pytest.mark.parametrize(
    "encode",
    [
        str.encode,
        lambda text: text.encode("utf-8-sig"),
        lambda text: text.encode("utf-16"),
        lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    ],
)
def test_files_are_read_by_their_byte_order_mark(encode, tmp_path) -> None:
    assert decoded(encode("7\n")) == "7\n"
    (tmp_path / "f").write_bytes(encode(f"{NASLIB_ARCH}\r\n7\r\n"))
    assert select(f"@{tmp_path / 'f'}", NB201) == (NASLIB_ARCH, NB201.arch(7))


# Selections that are none.


@pytest.mark.parametrize(
    "selection",
    [
        1.5,
        [1.5],
        True,
        [True],
        None,
        [None],
        b"7",
        [b"7"],
        {"a": 1},
        [[1, 2]],
        10**30,
        -1,
        [10**5000],
        np.array([1.0]),
        np.array(1.5),
        np.array([True]),
        {1.5},
        (float("nan"),),
        "9" * 5000,
        "random:1e3",
        "0:" + "9" * 30,
        "１",
        "1_000",
        "٣",
        object(),
    ],
    ids=lambda value: repr(type(value)),
)
def test_what_selects_nothing_is_refused_in_one_short_sentence(selection: object) -> None:
    refusal(selection)


def test_a_home_that_there_is_not_is_a_file_that_there_is_not() -> None:
    with pytest.raises(FileNotFoundError):
        select("@~nobody-of-this-name/cells", NB201)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("text", ["Genotype(1if 2else 3)", "(1if 2else 3, '\\d')", "(1)()"])
def test_texts_that_python_warns_of_are_refused_without_a_warning(text: str) -> None:
    for space in (NB201, DARTS):
        refusal(text, space)


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_only_a_regular_file_of_a_bounded_size_is_read(kind: str, tmp_path) -> None:
    path = tmp_path / "cells"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(10**12)
    assert "cannot be a list of architectures" in refusal(f"@{path}")


def test_arrays_of_whole_numbers_are_indices() -> None:
    assert select(np.array(7), NB201) == select(np.uint8(7), NB201) == (NB201.arch(7),)
