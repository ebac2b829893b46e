"""What the networks of every space have in common; no network is compiled here."""

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxnas.networks import nb201
from jaxnas.networks.nb201.network import cell_parameters
from jaxnas.spaces import SPACES
from jaxnas.spaces.space import Sizes, structural_zeros

CLASSES, PIXELS = 5, 8
SIZES = {"nb201": Sizes(4, 2), "darts": Sizes(4, 4)}
IMAGES = jax.ShapeDtypeStruct((2, PIXELS, PIXELS, 3), jnp.float32)


def test_every_space_is_tested():
    assert SIZES.keys() == SPACES.keys()


@cache
def scored(name: str) -> Any:
    make = SPACES[name].networks.scored
    return make(SIZES[name], num_classes=CLASSES, image_size=PIXELS)


@cache
def drawn(name: str, arch: str) -> Any:
    net = scored(name)
    stream = SPACES[name].stream(arch)
    return net.initial(jax.devices()[0])(0, stream, net.code(arch))


def archs(name: str, count: int = 6) -> tuple[str, ...]:
    space = SPACES[name]
    found = space.draw(2 * count, 0)
    return tuple(np.array(found)[space.connected(found)][:count].tolist())


@pytest.mark.parametrize("name", SPACES)
def test_codes_are_int32_of_one_shape(name):
    codes = [scored(name).code(arch) for arch in archs(name)]
    assert {code.dtype for code in codes} == {np.dtype(np.int32)}
    assert len({code.shape for code in codes}) == 1


@pytest.mark.parametrize("name", SPACES)
def test_logits_and_what_is_live_have_their_shapes(name):
    arch = archs(name)[0]
    net, params = scored(name), drawn(name, arch)
    code = jnp.asarray(net.code(arch))
    logits = jax.eval_shape(net.apply, params, IMAGES, code)
    assert (logits.shape, logits.dtype) == ((2, CLASSES), jnp.float32)
    live = jax.eval_shape(net.live, params, code)
    assert jax.tree.structure(live) == jax.tree.structure(params)


@pytest.mark.parametrize("name", SPACES)
def test_tensors_in_use_are_those_that_the_space_counts(name):
    net, some = scored(name), archs(name)
    counts = SPACES[name].counts(some, SIZES[name], CLASSES, PIXELS)
    for i, arch in enumerate(some):
        params = flatten_dict(drawn(name, arch))
        live = flatten_dict(net.live(drawn(name, arch), net.code(arch)))
        tensors = zeros = 0
        for path, index, axis in net.tensors:
            used = live[path] if index is None else live[path][index]
            tensor = params[path] if index is None else params[path][index]
            assert np.any(tensor) == used
            if used:
                rows = tensor.shape[axis]
                is_output = path == net.tensors[-1].path
                tensors += 1
                zeros += structural_zeros(rows, tensor.size // rows, is_output=is_output)
        assert (tensors, zeros) == (counts.tensors[i], counts.zeros[i])


@pytest.mark.parametrize("name", SPACES)
def test_trained_networks_give_logits_and_move_their_statistics(name):
    arch = archs(name)[0]
    make = SPACES[name].networks.trained
    net = make(arch, SIZES[name], num_classes=CLASSES, image_size=PIXELS)
    params = net.initial(0)
    jax.tree.map(np.testing.assert_array_equal, params, net.initial(0))
    key, done = jax.eval_shape(jax.random.key, 0), jax.ShapeDtypeStruct((), jnp.float32)

    def statistics(path: tuple[str, ...], leaf: Any) -> dict[tuple[str, ...], Any]:
        if path[-1] != "scale":
            return {}
        return {(*path[:-1], of): jnp.ones_like(leaf) for of in ("mean", "variance")}

    norms = [statistics(path, leaf) for path, leaf in flatten_dict(params).items()]
    stats = unflatten_dict({path: leaf for norm in norms for path, leaf in norm.items()})
    logits, auxiliary, moved = jax.eval_shape(net.train, params, stats, IMAGES, key, done)
    assert logits.shape == (2, CLASSES)
    assert auxiliary is None
    assert jax.tree.structure(moved) == jax.tree.structure(stats)
    assert jax.eval_shape(net.logits, params, stats, IMAGES).shape == (2, CLASSES)


def test_a_cell_is_trained_from_the_parameters_with_which_it_is_scored():
    (arch,) = archs("nb201", 1)
    net = nb201.trained(arch, SIZES["nb201"], num_classes=CLASSES, image_size=PIXELS)
    whole = drawn("nb201", arch)
    wanted = cell_parameters(whole, tuple(scored("nb201").code(arch).tolist()))["params"]
    jax.tree.map(np.testing.assert_array_equal, net.initial(0), wanted)


@pytest.mark.parametrize("name", SPACES)
def test_the_supernet_is_of_its_space(name):
    net = SPACES[name].networks.supernet(SIZES[name], num_classes=CLASSES)
    assert net.name == name
    assert net.edges == sum(map(len, net.cells))
    ops = tuple(np.asarray(jax.jit(net.draw)(jax.random.key(0))).tolist())
    found = net.named(ops).notation
    assert SPACES[name].parse(found) == found
