"""What every search space has to fulfil, one row of facts a space."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxnas.spaces import DEFAULT, SPACES, Sizes, find


class Facts(NamedTuple):
    """What is known of a space without its code."""

    size: int
    first_draws: tuple[str, ...]  # by seed 0
    bad_sizes: tuple[tuple[Sizes, int, int, str], ...]  # sizes, classes, pixels, what is named
    cells: int  # in a picture


CONTRACT = {
    "nb201": Facts(
        5**6,
        (
            "|none~0|+|avg_pool_3x3~0|skip_connect~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|",
            "|avg_pool_3x3~0|+|skip_connect~0|skip_connect~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3"
            "~2|",
        ),
        (
            (Sizes(0, 1), 10, 8, "channels"),
            (Sizes(4, 0), 10, 8, "depth"),
            (Sizes(4, 1), 0, 8, "num_classes"),
            (Sizes(4, 1), 10, 10, "image_size"),
        ),
        1,
    ),
    "darts": Facts(
        1_076_746_950_455_072_400,
        (
            "Genotype(normal=[('dil_conv_5x5', 0), ('dil_conv_5x5', 1), ('dil_conv_5x5', 0), ('se"
            "p_conv_5x5', 1), ('dil_conv_3x3', 0), ('max_pool_3x3', 3), ('sep_conv_3x3', 0), ('se"
            "p_conv_5x5', 3)], normal_concat=[2, 3, 4, 5], reduce=[('sep_conv_5x5', 0), ('dil_con"
            "v_5x5', 1), ('sep_conv_3x3', 0), ('sep_conv_5x5', 2), ('sep_conv_3x3', 1), ('max_poo"
            "l_3x3', 3), ('skip_connect', 0), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])",
        ),
        (
            (Sizes(0, 3), 10, 8, "channels"),
            (Sizes(3, 3), 10, 8, "channels"),
            (Sizes(4, 2), 10, 8, "depth"),
            (Sizes(4, 3), 0, 8, "num_classes"),
            (Sizes(4, 3), 10, 10, "image_size"),
        ),
        2,
    ),
}

NAMES = sorted(CONTRACT)
every_space = pytest.mark.parametrize("name", NAMES)


@st.composite
def codes(draw):
    """A space and one of its codes."""
    space = SPACES[draw(st.sampled_from(NAMES))]
    return space, draw(st.tuples(*(st.integers(0, n - 1) for n in space.choices)))


def test_every_space_has_a_row():
    assert set(CONTRACT) == set(SPACES)


@every_space
def test_spaces_know_themselves(name):
    space = SPACES[name]
    assert space.name == name
    assert space.size == CONTRACT[name].size
    assert space.title and space.notation and space.depth_means
    assert find(name) is space and find(space) is space
    assert repr(space) == f"SPACES[{name!r}]"
    for text, arch in space.published.items():
        assert space.parse(text) == arch == space.parse(arch)


def test_find_says_which_spaces_there_are():
    assert find("nb201") is DEFAULT
    with pytest.raises(ValueError, match=r"^space 'dart': expected .*did you mean 'darts'\?$"):
        find("dart")
    with pytest.raises(ValueError, match=r"^space 'x': expected .*choose one of nb201, darts$"):
        find("x")


@given(codes())
def test_every_code_is_an_architecture_and_comes_back(given_code):
    space, code = given_code
    arch = space.decode(code)
    assert space.encode(arch) == code
    assert space.parse(arch) == arch
    assert space.parse(f"  {arch}\n") == arch
    assert all(type(entry) is int for entry in space.encode(arch))
    assert space.decode(np.array(code)) == arch


@given(codes())
@settings(deadline=None)  # the first call finds every representative
def test_functions_are_representatives(given_code):
    space, code = given_code
    arch = space.decode(code)
    (function,) = space.functions([arch])
    assert space.parse(function) == function
    assert space.functions([function]) == (function,)
    before, after = space.connected([arch, function])
    assert before == after


@given(codes(), st.integers(0, 2**32))
def test_a_mutation_changes_one_entry(given_code, seed):
    space, code = given_code
    neighbour = space.mutate(space.decode(code), np.random.default_rng(seed))
    changed = space.encode(neighbour)
    assert sum(a != b for a, b in zip(code, changed, strict=True)) == 1
    assert all(0 <= entry < n for entry, n in zip(changed, space.choices, strict=True))
    assert space.mutate(space.decode(code), np.random.default_rng(seed)) == neighbour


@every_space
def test_mutation_reaches_every_neighbour(name):
    space, rng = SPACES[name], np.random.default_rng(0)
    arch = space.draw(1, 3)[0]
    reached = {space.mutate(arch, rng) for _ in range(6000)}
    assert len(reached) == sum(n - 1 for n in space.choices)


@every_space
def test_samples_lie_within_the_space(name):
    space = SPACES[name]
    archs = [space.sample(np.random.default_rng(seed)) for seed in range(50)]
    assert all(space.parse(arch) == arch for arch in archs)
    assert len(set(archs)) > 45
    assert space.sample(np.random.default_rng(7)) == archs[7]


@every_space
def test_a_draw_begins_every_larger_one(name):
    space = SPACES[name]
    drawn = space.draw(60, 5)
    assert len(set(drawn)) == len(drawn) == 60
    assert drawn == space.draw(60, 5)
    assert all(space.draw(count, 5) == drawn[:count] for count in (1, 2, 59))
    assert space.draw(60, 6) != drawn
    assert all(space.parse(arch) == arch for arch in drawn)
    for count in (0, -1, 10**8):
        with pytest.raises(ValueError, match=rf"^random:{count}: expected 1 to [^\n]*$"):
            space.draw(count, 0)


@every_space
def test_draws_are_those_of_every_release(name):
    space, begin = SPACES[name], CONTRACT[name].first_draws
    assert begin
    assert space.draw(len(begin), 0) == begin


@every_space
def test_streams_are_numbers_of_63_bits_and_different(name):
    space = SPACES[name]
    streams = [space.stream(arch) for arch in space.draw(500, 1)]
    assert len(set(streams)) == 500
    assert all(type(stream) is int and 0 <= stream < 2**63 for stream in streams)


@every_space
def test_indices_undo_arch_or_there_are_none(name):
    space = SPACES[name]
    drawn = space.draw(30, 2)
    found = space.indices(drawn)
    if not space.indexed:
        assert found is None
        with pytest.raises(ValueError, match=r"^index 3: expected [^\n]*no indices[^\n]*$"):
            space.arch(3)
        return
    assert found.dtype == np.int64
    assert tuple(space.arch(index) for index in found) == drawn
    for index in (-1, space.size):
        with pytest.raises(ValueError, match=rf"expected 0\.\.{space.size - 1}, got {index}"):
            space.arch(index)


@every_space
def test_counts_are_positive_and_grow_with_the_network(name):
    space = SPACES[name]
    archs = space.draw(40, 4)
    small = space.counts(archs, Sizes(4, 3), 10, 8)
    for field in small:
        assert field.shape == (40,) and field.dtype == np.int64
    connected = space.connected(archs)
    assert connected.dtype == np.bool_ and connected.shape == (40,)
    assert (small.params > 0).all() and (small.flops > 0).all() and (small.zeros >= 0).all()
    np.testing.assert_array_equal(small.tensors > 0, connected)
    alone = space.counts(archs[7:8], Sizes(4, 3), 10, 8)
    assert [int(a[0]) for a in alone] == [int(a[7]) for a in small]
    for larger in (Sizes(8, 3), Sizes(4, 6)):
        large = space.counts(archs, larger, 10, 8)
        assert (large.params >= small.params).all() and (large.flops >= small.flops).all()
    pixels = space.counts(archs, Sizes(4, 3), 10, 16)
    np.testing.assert_array_equal(pixels.params, small.params)
    assert (pixels.flops > small.flops).all()
    classes = space.counts(archs, Sizes(4, 3), 11, 8).params - small.params
    assert len(set(classes.tolist())) == 1 and classes[0] > 0
    space.check(space.sizes, 10, 32)


@every_space
def test_functions_have_the_tensors_of_their_architectures(name):
    """Params and multiply-adds are of the cell as written; tensors are the function's."""
    space = SPACES[name]
    archs = space.draw(200, 8)
    a = space.counts(archs, Sizes(4, 3), 10, 8)
    b = space.counts(space.functions(archs), Sizes(4, 3), 10, 8)
    np.testing.assert_array_equal(a.tensors, b.tensors)
    np.testing.assert_array_equal(a.zeros, b.zeros)


@pytest.mark.parametrize(
    ("name", "sizes", "classes", "pixels", "named"),
    [(name, *bad) for name, facts in CONTRACT.items() for bad in facts.bad_sizes],
)
def test_networks_that_do_not_exist_are_refused(name, sizes, classes, pixels, named):
    space = SPACES[name]
    with pytest.raises(ValueError, match=rf"^{named}: expected [^\n]*got [^\n]*$"):
        space.check(sizes, classes, pixels)
    with pytest.raises(ValueError, match=f"^{named}: "):
        space.counts(space.draw(1, 0), sizes, classes, pixels)


@every_space
def test_pictures_have_their_edges_in_order(name):
    space = SPACES[name]
    for arch in space.draw(20, 9):
        graphs = space.graphs(arch)
        assert len(graphs) == CONTRACT[name].cells
        for graph in graphs:
            assert all(0 <= e.source < e.target < len(graph.nodes) for e in graph.edges)
            assert all(e.kind in ("skip", "pool", "conv", "other conv") for e in graph.edges)
            assert all(0 < node < len(graph.nodes) - 1 for node in graph.concatenated)


@every_space
@pytest.mark.parametrize("text", ["", "x", "|", "Genotype(", "{}", "[1, 2]", "3", "x" * 5000])
def test_text_that_is_no_architecture_is_refused_in_one_sentence(name, text):
    with pytest.raises(ValueError, match=r"^[^\n]*expected [^\n]*$") as error:
        SPACES[name].parse(text)
    assert len(str(error.value)) < 300


@every_space
def test_what_can_be_trained_includes_the_space(name):
    space = SPACES[name]
    for arch in space.draw(10, 0):
        assert space.trainable.parse(arch) == arch
    assert space.trainable.name == space.trainable.trainable.name == name
