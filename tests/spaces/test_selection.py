"""Which architectures a SPEC means, in every form and for both spaces; and which it refuses."""

import json

import numpy as np
import pytest

from jaxnas.spaces import SPACES, select
from jaxnas.spaces.selection import select_seeds

NB201, DARTS = SPACES["nb201"], SPACES["darts"]
V1 = DARTS.published["darts-v1"]
CELL = NB201.arch(9930)

every_space = pytest.mark.parametrize("space", SPACES.values(), ids=SPACES)


def refusal(selection, space):
    """The sentence by which a selection is refused."""
    with pytest.raises(ValueError) as error:
        select(selection, space)
    sentence = str(error.value)
    assert "\n" not in sentence and len(sentence) < 300
    assert "expected" in sentence
    return sentence


@every_space
def test_random_draws_by_seed(space):
    assert select("random:5", space, 3) == space.draw(5, 3)
    assert select(" random:5 ", space) == space.draw(5, 0)


@every_space
def test_archs_are_themselves(space):
    a, b = space.draw(2, 0)
    assert select(a, space) == select(f" {a}\n", space) == (a,)
    assert select([a, b, a], space) == (a, b)
    assert select((a for a in [b, a]), space) == (b, a)


def test_ranges_and_indices_of_nb201():
    assert select("3:6", NB201) == tuple(map(NB201.arch, (3, 4, 5)))
    assert select("15624:15625", NB201) == (NB201.arch(15624),)
    assert select("7", NB201) == select(7, NB201) == select(np.int64(7), NB201)
    assert select("7, 2,7", NB201) == (NB201.arch(7), NB201.arch(2))
    assert select([7, "2", np.int32(7)], NB201) == (NB201.arch(7), NB201.arch(2))
    assert select(np.array([7, 2]), NB201) == select(range(7, 1, -5), NB201)
    assert select(f"{CELL}, 2", NB201) == (CELL, NB201.arch(2))


def test_published_genotypes_by_name():
    assert select("darts-v1", DARTS) == select(V1, DARTS) == (V1,)
    assert select("darts-v1,pr-darts, darts-v1", DARTS) == (V1, DARTS.published["pr-darts"])
    assert select(["darts-v1", V1], DARTS) == (V1,)


def test_genotypes_in_other_notations():
    assert select(V1.replace("[2, 3, 4, 5]", "range(2, 6)"), DARTS) == (V1,)
    assert select(f"DARTS = {V1}", DARTS) == (V1,)
    assert select(json.dumps({"genotype": V1}), DARTS) == (V1,)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("15625", "Cell index: expected 0..15624, got 15625."),
        ("-1", "Cell index: expected 0..15624, got -1."),
        (15625, "Cell index: expected 0..15624, got 15625."),
        ("0,15625", "Cell index: expected 0..15624, got 15625."),
        ("5:5", "cells 5:5: expected 0 <= START < STOP <= 15625"),
        ("0:15626", "cells 0:15626: expected 0 <= START < STOP <= 15625"),
        ("a:5", "cells a:5: expected a whole number, got 'a'"),
        ("1:2:3", "cells '1:2:3': expected all, START:STOP"),
        ("random:x", "cells random:x: expected a whole number, got 'x'"),
        ("random:0", "random:0: expected 1 to 15625"),
        ("random:15626", "random:15626: expected 1 to 15625"),
        ("best", "cells 'best': expected all, START:STOP, random:N, @FILE"),
        ("1,,2", "cells '': expected all"),
        ("", "cells '': expected all"),
        ([], "cells: expected at least one, got none"),
        (V1, "cells: expected architectures of NAS-Bench-201, got one of the DARTS space"),
        ([V1], "cells: expected architectures of NAS-Bench-201, got one of the DARTS space"),
        ("|none~0|", "Arch string '|none~0|': expected 3 nodes"),
        (CELL + "|" * 500, "Arch string "),
        (CELL.replace("nor_conv_3x3~1", "x" * 500 + "~1"), "Arch string "),
    ],
)
def test_what_is_no_cell_is_refused(selection, message):
    assert refusal(selection, NB201).startswith(message)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("all", "cells all: expected a space that can be enumerated, but the DARTS space has 1.1e"),
        ("0:5", "cells 0:5: expected Genotype("),
        ("3", "index 3: expected a genotype, as the DARTS space has no indices"),
        (3, "index 3: expected a genotype, as the DARTS space has no indices"),
        ([np.int64(3)], "index 3: expected a genotype, as the DARTS space has no indices"),
        ("random:0", "random:0: expected 1 to 10,000,000 genotypes"),
        ("random:x", "cells random:x: expected a whole number, got 'x'"),
        (CELL, "cells: expected architectures of the DARTS space, got one of NAS-Bench-201"),
        (["darts-v1", CELL], "cells: expected architectures of the DARTS space, got one of NAS"),
        ("darts-v3", "published architecture 'darts-v3': expected one of 5 known names"),
        ("Genotype(normal=[])", "Genotype: expected the fields normal, "),
        ("Genotype(" * 300, "Genotype: expected Genotype(normal="),
        (V1.replace("sep_conv_3x3", "sep_conv_3x4", 1), "Genotype, normal, edge 0: expected one"),
        (V1.replace("sep_conv_3x3", "x" * 500, 1), "Genotype, normal, edge 0: expected one"),
        (V1.replace("[2, 3, 4, 5]", str([*range(300)])), "Genotype, normal_concat: expected diff"),
        (V1.replace("normal=", "x" * 500 + "="), "Genotype: expected the fields normal, "),
        (V1.replace("[2, 3, 4, 5]", "[2, 3]", 1), "Genotype, normal_concat: expected all"),
    ],
)
def test_what_is_no_genotype_is_refused(selection, message):
    assert refusal(selection, DARTS).startswith(message)


def test_a_refusal_names_the_space_to_choose():
    assert refusal(V1, NB201).endswith("choose the space darts")
    assert refusal(CELL, DARTS).endswith("choose the space nb201")
    assert "did you mean 'darts-v2'?" in refusal("darts-v22", DARTS)


# Files.


def test_files_have_one_architecture_a_line_and_comments(tmp_path):
    path = tmp_path / "cells.txt"
    path.write_text(f"# the best\n\n{CELL}  # by accuracy\n  7\n{CELL}\n")
    assert select(f"@{path}", NB201) == (CELL, NB201.arch(7))
    path.write_text(f"darts-v1\n{DARTS.draw(1, 0)[0]}\r\n")
    assert select(f"@{path}", DARTS) == (V1, DARTS.draw(1, 0)[0])


def test_files_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "cells.txt").write_text("7\n")
    assert select("@~/cells.txt", NB201) == (NB201.arch(7),)


@every_space
def test_json_of_a_search_names_its_architecture(space, tmp_path):
    path = tmp_path / "search.json"
    (arch,) = space.draw(1, 2)
    path.write_text(json.dumps({"method": "x", "architecture": arch}, indent=1))
    assert select(f"@{path}", space) == (arch,)


def test_json_with_a_genotype(tmp_path):
    path = tmp_path / "genotype.json"
    path.write_text("\n" + json.dumps({"genotype": V1}))
    assert select(f"@{path}", DARTS) == (V1,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected one architecture a line, got none"),
        (b"# nothing\n\n", "expected one architecture a line, got none"),
        (b"\xff\xfe\x00", "expected lines of text, got other bytes"),
        (b"7\n\n15625\n", "line 3: Cell index: expected 0..15624, got 15625."),
        (b"7\nbest\n", "line 2: cells 'best': expected all"),
        (V1.encode(), "line 1: cells: expected architectures of NAS-Bench-201, got one of the"),
        (b'{"architecture": "|none~0|"}', "Arch string '|none~0|': expected 3 nodes"),
        (json.dumps({"genotype": V1}).encode(), "cells: expected architectures of NAS-Bench-201"),
        (b'{"architecture": 3}', "Arch string '{"),
        (b"{" * 1000, "Arch string '{{"),
    ],
)
def test_files_without_cells_are_refused(content, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_bytes(content)
    sentence = refusal("@f", NB201)
    assert sentence.startswith(("f: " + message, "f, " + message))


def test_files_without_genotypes_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f").write_text("darts-v1\n3\n")
    assert refusal("@f", DARTS).startswith("f, line 2: index 3: expected a genotype")
    (tmp_path / "f").write_text("darts-v1\ndarts-v3\n")
    assert refusal("@f", DARTS).startswith("f, line 2: published architecture 'darts-v3'")
    (tmp_path / "f").write_text(json.dumps({"architecture": CELL}))
    assert refusal("@f", DARTS).startswith("f: cells: expected architectures of the DARTS space, ")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError):
        select(f"@{tmp_path / 'no'}", NB201)


# Seeds.


def test_seeds():
    assert select_seeds("0") == (0,)
    assert select_seeds(" 3, 1,3 ,0") == (3, 1, 0)
    assert select_seeds(str(2**63 - 1)) == (2**63 - 1,)


@pytest.mark.parametrize("text", ["", "a", "1,", "-1", "1.0", "1;2", str(2**63), "0x1", "1 2"])
def test_what_is_no_seed_is_refused(text):
    with pytest.raises(ValueError, match=r"^seeds [^\n]*: expected whole numbers from 0 up[^\n]*$"):
        select_seeds(text)
