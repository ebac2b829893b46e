"""GT-NAS, against brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from search_cells import (
    ARCHS,
    FUNCTIONS,
    INDEX,
    brute_force,
    by_arch,
    rng,
)

from jaxnas import search as s
from jaxnas.spaces import nb201


@settings(deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.data())
def test_candidates_are_those_of_brute_force(seed: int, size: int, data: st.DataObject) -> None:
    # Cells of few functions, few values: many copies, ties and NaN.
    members = np.flatnonzero(np.isin(FUNCTIONS, np.unique(FUNCTIONS)[seed % 5000 :][:40]))
    sample = rng(seed).permutation(members)[:size].tolist()
    values = [math.nan, 1.0, 2.0, 3.0]
    score = {cell: values[int(rng(seed, cell).integers(4))] for cell in sample}
    archs, score_of = [ARCHS[cell] for cell in sample], by_arch(score)
    scored = {int(FUNCTIONS[cell]) for cell in sample if not math.isnan(score[cell])}
    if not scored:
        with pytest.raises(ValueError, match="k = 1: expected 1 to 0"):
            s.candidates(archs, score_of, 1)
        return
    k = data.draw(st.integers(1, len(scored)))
    picked = [INDEX[arch] for arch in s.candidates(archs, score_of, k)]
    assert picked == brute_force(sample, score, k)
    assert len({int(FUNCTIONS[cell]) for cell in picked}) == k
    with pytest.raises(ValueError, match=f"expected 1 to {len(scored)}, the different functions"):
        s.candidates(archs, score_of, len(scored) + 1)


def test_gt_nas_trains_the_candidates_and_keeps_the_best() -> None:
    sample = rng(0).permutation(nb201.NUM_CELLS)[:300].tolist()
    scores, rewards = rng(1).random(15625), rng(2).random(15625)
    query = s.tabular(rewards, np.full(15625, 100.0))
    trace = s.search(s.gt_nas([ARCHS[cell] for cell in sample], by_arch(scores), 20), query)
    expected = brute_force(sample, dict(enumerate(scores)), 20)
    assert [INDEX[arch] for arch in trace.archs] == expected
    assert INDEX[trace.best] == max(expected, key=rewards.__getitem__)
    assert trace.seconds == 2000
