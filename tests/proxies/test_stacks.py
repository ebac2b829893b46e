"""Parameters that are stacks of tensors are scored as the same tensors held apart."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnas import proxies
from jaxnas.proxies.proxy import evaluate, standard_noise
from jaxnas.proxies.subject import Subject
from jaxnas.types import Tensor

pytestmark = pytest.mark.usefixtures("x64")

B, WIDTH, PLACES = 6, 5, 4
USED = np.array([True, False, True, True])


def draw(*shape, seed):
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape)) / 2


# The tensors of a stack hold their outputs first, in the network they are used last to first.
STACKED = {
    "head": draw(WIDTH, 4, seed=0),
    "scale": draw(PLACES, WIDTH, seed=1),
    "shift": draw(PLACES, seed=2),
    "stem": draw(3, WIDTH, seed=3),
    "weight": draw(PLACES, WIDTH, WIDTH, seed=4),
}
APART = {name: STACKED[name] for name in ("head", "stem")} | {
    f"{name}{place}": STACKED[name][place].T
    for name in ("scale", "shift", "weight")
    for place in range(PLACES)
}


def stacked(params, x):
    x = jnp.arcsinh(x @ params["stem"])
    for place in reversed(np.flatnonzero(USED)):
        x = jnp.arcsinh(x @ params["weight"][place].T) * params["scale"][place]
        x = x + params["shift"][place]
    return x @ params["head"]


def apart(params, x):
    x = jnp.arcsinh(x @ params["stem"])
    for place in reversed(np.flatnonzero(USED)):
        x = jnp.arcsinh(x @ params[f"weight{place}"]) * params[f"scale{place}"]
        x = x + params[f"shift{place}"]
    return x @ params["head"]


def subjects():
    x, y = draw(B, 3, seed=5), jnp.arange(B) % 4
    middle = reversed(range(PLACES))
    order = [
        Tensor(("stem",)),
        *(Tensor(("weight",), place, output_axis=0) for place in middle),
        Tensor(("head",)),
    ]
    stack = jnp.asarray(USED)
    live = {"head": True, "stem": True, "scale": stack, "shift": stack, "weight": stack}
    of_stacks = Subject(stacked, STACKED, x, y, tuple(order), live)
    flags = {name: bool(USED[int(name[-1])]) if name[-1].isdigit() else True for name in APART}
    paths = ["stem", *(f"weight{place}" for place in reversed(range(PLACES))), "head"]
    of_tensors = Subject(apart, APART, x, y, tuple(Tensor((path,)) for path in paths), flags)
    return of_stacks, of_tensors


def chosen():
    gradient = ("gradient_kernel", "gradient_value", "gradient_correlation", "gradient_trace")
    jacobian = ("js", "pjs", "pjsc", "wpjs", "wpjsi", "pjs_nz", "wpjs_nz", "wpjsi_nz")
    everything = proxies.gradient_kernel_sampled(examples=B, parameters=100)
    return [*map(proxies.make, (*gradient, *jacobian)), everything]


def test_both_networks_are_the_same():
    x = subjects()[0].x
    np.testing.assert_allclose(stacked(STACKED, x), apart(APART, x), rtol=1e-12)


def test_stacks_are_scored_as_tensors_apart():
    found, expected = (
        jax.jit(lambda subject=subject: evaluate(chosen(), subject, standard_noise(0, subject.x)))()
        for subject in subjects()
    )
    for name, value in expected.items():
        assert np.isfinite(value), name
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)


def test_a_tensor_that_is_not_in_use_adds_neither_value_nor_size():
    """So that taking it out of the network altogether changes nothing."""
    of_stacks, _ = subjects()
    kept = np.flatnonzero(USED)
    params = {name: v if name in ("head", "stem") else v[kept] for name, v in STACKED.items()}
    order = [of_stacks.order[0]]
    order += [Tensor(("weight",), place, 0) for place in reversed(range(len(kept)))]
    live = {name: True if name in ("head", "stem") else jnp.ones(3, bool) for name in params}

    def less(params, x):
        padded = {
            name: v
            if name in ("head", "stem")
            else jnp.zeros((PLACES, *v.shape[1:])).at[kept].set(v)
            for name, v in params.items()
        }
        return stacked(padded, x)

    smaller = Subject(less, params, of_stacks.x, of_stacks.y, (*order, of_stacks.order[-1]), live)
    found, expected = (
        jax.jit(lambda subject=subject: evaluate(chosen(), subject, standard_noise(0, subject.x)))()
        for subject in (of_stacks, smaller)
    )
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-9, err_msg=name)


def test_users_may_give_stacks_in_their_order():
    """Whether a tensor is in use is then read off its gradient."""
    of_stacks, of_tensors = subjects()
    names = ["pjs", "wpjs", "wpjsi"]
    batch = of_stacks.x, of_stacks.y
    found = proxies.score(names, stacked, STACKED, *batch, order=of_stacks.order)
    paths = [tensor.path for tensor in of_tensors.order]
    expected = proxies.score(names, apart, APART, *batch, order=paths)
    assert found == pytest.approx(expected, rel=1e-9)


def test_the_sample_of_each_tensor_in_a_stack_is_its_own():
    params = {"weight": jnp.ones((2, 40, 1))}
    x, y = jnp.ones((2, 40)), jnp.zeros(2, int)

    def apply(params, x):
        first, second = (x * jnp.arange(1.0, 41) @ weight for weight in params["weight"])
        return jnp.concatenate([first, -second], axis=1) / 1000

    order = tuple(Tensor(("weight",), place) for place in range(2))
    subject = Subject(apply, params, x, y, order, {"weight": jnp.ones(2, bool)})
    sampled = proxies.gradient_kernel_sampled(examples=2, parameters=2, centred=False)
    both = float(evaluate([sampled], subject, standard_noise(0, x))[sampled.name])
    p = 1 / (1 + np.exp(2 * 820 / 1000))
    squares = both / (p / 1000) ** 2
    # Sums of two squares of numbers to 40 from each, by different draws.
    pairs = {a * a + b * b for a in range(1, 41) for b in range(1, a)}
    doubled = {2 * pair for pair in pairs}
    assert round(squares) not in doubled
    assert any(round(squares) - pair in pairs for pair in pairs)
