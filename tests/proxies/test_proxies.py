"""Every proxy against closed forms, against numpy on explicit Jacobians, and against a contract."""

import doctest
import inspect
import itertools
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxnas import proxies
from jaxnas.proxies import catalogue, make, usage
from jaxnas.proxies.parameter_jacobian import TensorScores, structural_zeros
from jaxnas.proxies.proxy import (
    add_noise,
    evaluate,
    for_batch_norm,
    make_subject,
    passes,
    standard_noise,
)
from jaxnas.proxies.similarity import correlation, cosine_score, eigenvalue_score, spectrum
from jaxnas.types import Tensor

pytestmark = pytest.mark.usefixtures("x64")

K = 1e-5
B = 50  # as many as the sampled kernel takes by default


def draw(*shape: int, seed: int = 0) -> jnp.ndarray:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape))


# Two models. Names are such that a sorted tree is not in forward order.
def mlp(params, x):
    x = jnp.arcsinh(x.reshape(len(x), -1) @ params["z_first"] + params["bias"])
    return jnp.arcsinh(x @ params["m_second"]) @ params["a_last"] + 0 * params["dead"].sum()


def mlp_params(seed=0):
    shapes = {"z_first": (12, 9), "bias": (9,), "m_second": (9, 7), "a_last": (7, 4)}
    params = {name: draw(*s, seed=seed + i) / 2 for i, (name, s) in enumerate(shapes.items())}
    return params | {"dead": draw(3, 5)}


MLP_ORDER = ("z_first", "m_second", "a_last", "dead")


class Flax(nn.Module):
    """A user's own model."""

    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(6, (3, 3), param_dtype=jnp.float64, name="stem")(x))
        x = nn.relu(nn.Conv(6, (1, 1), param_dtype=jnp.float64, name="middle")(x))
        return nn.Dense(4, param_dtype=jnp.float64, name="head")(x.mean((1, 2)))


def model(name):
    """apply, params, x, y and the paths of the live tensors in forward order."""
    x, y = draw(B, 2, 2, 3, seed=8), jnp.asarray(np.random.default_rng(9).integers(0, 4, B))
    if name == "mlp":
        return mlp, mlp_params(), x, y, [("z_first",), ("m_second",), ("a_last",)]
    x = draw(B, 5, 5, 3, seed=8)
    order = [("params", layer, "kernel") for layer in ("stem", "middle", "head")]
    return Flax().apply, Flax().init(jax.random.key(0), x), x, y, order


# --- The direct path: numpy on explicit Jacobians of the logits ---------------------------------


def eig(a, removed=0):
    sigma = np.linalg.eigvalsh(np.corrcoef(a))[removed:]
    return -np.sum(np.log(sigma + K) + 1 / (sigma + K))


def cos(a):
    total, rows = 0.0, len(a)
    for i, j in itertools.permutations(range(rows), 2):
        c = a[i] @ a[j] / np.sqrt(a[i] @ a[i]) / np.sqrt(a[j] @ a[j])
        total += abs(c) ** (1 / 20)
    return 1 - total / (rows * rows - rows)


@dataclass
class Direct:
    """Gradients from Jacobians of the logits: of the loss to x [B, r], of examples by tensor."""

    to_x: np.ndarray
    examples: dict[tuple[str, ...], np.ndarray]

    @classmethod
    def of(cls, apply, params, x, y):
        logits = np.asarray(apply(params, x))
        p = np.exp(logits - logits.max(1, keepdims=True))
        error = p / p.sum(1, keepdims=True) - np.eye(logits.shape[1])[y]

        @jax.jit
        @partial(jax.vmap, in_axes=(None, 0))
        def jacobians(params, x):
            return jax.jacrev(lambda p, x: apply(p, x[None])[0], (0, 1))(params, x)

        of_params, of_x = jacobians(params, x)
        by_path = {
            tuple(k.key for k in path): np.einsum("bk,bk...->b...", error, leaf)
            for path, leaf in jax.tree_util.tree_leaves_with_path(of_params)
        }
        to_x = np.einsum("bk,bk...->b...", error, of_x).reshape(len(x), -1) / len(x)
        return cls(to_x, by_path)

    def flat(self, live_only=True):
        live = [g for g in self.examples.values() if not live_only or np.any(g)]
        return np.concatenate([g.reshape(len(g), -1) for g in live], 1)

    def tensors(self, order):
        means = [self.examples[path].mean(0) for path in order]
        return [g.reshape(-1, g.shape[-1]).T for g in means]


def weighted(scores, weights):
    n = len(scores)
    return sum(w * s for w, s in zip(weights, scores, strict=True)) * 2 / (n * (n + 1)) / n


def directly(name, apply, params, x, y, order, noise):
    """A proxy of the catalogue by numpy; `gradient_kernel_sampled` without its sampling."""
    if "_n" in name and not name.endswith("_nz"):
        name, level = name.split("_n")
        x = np.asarray(x) + float(level) * np.var(x) * np.asarray(noise)
    direct = Direct.of(apply, params, jnp.asarray(x), y)
    if name.startswith("gradient"):
        g = direct.flat()
        gram, norms = g @ g.T, np.linalg.norm(g, axis=1)
        return {
            "gradient_kernel": gram.mean(),
            "gradient_value": np.abs(g).mean(),
            "gradient_correlation": (gram / np.outer(norms, norms)).mean(),
            "gradient_trace": np.diag(gram).mean(),
        }[name]
    if name in ("js", "jsc"):
        return {"js": eig, "jsc": cos}[name](direct.to_x)
    tensors = direct.tensors(order)
    n = len(tensors)
    if name == "pjsc":
        return np.mean([cos(t) for t in tensors])
    removed = [0] * n
    if name.endswith("_nz"):
        # As numpy sees them, whatever the shapes say.
        removed = [int((np.linalg.eigvalsh(np.corrcoef(t)) < 1e-8).sum()) for t in tensors]
    scores = [eig(t, r) for t, r in zip(tensors, removed, strict=True)]
    match name.removesuffix("_nz"):
        case "pjs":
            return np.mean(scores)
        case "wpjs":
            return weighted(scores, range(1, n + 1))
        case "wpjsi":
            return weighted(scores, range(n, 0, -1))
    raise KeyError(name)


PROXIES = catalogue.names("proxy")
EXACT = [name for name in PROXIES if name != "gradient_kernel_sampled"]


@pytest.mark.parametrize("which", ["mlp", "flax"])
def test_all_scores_equal_numpy_on_explicit_jacobians(which):
    apply, params, x, y, order = model(which)
    found = proxies.score(EXACT, apply, params, x, y, seed=5)
    noise = standard_noise(5, x)
    for name in EXACT:
        wanted = directly(name, apply, params, x, y, order, noise)
        np.testing.assert_allclose(found[name], wanted, rtol=1e-7, err_msg=name)
    assert all(type(value) is float for value in found.values())


def test_direct_gradients_agree_with_finite_differences():
    """The direct path itself, on the loss of the whole batch."""
    apply, params, x, y, _ = model("mlp")
    direct, h = Direct.of(apply, params, x, y), 1e-6

    @jax.jit
    def loss(params, x):
        log_p = jax.nn.log_softmax(apply(params, x))
        return -log_p[jnp.arange(B), y].mean()

    at = (3, 1, 0, 2)
    moved = loss(params, x.at[at].add(h)) - loss(params, x.at[at].add(-h))
    np.testing.assert_allclose(direct.to_x.reshape(x.shape)[at], moved / (2 * h), rtol=1e-6)
    w = params["m_second"]
    moved = loss(params | {"m_second": w.at[2, 3].add(h)}, x)
    moved -= loss(params | {"m_second": w.at[2, 3].add(-h)}, x)
    mean = direct.examples[("m_second",)].mean(0)
    np.testing.assert_allclose(mean[2, 3], moved / (2 * h), rtol=1e-6)


# --- Closed forms ---------------------------------------------------------------------------------


def eigenvalues_score(*sigma):
    return -sum(np.log(s + K) + 1 / (s + K) for s in sigma)


HADAMARD = np.array([[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]])


@pytest.mark.parametrize(
    ("rows", "sigma"),
    [
        (HADAMARD, (1, 1, 1)),
        (HADAMARD * [[3], [1], [-2]] + 7, (1, 1, 1)),  # neither scale nor mean of a row matters
        (np.tile([1.0, 2, 4], (3, 1)), (0, 0, 3)),
        (np.array([[1.0, 2, 4], [-1, -2, -4]]), (0, 2)),
    ],
)
def test_eigenvalue_score_in_closed_form(rows, sigma):
    found = eigenvalue_score(spectrum(jnp.asarray(rows, float)))
    np.testing.assert_allclose(found, eigenvalues_score(*sigma), rtol=1e-9)


def test_orthogonal_rows():
    n = 3
    wanted = -n * (np.log(1 + K) + 1 / (1 + K))
    np.testing.assert_allclose(eigenvalue_score(spectrum(HADAMARD)), wanted, rtol=1e-12)


def test_correlation_is_pearsons():
    a = draw(5, 8)
    np.testing.assert_allclose(correlation(a), np.corrcoef(a), atol=1e-14)
    assert jnp.isnan(eigenvalue_score(spectrum(a.at[2].set(4.0))))


@pytest.mark.parametrize(
    ("rows", "cosine"),
    [([[1, 0], [1, 1]], 0.5**0.5), ([[1, 2], [-2, -4]], 1), ([[1, 0], [0, 3]], 0)],
)
def test_cosine_score_by_hand(rows, cosine):
    rows = jnp.asarray(rows, float)
    np.testing.assert_allclose(cosine_score(rows), 1 - cosine ** (1 / 20), atol=1e-12)
    np.testing.assert_allclose(cosine_score(rows, root=2), 1 - cosine**0.5, atol=1e-7)


def test_linear_model_by_hand():
    """W = 0 and two orthogonal examples: g_i = x_i (p - onehot_i), p = 1/2."""
    x, y = jnp.eye(2), jnp.array([0, 1])
    names = [n for n in EXACT if n.startswith("gradient")]
    found = proxies.score(names, lambda w, x: x @ w["w"], {"w": jnp.zeros((2, 2))}, x, y)
    assert found == pytest.approx(
        {
            "gradient_kernel": 1 / 4,
            "gradient_value": 1 / 4,
            "gradient_correlation": 1 / 2,
            "gradient_trace": 1 / 2,
        }
    )


def test_input_jacobian_by_hand():
    """Logits = x = 0: J's rows are 1/4 - onehot(y), whose correlations are -1/3."""

    def scores(y):
        return proxies.score(["js", "jsc"], lambda w, x: x + 0 * w, jnp.zeros(4), x, jnp.array(y))

    x = jnp.zeros((4, 4))
    different = scores([0, 1, 2, 3])
    assert different["js"] == pytest.approx(eigenvalues_score(0, *[4 / 3] * 3), rel=1e-8)
    assert different["jsc"] == pytest.approx(1 - 3 ** (-1 / 20))
    same = scores([2, 2, 2, 2])
    assert same["js"] == pytest.approx(eigenvalues_score(0, 0, 0, 4), rel=1e-8)
    assert same["jsc"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    ("scores", "live", "pjs", "wpjs", "wpjsi"),
    [
        ([3, 5, 7], [1, 1, 1], 5, 34 / 18, 26 / 18),
        ([3, 99, 7], [1, 0, 1], 5, 17 / 6, 13 / 6),
        ([99, 4, 4, 4, 99], [0, 1, 1, 1, 0], 4, 4 / 3, 4 / 3),  # equal S_i: S / N
        ([2], [1], 2, 2, 2),
    ],
)
def test_weights_by_hand(scores, live, pjs, wpjs, wpjsi):
    tensors = TensorScores(jnp.asarray(scores, float), jnp.asarray(live, bool))
    for name, wanted in (("pjs", pjs), ("wpjs", wpjs), ("wpjsi", wpjsi), ("pjsc", pjs)):
        assert float(make(name).reduce(tensors)) == pytest.approx(wanted), name


ZEROS = [  # rows, columns, whether the last layer's, zeros
    (16, 16, False, 1),
    (32, 16, False, 17),
    (64, 32, False, 33),
    (10, 64, True, 1),
    (16, 27, False, 0),
    (64, 576, False, 0),
    (10, 6, True, 5),
]


@pytest.mark.parametrize(("rows", "columns", "is_output", "zeros"), ZEROS)
def test_structural_zeros_of_shapes(rows, columns, is_output, zeros):
    assert structural_zeros((rows, columns), is_output) == zeros


def test_structural_zeros_are_those_of_real_gradients():
    shapes = {"stem": (3, 3, 3, 16), "square": (1, 1, 16, 16)}
    shapes |= {"wide": (1, 1, 16, 32), "wider": (1, 1, 32, 64), "last": (64, 10)}

    def apply(params, x):
        for name in list(shapes)[:-1]:
            numbers = ("NHWC", "HWIO", "NHWC")
            x = lax.conv_general_dilated(x, params[name], (1, 1), "SAME", dimension_numbers=numbers)
            x = jnp.tanh(x)
        return x.mean((1, 2)) @ params["last"]

    params = {
        name: draw(*shape, seed=i) / np.sqrt(np.prod(shape[:-1]))
        for i, (name, shape) in enumerate(shapes.items())
    }
    x, y = draw(16, 6, 6, 3), jnp.arange(16) % 10

    @jax.jit
    def gradient(params):
        log_p = jax.nn.log_softmax(apply(params, x))
        return jax.grad(lambda p: -jax.nn.log_softmax(apply(p, x))[jnp.arange(16), y].mean())(
            params
        ), log_p

    for name, g in gradient(params)[0].items():
        rows = np.asarray(g).reshape(-1, g.shape[-1]).T
        counted = int((np.linalg.eigvalsh(np.corrcoef(rows)) < 1e-8).sum())
        assert structural_zeros(rows.shape, name == "last") == counted, name


# --- The gradient kernel --------------------------------------------------------------------------


def test_mean_of_p_is_the_squared_norm_of_the_mean_gradient():
    apply, params, x, y, _ = model("mlp")
    g = Direct.of(apply, params, x, y).flat()
    wanted = np.sum(g.mean(0) ** 2)
    np.testing.assert_allclose((g @ g.T).mean(), wanted, rtol=1e-10)
    # Alone by one backward pass, with others from the Gram matrix.
    for others in ([], ["gradient_trace"]):
        found = proxies.score(["gradient_kernel", *others], apply, params, x, y)
        np.testing.assert_allclose(found["gradient_kernel"], wanted, rtol=1e-10)
    centred = g - g.mean(0)
    assert abs((centred @ centred.T).mean()) < 1e-12 < wanted


def test_sampling_everything_uncentred_is_exact():
    apply, params, x, y, _ = model("mlp")
    sampled = proxies.gradient_kernel_sampled(examples=B, parameters=10**6, centred=False)
    found = proxies.score([sampled, "gradient_kernel"], apply, params, x, y)
    assert found[sampled.name] == pytest.approx(found["gradient_kernel"], rel=1e-10)


@pytest.mark.parametrize("centred", [True, False])
def test_mu_takes_the_first_examples_and_centring_is_over_parameters(centred):
    apply, params, x, y, _ = model("mlp")
    sampled = proxies.gradient_kernel_sampled(examples=7, parameters=10**6, centred=centred)
    wanted = 0.0
    for g in Direct.of(apply, params, x[:7], y[:7]).examples.values():
        flat = g.reshape(7, -1)
        rows = flat - flat.mean(1, keepdims=True) if centred else flat
        wanted += (rows @ rows.T).mean()
    found = proxies.score([sampled], apply, params, x, y)[sampled.name]
    assert found == pytest.approx(wanted, rel=1e-9)


def test_theta_parameters_are_drawn_without_replacement():
    """Of 6 parameters 2 are drawn: one of the 15 pairs, and another by another seed."""
    params, x, y = {"w": draw(3, 2)}, draw(4, 3, seed=1), jnp.array([0, 1, 1, 0])
    apply = lambda p, x: x @ p["w"]  # noqa: E731
    g = Direct.of(apply, params, x, y).flat()
    pairs = [g[:, list(pair)] for pair in itertools.combinations(range(6), 2)]
    possible = np.array([(pair @ pair.T).mean() for pair in pairs])
    found = [
        float(
            proxies.gradient_kernel_sampled(examples=4, parameters=2, centred=False, seed=seed)(
                apply, params, x, y
            )
        )
        for seed in range(6)
    ]
    assert all(np.isclose(possible, value, rtol=1e-9).any() for value in found)
    assert len(set(np.round(found, 12))) > 1


def test_more_examples_than_the_batch_are_refused():
    apply, params, x, y, _ = model("mlp")
    with pytest.raises(ValueError, match="at least 51 examples, got 50"):
        proxies.gradient_kernel_sampled(examples=51)(apply, params, x, y)


def test_layerwise_sums_to_the_totals():
    apply, params, x, y, _ = model("flax")
    layers = jax.jit(partial(proxies.layerwise, apply))(params, x, y)
    names = ("gradient_kernel", "gradient_trace", "gradient_value", "gradient_correlation")
    whole = proxies.score(names, apply, params, x, y)
    direct = Direct.of(apply, params, x, y).examples
    sizes = np.array([g[0].size for g in direct.values()])
    for name in ("gradient_kernel", "gradient_trace"):
        assert sum(jax.tree.leaves(layers[name])) == pytest.approx(whole[name], rel=1e-9)
    values = np.array(jax.tree.leaves(layers["gradient_value"]))
    assert (values * sizes).sum() / sizes.sum() == pytest.approx(whole["gradient_value"], rel=1e-9)
    for layer, g in zip(
        jax.tree.leaves(layers["gradient_correlation"]), direct.values(), strict=True
    ):
        flat = g.reshape(B, -1)
        unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
        assert float(layer) == pytest.approx((unit @ unit.T).mean(), rel=1e-9)


def test_together_is_another_reading_only_with_batch_statistics():
    def normalised(params, x):
        x = x.reshape(len(x), -1) @ params["w"]
        return jnp.tanh((x - x.mean(0)) / jnp.sqrt(x.var(0) + 1e-3)) @ params["v"]

    params, x, y = {"w": draw(12, 6), "v": draw(6, 4, seed=1)}, *model("mlp")[2:4]
    g = jax.jacrev(lambda p: -jax.nn.log_softmax(normalised(p, x))[jnp.arange(B), y])(params)
    g = np.concatenate([leaf.reshape(B, -1) for leaf in jax.tree.leaves(g)], 1)
    wanted = {
        "gradient_kernel": np.sum(g.mean(0) ** 2),
        "gradient_trace": np.sum(g**2, 1).mean(),
        "gradient_value": np.abs(g).mean(),
    }
    for name, value in wanted.items():
        joint = getattr(proxies, name)(together=True)
        assert proxies.score([joint], normalised, params, x, y)[name] == pytest.approx(value)
        apart = proxies.score([name], normalised, params, x, y)[name]
        assert apart != pytest.approx(value, rel=1e-2)
        apply, plain, *batch = model("mlp")[:4]
        joint_plain = proxies.score([joint], apply, plain, *batch)[name]
        assert joint_plain == pytest.approx(proxies.score([name], apply, plain, *batch)[name])


# --- One contract for the whole catalogue ---------------------------------------------------------


@dataclass(frozen=True)
class Contract:
    """What is different from proxy to proxy.

    Attributes:
        nan_if_ignored: a network that ignores its input has no such score.
        noisy: the noise given to it matters.
    """

    nan_if_ignored: bool
    noisy: bool = False


OF_PARAMETERS, OF_TENSORS, OF_INPUT = Contract(False), Contract(True), Contract(True)
WITH_NOISE = Contract(True, noisy=True)
CONTRACTS = {
    "gradient_kernel": OF_PARAMETERS,
    "gradient_value": OF_PARAMETERS,
    "gradient_correlation": OF_PARAMETERS,
    "gradient_trace": OF_PARAMETERS,
    "gradient_kernel_sampled": OF_PARAMETERS,
    "js": OF_INPUT,
    "js_n0.1": WITH_NOISE,
    "js_n10": WITH_NOISE,
    "js_n100": WITH_NOISE,
    "jsc": OF_INPUT,
    "jsc_n0.1": WITH_NOISE,
    "jsc_n10": WITH_NOISE,
    "jsc_n100": WITH_NOISE,
    "pjs": OF_TENSORS,
    "pjsc": OF_TENSORS,
    "wpjs": OF_TENSORS,
    "wpjsi": OF_TENSORS,
    "pjs_nz": OF_TENSORS,
    "wpjs_nz": OF_TENSORS,
    "wpjsi_nz": OF_TENSORS,
}
each = pytest.mark.parametrize("name", CONTRACTS)


def test_the_contract_is_complete():
    assert tuple(CONTRACTS) == PROXIES
    not_factories = {"CATALOGUE", "Entry", "Proxy", "UndefinedScore", "layerwise", "make", "score"}
    not_factories |= {"linen", "logits_of", "nnx"}
    used = {entry.factory.split(":")[1] for entry in catalogue.CATALOGUE if entry.kind == "proxy"}
    assert used == set(proxies.__all__) - not_factories
    for name in PROXIES:
        assert make(name).name == name


@pytest.fixture(scope="module")
def programs():
    """A jitted program for each proxy of the catalogue, made once."""
    with jax.enable_x64(True):
        apply, params, x, y, _ = model("mlp")
        subject = make_subject(apply, params, x, y)

    def program(name):
        def run(params, x, y, noise):
            return evaluate([make(name)], replace(subject, params=params, x=x, y=y), noise)[name]

        return jax.jit(run)

    return {name: program(name) for name in CONTRACTS}


@each
def test_scalar_deterministic_and_the_same_jitted(name, programs):
    apply, params, x, y, _ = model("mlp")
    found = programs[name](params, x, y, standard_noise(3, x))
    assert found.shape == ()
    assert found.dtype == jnp.float64
    assert jnp.isfinite(found)
    again = programs[name](params, x, y, standard_noise(3, x))
    assert found.tobytes() == again.tobytes()
    plain = make(name)(apply, params, x, y, seed=3)
    np.testing.assert_allclose(plain, found, rtol=1e-8)
    other = programs[name](params, x, y, standard_noise(4, x))
    assert (float(other) != float(found)) == CONTRACTS[name].noisy


@each
def test_one_compilation_serves_all_values_and_examples_have_no_order(name, programs):
    _, params, x, y, _ = model("mlp")
    noise, shuffled = standard_noise(0, x), np.random.default_rng(0).permutation(B)
    program = programs[name]
    first = program(params, x, y, noise)
    compiled = program._cache_size()
    permuted = program(params, x[shuffled], y[shuffled], noise[shuffled])
    np.testing.assert_allclose(permuted, first, rtol=1e-7)
    changed = program(mlp_params(seed=50), x + 1, 3 - y, noise)
    assert float(changed) != pytest.approx(float(first), rel=1e-9)
    assert program._cache_size() == compiled == 1


@each
def test_vmap_over_networks_is_a_loop(name, programs):
    _, _, x, y, _ = model("mlp")
    several = [mlp_params(seed) for seed in (0, 10, 20)]
    noise = standard_noise(0, x)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *several)
    at_once = jax.jit(jax.vmap(programs[name], (0, None, None, None)))(stacked, x, y, noise)
    alone = [programs[name](params, x, y, noise) for params in several]
    np.testing.assert_allclose(at_once, alone, rtol=1e-7)
    assert len(set(np.asarray(at_once))) == 3


def test_a_network_that_ignores_its_input():
    params = {"w": draw(12, 4), "b": draw(4)}

    def ignores(params, x):
        return 0 * x.reshape(len(x), -1) @ params["w"] + params["b"]

    x, y = model("mlp")[2:4]
    with pytest.warns(proxies.UndefinedScore, match="does not depend on the input"):
        found = proxies.score(list(PROXIES), ignores, params, x, y)
    assert {name: np.isnan(value) for name, value in found.items()} == {
        name: contract.nan_if_ignored for name, contract in CONTRACTS.items()
    }


def test_sharing_gradients_changes_nothing():
    apply, params, x, y, _ = model("mlp")
    together = proxies.score(list(PROXIES), apply, params, x, y, seed=2)
    for name in ("js", "js_n10", "wpjs", "pjs_nz", "gradient_value", "gradient_kernel_sampled"):
        alone = proxies.score([name], apply, params, x, y, seed=2)
        assert alone[name] == pytest.approx(together[name], rel=1e-8), name


def test_noise_has_the_variance_of_the_whole_batch():
    x, noise = draw(4, 3) * jnp.arange(1.0, 4), draw(4, 3, seed=1)
    wanted = np.asarray(x) + 10 * np.var(x) * np.asarray(noise)
    np.testing.assert_allclose(add_noise(x, 10, noise), wanted, rtol=1e-12)
    assert add_noise(x, 0.0, noise) is x
    a, b, c = standard_noise(0, x), standard_noise(0, x), standard_noise(1, x)
    assert (a == b).all()
    assert not (a == c).any()


@pytest.mark.parametrize(
    ("proxy", "name"),
    [
        (partial(proxies.js, noise=0.5), "js_n0.5"),
        (partial(proxies.js, noise=10, k=1e-3), "js_n10_k0.001"),
        (partial(proxies.jsc, root=2), "jsc_root2"),
        (partial(proxies.pjs, k=0.1), "pjs_k0.1"),
        (partial(proxies.wpjs, zeros="structural-removed", k=0.1), "wpjs_nz_k0.1"),
        (partial(proxies.wpjsi, zeros="structural-removed"), "wpjsi_nz"),
        (partial(proxies.pjsc, root=3), "pjsc_root3"),
        (
            partial(
                proxies.gradient_kernel_sampled, examples=8, parameters=9, centred=False, seed=1
            ),
            "gradient_kernel_sampled_mu8_theta9_centred0_seed1",
        ),
    ],
)
def test_names_tell_the_parameters(proxy, name):
    assert proxy().name == name


def test_parameters_matter():
    apply, params, x, y, order = model("mlp")
    direct = Direct.of(apply, params, x, y)
    asked = [proxies.js(k=0.5), proxies.jsc(root=2), proxies.pjs(k=0.5)]
    found = proxies.score(asked, apply, params, x, y)
    eigen = lambda a: np.linalg.eigvalsh(np.corrcoef(a))  # noqa: E731
    half = lambda s: -np.sum(np.log(s + 0.5) + 1 / (s + 0.5))  # noqa: E731
    assert found["js_k0.5"] == pytest.approx(half(eigen(direct.to_x)))
    tensors = [half(eigen(t)) for t in direct.tensors(order)]
    assert found["pjs_k0.5"] == pytest.approx(np.mean(tensors))
    unit = direct.to_x / np.linalg.norm(direct.to_x, axis=1, keepdims=True)
    roots = np.sqrt(np.abs(unit @ unit.T))
    assert found["jsc_root2"] == pytest.approx(1 - (roots.sum() - B) / (B * B - B))


def test_forward_order_is_of_use_not_of_names():
    apply, params, x, *_ = model("mlp")
    assert usage.tensors(apply, params, x) == tuple(Tensor((name,)) for name in MLP_ORDER)
    jitted = jax.jit(mlp)
    assert usage.tensors(jitted, params, x) == tuple(Tensor((name,)) for name in MLP_ORDER)
    backwards = [(name,) for name in reversed(MLP_ORDER)]
    given = proxies.score(["wpjs", "wpjsi"], apply, params, x, model("mlp")[3], order=backwards)
    usual = proxies.score(["wpjs", "wpjsi"], apply, params, x, model("mlp")[3])
    assert given["wpjs"] == pytest.approx(usual["wpjsi"])
    assert given["wpjsi"] == pytest.approx(usual["wpjs"])
    assert given["wpjs"] != pytest.approx(usual["wpjs"])


def test_errors():
    apply, params, x, y, _ = model("mlp")
    with pytest.raises(ValueError, match=r"score 'jss': .*did you mean 'js'"):
        proxies.score(["jss"], apply, params, x, y)
    with pytest.raises(ValueError, match="gradient_kernel"):
        make("gradient_kernal")
    with pytest.raises(ValueError, match="y: expected 50 labels, .* got 49"):
        proxies.score(["js"], apply, params, x, y[:-1])
    with pytest.raises(ValueError, match="structural-removed"):
        proxies.pjs(zeros="drop")  # type: ignore[arg-type]


def test_a_proxy_is_shown_as_its_call():
    shown = {
        "js(noise=0.1)": proxies.js(noise=0.1),
        "js()": proxies.js(noise=0.0),
        "wpjs(zeros='structural-removed')": make("wpjs_nz"),
        "gradient_kernel_sampled(examples=8, seed=1)": proxies.gradient_kernel_sampled(
            examples=8, seed=1
        ),
    }
    assert [repr(proxy) for proxy in shown.values()] == list(shown)


def test_batch_normalisation_decides_whether_examples_share_a_batch():
    """Joint where examples meet, and where only the kernel is asked, which is cheaper so."""
    kernel, trace, js = make("gradient_kernel"), make("gradient_trace"), make("js")

    def joint(chosen, statistics):
        return [
            getattr(proxy.gradient, "together", None)
            for proxy in for_batch_norm(chosen, statistics)
        ]

    assert joint([kernel, trace, js], "batch") == [True, True, None]
    assert joint([kernel, js], "example") == [True, None]
    assert joint([kernel, trace, js], "example") == [False, False, None]
    assert joint([js], "example") == [None]


def test_proxies_share_passes_by_what_they_differentiate_and_their_noise():
    names = ("js", "pjs", "gradient_kernel", "js_n10", "gradient_trace", "jsc_n10", "pjsc")
    groups = passes([make(name) for name in names])
    assert [[proxy.name for proxy in group.proxies] for group in groups] == [
        ["js", "pjs", "pjsc"],
        ["gradient_kernel", "gradient_trace"],
        ["js_n10", "jsc_n10"],
    ]
    assert [group.noise for group in groups] == [0, 0, 10]
    assert [len(group.quantities) for group in groups] == [2, 2, 1]


NO_FUNCTIONS = {"CATALOGUE", "Entry", "Proxy", "UndefinedScore"}


def doctests():
    found = doctest.DocTestFinder(recurse=False)
    public = {name: getattr(proxies, name) for name in proxies.__all__}
    functions = {name: value for name, value in public.items() if inspect.isfunction(value)}
    assert len(functions) == len(public) - len(NO_FUNCTIONS)
    return {name: found.find(value, name, globs={}) for name, value in functions.items()}


@pytest.mark.parametrize("name", sorted(set(proxies.__all__) - NO_FUNCTIONS))
def test_each_public_function_has_an_example_that_runs(name):
    (example,) = doctests()[name]
    assert 1 < len(example.examples) <= 5
    with jax.enable_x64(False):
        assert doctest.DocTestRunner().run(example).failed == 0


def test_tensors_of_one_axis_alone_have_no_parameter_score():
    """N = 0: undefined, so NaN, and not an error of some inner function."""
    apply = lambda p, x: x.reshape(len(x), -1)[:, :4] * p["scale"]  # noqa: E731
    x, y = model("mlp")[2:4]
    with pytest.warns(proxies.UndefinedScore, match="pjs, wpjs: NaN, since no parameter with two"):
        found = proxies.score(["js", "pjs", "wpjs"], apply, {"scale": jnp.ones(4)}, x, y)
    assert np.isfinite(found["js"])
    assert np.isnan(found["pjs"])
    assert np.isnan(found["wpjs"])


def test_float32_model_is_scored_without_x64_and_the_process_is_left_alone():
    code = """
import json, os, jax
before = dict(jax.config.values), dict(os.environ)
import jaxnas, jax.numpy as jnp
after_import = dict(jax.config.values), dict(os.environ)
x = jnp.sin(jnp.arange(24.0)).reshape(4, 6)
w = {"w": jnp.cos(jnp.arange(18.0)).reshape(6, 3)}
names = ["js", "pjs", "gradient_kernel", "js_n10"]
scores = jaxnas.proxies.score(names, lambda w, x: x @ w["w"], w, x, jnp.array([0, 1, 2, 0]))
after_use = dict(jax.config.values), dict(os.environ)
print(json.dumps([before == after_import, before == after_use, str(x.dtype),
                  str(jnp.ones(1).dtype), scores]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *facts, scores = json.loads(run.stdout)
    assert facts == [True, True, "float32", "float32"]
    assert all(np.isfinite(value) for value in scores.values())
    x, w = jnp.sin(jnp.arange(24.0)).reshape(4, 6), jnp.cos(jnp.arange(18.0)).reshape(6, 3)
    y = jnp.array([0, 1, 2, 0])
    wanted = proxies.score(["gradient_kernel", "pjs"], lambda w, x: x @ w["w"], {"w": w}, x, y)
    assert scores["gradient_kernel"] == pytest.approx(wanted["gradient_kernel"], rel=1e-4)
    assert scores["pjs"] == pytest.approx(wanted["pjs"], rel=0.05)
