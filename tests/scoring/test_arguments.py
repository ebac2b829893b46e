"""What scoring refuses, before anything is written."""

import numpy as np
import pytest
from scoring_cases import DISCONNECTED, PLAIN, score

import jaxnas
from jaxnas import spaces
from jaxnas.proxies import catalogue
from jaxnas.scoring import Settings
from jaxnas.spaces import nb201

NAMES = [name for name in catalogue.names("proxy")]
COLUMNS = catalogue.names()
ARCHS = spaces.DEFAULT.arch


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"proxies": ["pjss"]}, "'pjss'.*did you mean 'pjs"),
        ({"proxies": []}, "expected at least one"),
        ({"cells": []}, "cells: expected at least one"),
        ({"cells": [15625]}, "15625"),
        ({"cells": "|nor_conv_3x3~0|"}, "3 nodes"),
        ({"batch_size": 25}, "24 training images"),
        ({"batch_size": 1}, "batch_size: expected a whole number from 2 to "),
        ({"bn": "running"}, "bn: expected one of paper, batch"),
        ({"dtype": "bfloat16"}, "dtype: expected one of"),
        ({"seeds": (-1,)}, "seeds: expected a whole number of at least 0"),
        ({"settings": Settings(), "bn": "batch"}, "settings or bn, got both"),
        ({"settings": None, "seeds": ()}, "seeds"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(tiny, tmp_path, arguments, words):
    out = tmp_path / "out"
    asked = {"cells": [PLAIN], "proxies": ["js"]} | arguments
    with pytest.raises(ValueError, match=words):
        jaxnas.score(dataset=tiny, out=out, **asked)
    assert not out.exists()


def test_images_must_fit_the_network(make_images):
    with pytest.raises(ValueError, match=r"multiple of 4.*10x10"):
        score(make_images(size=10), [PLAIN], ["js"])


def test_cells_in_every_spelling(tiny):
    arch = nb201.index_to_arch(DISCONNECTED)
    for cells in (DISCONNECTED, arch, [DISCONNECTED, arch], [np.int64(DISCONNECTED)]):
        assert score(tiny, cells, "params")["cell"].to_pylist() == [DISCONNECTED]
    assert score(tiny, "all", "params").num_rows == nb201.NUM_CELLS
