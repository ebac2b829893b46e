"""Scores that one constant row makes NaN: the reason is told, an option leaves such rows out."""

import warnings
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxnas import proxies
from jaxnas.proxies import proxy as proxy_module
from jaxnas.proxies.parameter_jacobian import EigenvalueScores, structural_zeros
from jaxnas.proxies.proxy import make_subject
from jaxnas.proxies.quantities import GradientSums, ParameterGradient, Tensors, compute
from jaxnas.proxies.similarity import (
    cosine_score,
    eigenvalue_score,
    is_constant,
    spectrum,
    spectrum_without,
)
from jaxnas.proxies.undefined import reasons
from jaxnas.types import Tensor

pytestmark = pytest.mark.usefixtures("x64")

K_ = 1e-5
B, D, H, K = 10, 6, 8, 4
DEAD = [2, 5]  # units of the first layer that no example reaches
UNREACHED = 7  # an example that reaches no unit


def network(params: Any, x: Any) -> Any:
    x = jax.nn.relu(x @ params["z_first"] + params["bias"])
    return jnp.tanh(x @ params["m_second"]) @ params["a_last"]


@pytest.fixture(scope="module")
def subject() -> tuple[Any, ...]:
    """A network of which two units and one example are dead, with its batch."""
    random = np.random.default_rng(0)
    shapes = {"z_first": (D, H), "m_second": (H, 5), "a_last": (5, K)}
    with jax.enable_x64(True):
        params = {name: jnp.asarray(random.standard_normal(s)) for name, s in shapes.items()}
        bias = np.full(H, 0.5)
        bias[DEAD] = -1e3
        x = random.standard_normal((B, D))
        x[UNREACHED] = far_from_all(np.asarray(params["z_first"]))
        return network, params | {"bias": jnp.asarray(bias)}, jnp.asarray(x), np.arange(B) % K


def far_from_all(weights: Any) -> Any:
    """An example at which each of the units is below zero, moved there step by step."""
    x = np.zeros(len(weights))
    for _ in range(10_000):
        above = weights.T @ x > -1
        if not above.any():
            return x
        x -= 0.1 * weights[:, above].sum(1)
    raise AssertionError("no such example")


ASKED = (
    proxies.pjs(constant_rows="drop"),
    proxies.wpjs(constant_rows="drop", zeros="structural-removed"),
    proxies.wpjsi(constant_rows="drop"),
    proxies.pjsc(constant_rows="drop"),
    proxies.js(constant_rows="drop"),
    proxies.jsc(constant_rows="drop"),
)


@pytest.fixture(scope="module")
def scored(subject: tuple[Any, ...]) -> tuple[dict[str, float], list[warnings.WarningMessage]]:
    """The scores with constant rows and without, and what was warned of."""
    with jax.enable_x64(True), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = proxies.score([*ASKED, "pjs", "pjsc", "js"], *subject)
    return found, caught


def eig(rows: Any, zeros: int = 0) -> float:
    """By numpy, in float64."""
    sigma = np.linalg.eigvalsh(np.corrcoef(rows))[zeros:]
    return float(-np.sum(np.log(sigma + K_) + 1 / (sigma + K_)))


def cos(rows: Any) -> float:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    powers = np.abs(unit @ unit.T) ** (1 / 20)
    n = len(rows)
    return float(1 - (powers.sum() - np.trace(powers)) / (n * n - n))


def gradients(subject: tuple[Any, ...]) -> tuple[list[Any], Any]:
    """Rows of the tensors in forward order, without those of dead units, and of the examples."""
    apply, params, x, y = subject

    def loss(params: Any, x: Any) -> Any:
        return -jax.nn.log_softmax(apply(params, x))[jnp.arange(B), y].mean()

    of_params, of_x = jax.jit(jax.grad(loss, (0, 1)))(params, x)
    tensors = [np.asarray(of_params[name]).T for name in ("z_first", "m_second", "a_last")]
    tensors[0] = np.delete(tensors[0], DEAD, axis=0)
    return tensors, np.delete(np.asarray(of_x), UNREACHED, axis=0)


def test_without_constant_rows_scores_are_those_of_the_other_rows(
    subject: tuple[Any, ...], scored: tuple[dict[str, float], Any]
) -> None:
    tensors, examples = gradients(subject)
    n = len(tensors)
    plain = [eig(rows) for rows in tensors]
    # As numpy sees them, whatever the shapes say.
    zeros = [int((np.linalg.eigvalsh(np.corrcoef(t)) < 1e-8).sum()) for t in tensors]
    freed = [eig(rows, z) for rows, z in zip(tensors, zeros, strict=True)]
    wanted = {
        "pjs_nc": np.mean(plain),
        "wpjs_nz_nc": 2 * sum(i * s for i, s in enumerate(freed, 1)) / (n * n * (n + 1)),
        "wpjsi_nc": 2 * sum((n - i) * s for i, s in enumerate(plain)) / (n * n * (n + 1)),
        "pjsc_nc": np.mean([cos(rows) for rows in tensors]),
        "js_nc": eig(examples),
        "jsc_nc": cos(examples),
    }
    found, _ = scored
    assert [proxy.name for proxy in ASKED] == list(wanted)
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=1e-7), name


def test_one_warning_tells_tensors_rows_and_examples(
    scored: tuple[dict[str, float], list[warnings.WarningMessage]],
) -> None:
    found, caught = scored
    lacking = {"pjs", "pjsc", "js"}
    assert {name for name, value in found.items() if np.isnan(value)} == lacking
    (warned,) = caught
    assert warned.category is proxies.UndefinedScore
    assert warned.filename == __file__
    by_tensor, by_example, remedy = str(warned.message).splitlines()
    assert by_tensor == (
        "pjs, pjsc: NaN, since the gradient by z_first is constant in 2 of 8 rows: 2, 5"
    )
    assert by_example == "js: NaN, since the gradient by x is constant in 1 of 10 examples: 7"
    assert remedy == "constant_rows='drop', as in pjs(constant_rows='drop'), leaves such rows out"


def test_the_dead_units_of_a_relu_network_are_all_told() -> None:
    """Five layers of width 64, as flax makes them."""

    class Deep(nn.Module):
        @nn.compact
        def __call__(self, x: Any) -> Any:
            for _ in range(4):
                x = nn.relu(nn.Dense(64)(x))
            return nn.Dense(10)(x)

    x, y = np.random.default_rng(0).standard_normal((16, 8)).astype(np.float32), np.arange(16) % 10
    with jax.enable_x64(False):
        params = Deep().init(jax.random.key(0), x)
        given = make_subject(Deep().apply, params, x, y)
        (gradient,) = jax.jit(lambda: compute([ParameterGradient()], given))()
    hidden, dead = x, 0
    for layer in range(4):
        dense = params["params"][f"Dense_{layer}"]
        hidden = np.maximum(hidden @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"]), 0)
        dead += int((hidden == 0).all(axis=0).sum())
    assert dead > 0
    told = reasons(gradient, given.order)
    counted = sum(int(reason.split(" of 64 rows")[0].split()[-1]) for reason in told)
    assert counted == dead
    assert all(reason.startswith("the gradient by params/Dense_") for reason in told)


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def test_where_no_row_is_constant_nothing_changes() -> None:
    @jax.jit
    def both(a: Any) -> Any:
        none = is_constant(a)
        without = spectrum_without(a, none), cosine_score(a, 20, none)
        return none, without, (spectrum(a), cosine_score(a))

    none, without, plain = both(rows(9, 4))
    assert not none.any()
    for one, other in zip(without, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)


@jax.jit
def without_constant_rows(a: Any) -> tuple[Any, Any]:
    left_out = is_constant(a)
    return left_out, eigenvalue_score(spectrum_without(a, left_out), skip=left_out.sum())


@pytest.mark.parametrize("value", [0.0, 0.1, -1e9, 1e-30])
def test_a_constant_row_of_any_value_is_left_out(value: float) -> None:
    a = rows(5, 7)
    a[[1, 4]] = value
    left_out, score = without_constant_rows(a)
    assert list(left_out) == [False, True, False, False, True]
    assert float(score) == pytest.approx(eig(a[[0, 2, 3]]), rel=1e-9)


def test_a_row_that_is_not_finite_is_not_constant_and_spoils_the_score() -> None:
    for value in (np.nan, np.inf):
        a = rows(5, 7)
        a[1] = value
        left_out, score = without_constant_rows(a)
        assert not left_out.any()
        assert np.isnan(score)


@pytest.mark.parametrize("output", [False, True])
@pytest.mark.parametrize(("height", "width"), [(6, 4), (6, 9)])
def test_structural_zeros_are_those_of_the_rows_that_are_left(
    height: int, width: int, output: bool
) -> None:
    """One program for every number of constant rows."""
    score = jax.jit(EigenvalueScores("structural-removed", K_, "drop")._score_of_those_that_vary)
    for constant in range(height - 1):
        a = rows(height, width)
        if output:
            a[constant:] -= a[constant:].mean(axis=0)
        a[:constant] = 0
        zeros = structural_zeros((height - constant, width), output)
        wanted = eig(a[constant:], zeros)
        found = float(score(jnp.asarray(a), jnp.asarray(output)))
        assert found == pytest.approx(wanted, rel=1e-8), constant


def test_a_tensor_with_no_rows_left_counts_as_not_in_use() -> None:
    flat = np.repeat(rows(3, 1), 4, axis=1)  # constant rows, none of zeros
    one = np.concatenate([np.zeros((2, 4)), rows(1, 4)])
    tensors = Tensors(
        tuple(map(jnp.asarray, (rows(3, 4), flat, one))), jnp.ones(3, bool), ((0,), (1,), (2,))
    )
    pjs = proxies.pjs(constant_rows="drop")
    pjsc = proxies.pjsc(constant_rows="drop")
    scores, of_cosines = jax.jit(lambda t: (pjs.statistic.of(t), pjsc.statistic.of(t)))(tensors)
    assert list(scores.live) == [True, False, True]
    assert float(pjs.reduce(scores)) == pytest.approx(
        np.mean([eig(rows(3, 4)), -(np.log(1 + K_) + 1 / (1 + K_))])
    )
    # Rows that are constant have cosines; a row on its own has none.
    assert list(of_cosines.live) == [True, True, False]


def test_stacked_tensors_lose_their_own_rows() -> None:
    stack = rows(3, 4, 6)
    stack[0, 1] = stack[2, :3] = 0
    stack[1] = 0
    alone = tuple(jnp.asarray(a) for a in stack)
    live = jnp.ones(3, bool)
    statistics = [
        proxy.statistic
        for proxy in (proxies.pjs(constant_rows="drop"), proxies.pjsc(constant_rows="drop"))
    ]
    together = Tensors((jnp.asarray(stack),), live, ((0, 1, 2),))
    apart = Tensors(alone, live, ((0,), (1,), (2,)))
    found = jax.jit(lambda *all_: [[s.of(one) for one in all_] for s in statistics])(
        together, apart
    )
    for one, other in found:
        np.testing.assert_array_equal(one.live, other.live)
        used = np.asarray(one.live)
        np.testing.assert_allclose(one.scores[used], other.scores[used], rtol=1e-10)


def test_fewer_than_two_examples_that_vary_are_no_score() -> None:
    jacobian = np.zeros((3, 5))
    jacobian[1] = rows(1, 5)
    several = proxies.js(constant_rows="drop"), proxies.jsc(constant_rows="drop")
    found = jax.jit(lambda a: [proxy.reduce(a) for proxy in several])(jacobian)
    assert np.isnan(found).all()


@pytest.mark.parametrize(
    ("gradient", "told"),
    [
        (np.zeros((3, 4)), ["the gradient by x is zero: the output does not depend on the input"]),
        (np.full((3, 4), np.nan), ["the gradient by x is not finite"]),
        (rows(3, 4), []),
        (np.float64(3), []),
        (
            GradientSums(np.diag([1.0, 0, 2]), np.ones(()), np.ones(())),
            ["the gradient by the parameters is zero in 1 of 3 examples: 1"],
        ),
        (
            Tensors((np.ones((20, 2)),), np.ones(1, bool), ((0,),)),
            ["the gradient by a/b is constant in 20 of 20 rows: 0, 1, 2, 3, 4, 5, 6, 7, ..."],
        ),
        (
            Tensors((rows(1, 4),), np.ones(1, bool), ((0,),)),
            ["the gradient by a/b has one row, which has no pair"],
        ),
        (
            Tensors((np.full((2, 4), np.inf),), np.ones(1, bool), ((0,),)),
            ["the gradient by a/b is not finite"],
        ),
        (
            Tensors((rows(3, 4),), np.zeros(1, bool), ((0,),)),
            ["no parameter with two or more axes is in use"],
        ),
    ],
)
def test_reasons_in_words(gradient: Any, told: list[str]) -> None:
    assert reasons(gradient, (Tensor(("a", "b")),)) == told


def test_a_tensor_of_a_stack_is_named_by_its_place() -> None:
    stack = rows(2, 3, 4)
    stack[1, 0] = 0
    order = (Tensor(("w",), 0), Tensor(("w",), 1))
    assert reasons(Tensors((stack,), np.ones(2, bool), ((0, 1),)), order) == [
        "the gradient by w[1] is constant in 1 of 3 rows: 0"
    ]


@pytest.mark.parametrize(
    ("proxy", "name", "shown"),
    [
        (proxies.pjs(constant_rows="drop"), "pjs_nc", "pjs(constant_rows='drop')"),
        (
            proxies.wpjs(zeros="structural-removed", k=0.1, constant_rows="drop"),
            "wpjs_nz_nc_k0.1",
            "wpjs(zeros='structural-removed', k=0.1, constant_rows='drop')",
        ),
        (proxies.js(noise=0.5, constant_rows="drop"), "js_nc_n0.5", None),
        (proxies.jsc(root=2, constant_rows="drop"), "jsc_nc_root2", None),
        (proxies.pjsc(constant_rows="keep"), "pjsc", "pjsc()"),
    ],
)
def test_the_name_tells_that_rows_are_left_out(proxy: Any, name: str, shown: str | None) -> None:
    assert proxy.name == name
    assert shown is None or repr(proxy) == shown


def test_a_proxy_called_directly_warns_too(
    subject: tuple[Any, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module, "evaluate", lambda *_: {"jsc": np.float64(np.nan)})
    apply = lambda params, x: 0 * x[:, :K] + params["a_last"].sum()  # noqa: E731
    told = "jsc: NaN, since the gradient by x is zero"
    with pytest.warns(proxies.UndefinedScore, match=told) as caught:
        assert np.isnan(proxies.jsc()(apply, *subject[1:]))
    assert caught[0].filename == __file__
