"""What a user gives to `score`: taken for what it is, or refused in one sentence with a remedy."""

import contextlib
import warnings
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from flax.training.train_state import TrainState

from jaxnas import proxies
from jaxnas.proxies import proxy as proxy_module
from jaxnas.proxies.parameters import parameters
from jaxnas.proxies.proxy import make_subject
from jaxnas.proxies.subject import by_path

B, D, K = 6, 5, 3
RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((B, D)).astype(np.float32)
Y = np.arange(B) % K
W = {"w": RANDOM.standard_normal((D, K)).astype(np.float32)}


def linear(params: Any, x: Any) -> Any:
    return x @ params["w"]


@pytest.fixture
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails where a network is about to be compiled."""

    def evaluate(*_: Any) -> None:
        pytest.fail("compiled before it was refused")

    monkeypatch.setattr(proxy_module, "evaluate", evaluate)


def refusal(
    proxies_: Any = "js",
    apply: Any = linear,
    params: Any = W,
    x: Any = X,
    y: Any = Y,
    **more: Any,
) -> str:
    """The one sentence in which `score` refuses, which has the form of all sentences."""
    with pytest.raises(ValueError) as caught:
        proxies.score(proxies_, apply, params, x, y, **more)
    told = str(caught.value)
    assert ": expected " in told
    assert ", got " in told
    assert "\n" not in told
    return told


# --- Labels -------------------------------------------------------------------------------------

LABELS = {
    "from one on": (Y + 1, "from 0 to 2, one for each of 3 logits, got 1 to 3; give y - 1"),
    "from minus one on": (Y - 1, "got -1 to 1; give y + 1, or"),
    "marked as missing": (np.where(Y == 0, -100, Y), "got -100 to 2; leave positions"),
    "of more classes": (Y * 4, "got 0 to 8; let the network have a logit for each class"),
    "beyond 32 bits": (Y + 2**32, "got 4294967296 to 4294967298; give y - 4294967296"),
    "one-hot": (np.eye(K)[Y], "of one-hot labels give np.argmax(y, axis=-1)"),
    "one-hot integers": (np.eye(K, dtype=int)[Y], "give np.argmax(y, axis=-1)"),
    "soft": (np.eye(K)[Y] * 0.4 + 0.2, "give one class each, such as the likeliest, np.argmax"),
    "a column": (Y[:, None], "got shape (6, 1); give np.squeeze(y, axis=-1)"),
    "for positions": (np.stack([Y, Y], 1), "got shape (6, 2); give one label an example, or"),
    "floats": (Y.astype(float), "got float64; give np.asarray(y, int)"),
    "flags": (Y > 0, "got bool; give np.asarray(y, int)"),
    "targets of a regression": (Y + 0.5, "regression has no score"),
    "text": (np.array(["cat", "dog", "fox"])[Y], "np.unique(y, return_inverse=True)[1]"),
    "a list of text": (list("abcabc"), "np.unique(y, return_inverse=True)[1]"),
    "too few": (Y[:5], "expected 6 labels, one for each example of x, got 5"),
    "a number": (3, "got a single number"),
    "nothing": (None, "got NoneType"),
    "objects": (Y.astype(object), "got an array of object; give whole numbers"),
    "keys": (jax.random.split(jax.random.key(0), B), "got an array of key<fry>"),
    "NaN": (np.full(B, np.nan), "regression has no score"),
}


@pytest.mark.parametrize(("y", "told"), LABELS.values(), ids=LABELS)
@pytest.mark.usefixtures("nothing_compiled")
def test_labels_that_are_none_are_refused_with_a_remedy(y: Any, told: str) -> None:
    found = refusal(y=y)
    assert found.startswith("y: expected ")
    assert told in found


REMEDIES = ("from one on", "from minus one on", "one-hot", "a column", "floats", "text", "flags")


@pytest.mark.parametrize("kind", REMEDIES)
def test_the_remedies_for_labels_work(kind: str) -> None:
    y, told = LABELS[kind]
    remedy = told.split("give ")[-1].split(", or")[0] if "give " in told else told
    mended = eval(remedy, {"np": np, "y": y})
    wanted = (Y > 0).astype(int) if kind == "flags" else Y
    np.testing.assert_array_equal(make_subject(linear, W, X, mended).y, wanted)


@pytest.mark.parametrize("y", [jnp.asarray(Y), list(map(int, Y)), Y.astype(np.uint8)])
def test_whole_numbers_of_any_kind_are_labels(y: Any) -> None:
    np.testing.assert_array_equal(make_subject(linear, W, X, y).y, Y)


# --- Examples -----------------------------------------------------------------------------------


def spoiled(value: float) -> Any:
    x = X.copy()
    x[2, 3] = value
    return x


EXAMPLES = {
    "a NaN": (spoiled(np.nan), "in 1 of 6 examples, the first at x[2, 3]"),
    "an infinity": (spoiled(-np.inf), "in 1 of 6 examples, the first at x[2, 3]"),
    "beyond float32": (X.astype(float) * 1e200, "in 6 of 6 examples"),
    "none": (X[:0], "at least one, got an array of shape (0, 5)"),
    "no features": (X[:, :0], "at least one, got an array of shape (6, 0)"),
    "a number": (1.0, "got an array of shape ()"),
    "half precision": (X.astype(np.float16), "got float16, whose digits"),
    "bfloat16": (jnp.asarray(X, jnp.bfloat16), "got bfloat16, whose digits"),
    "complex": (X + 1j, "expected real numbers, got complex64"),
    "text": ("images.npy", "as one array of numbers, got str"),
    "several inputs": ({"ids": X, "mask": X}, "got dict; let apply hold"),
    "nothing": (None, "got NoneType"),
    "ragged": ([[1.0, 2.0], [3.0]], "got list, which is none"),
    "objects": (X.astype(object), "got an array of object"),
}


@pytest.mark.parametrize(("x", "told"), EXAMPLES.values(), ids=EXAMPLES)
@pytest.mark.usefixtures("nothing_compiled")
def test_examples_that_are_none_are_refused(x: Any, told: str) -> None:
    found = refusal(x=x, y=Y[: len(x)] if isinstance(x, np.ndarray) else Y)
    assert found.startswith("x: expected ")
    assert told in found


@pytest.mark.usefixtures("nothing_compiled")
def test_examples_and_labels_that_are_exchanged_are_told_so() -> None:
    assert "exchange x and y" in refusal(x=Y, y=X)


@pytest.mark.usefixtures("nothing_compiled")
def test_a_score_that_compares_examples_needs_two() -> None:
    for name in ("js", "jsc", "js_n10", "gradient_correlation"):
        told = refusal(["gradient_trace", name], x=X[:1], y=Y[:1])
        assert told.startswith(f"{name}: expected at least 2 examples, got 1")
    told = refusal("gradient_kernel_sampled")
    assert told.startswith("gradient_kernel_sampled: expected at least 50 examples, got 6")


# --- Parameters ---------------------------------------------------------------------------------

BAD_PARAMETERS = {
    "none": ({}, "at least one array of floats, got dict of nothing"),
    "nothing": (None, "got NoneType of nothing"),
    "a function": (linear, "got function of function"),
    "integers": ({"w": np.ones((D, K), int)}, "got dict of ndarray"),
    "state alone": ({"params": {}, "batch_stats": W}, "at least one array of floats"),
    "a NaN": ({"a": {"w": np.full((D, K), np.nan)}}, "15 of 15 entries of 'a/w'"),
    "an infinity": ({"params": {"w": spoiled(np.inf)}}, "in 1 of 30 entries of 'params/w'"),
    "NaN in the state": (
        {"params": W, "batch_stats": {"mean": np.array([0, np.nan])}},
        "in 1 of 2 entries of 'batch_stats/mean'",
    ),
    "complex": ({"w": jnp.ones((D, K), complex)}, "got complex ones at 'w'"),
    "shapes": (jax.eval_shape(lambda: W), "not jax.eval_shape of it"),
}


@pytest.mark.parametrize(("params", "told"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
@pytest.mark.usefixtures("nothing_compiled")
def test_parameters_that_are_none_are_refused(params: Any, told: str) -> None:
    found = refusal(params=params)
    assert found.startswith("params: expected ")
    assert told in found


@pytest.mark.usefixtures("nothing_compiled")
def test_arrays_that_were_donated_are_told_so() -> None:
    def gone(array: Any) -> Any:
        copy = jnp.array(array, copy=True)
        copy.delete()
        return copy

    assert "got one of shape (5, 3) that was donated" in refusal(params={"w": gone(W["w"])})
    assert refusal(x=gone(X)).startswith("x: expected an array with values, got one")
    assert refusal(y=gone(Y)).startswith("y: expected an array with values, got one")


class Own(NamedTuple):
    """A module that is a tree, with what such modules hold besides their parameters."""

    weight: Any
    activation: Any = nn.relu
    name: str = "own"


class WithStatistics(nn.Module):
    """Batch normalisation and dropout, of which a call chooses the mode."""

    @nn.compact
    def __call__(self, x: Any, train: bool) -> Any:
        x = nn.Dense(4, name="first")(x)
        x = nn.BatchNorm(use_running_average=not train, name="normal")(x)
        x = nn.Dropout(0.5, deterministic=not train)(nn.tanh(x))
        return nn.Dense(K, name="last")(x)


@pytest.fixture(scope="module")
def linen_model() -> tuple[Any, Any]:
    model = WithStatistics()
    variables = jax.jit(lambda key: model.init(key, X, train=False))(jax.random.key(0))
    moved = jax.tree.map(lambda leaf: leaf + 0.3, variables["batch_stats"])
    return model, {**variables, "batch_stats": moved}


class NnxModel(nnx.Module):
    """As `WithStatistics`."""

    def __init__(self, rngs: nnx.Rngs) -> None:
        self.first = nnx.Linear(D, 4, rngs=rngs)
        self.normal = nnx.BatchNorm(4, rngs=rngs)
        self.dropout = nnx.Dropout(0.5, rngs=rngs)
        self.last = nnx.List([nnx.Linear(4, K, rngs=rngs)])

    def __call__(self, x: Any) -> Any:
        return self.last[0](self.dropout(nnx.tanh(self.normal(self.first(x)))))


@pytest.fixture(scope="module")
def nnx_model() -> NnxModel:
    return NnxModel(nnx.Rngs(0))


def names(tree: Any) -> set[str]:
    return {"/".join(path) for path in by_path(tree)}


def test_of_linen_s_variables_params_alone_are_parameters(linen_model: tuple[Any, Any]) -> None:
    _, variables = linen_model
    own, whole = parameters(variables)
    assert names(own) == names({"params": variables["params"]})
    assert jax.tree.all(jax.tree.map(jnp.array_equal, whole(own), variables))
    assert names(parameters(nn.FrozenDict(variables))[0]) == names(own)
    state = TrainState(3, None, variables["params"], None, {"momentum": variables["params"]})  # type: ignore[arg-type]
    assert names(parameters(state)[0]) == names(own)


def test_of_nnx_variables_those_of_param_alone_are_parameters(nnx_model: NnxModel) -> None:
    state = nnx.state(nnx_model)
    own, whole = parameters(state)
    kernels = {f"{place}/{kind}" for place in ("first", "last/0") for kind in ("kernel", "bias")}
    kernels |= {"normal/scale", "normal/bias"}
    assert {name.removesuffix("/value") for name in names(own)} == kernels
    assert jax.tree.structure(whole(own)) == jax.tree.structure(state)
    # A module is a tree of the same variables.
    assert names(parameters(nnx_model)[0]) == names(own)


def test_what_is_no_float_is_held_constant() -> None:
    constant = {
        "step": 3,
        "count": np.arange(4),
        "flag": True,
        "mask": np.array([True, False]),
        "key": jax.random.key(0),
        "raw key": jax.random.PRNGKey(0),
        "name": "adam",
        "function": nn.relu,
        "none": None,
    }
    tree = constant | {"w": W["w"], "scale": jnp.float32(2), "slope": 0.1, "half": np.float16(1)}
    own, whole = parameters(tree)
    assert names(own) == {"w", "scale", "slope", "half"}
    again = whole(own)
    assert again["function"] is nn.relu
    assert again["step"] == 3
    assert again["key"].dtype == tree["key"].dtype
    assert names(parameters(Own(W["w"]))[0]) == {"weight"}
    masks = {"params": W, "masks": {"attention": np.array([0, -np.inf])}}
    assert names(parameters(masks)[0]) == {"params/w"}


def test_numpy_s_parameters_have_the_types_of_the_network() -> None:
    wide = {"w": W["w"].astype(np.float64), "table": np.ones(3)}
    own, _ = parameters(wide)
    assert {leaf.dtype for leaf in jax.tree.leaves(own)} == {jnp.dtype("float32")}


@pytest.fixture(scope="module")
def kernels_with_statistics(linen_model: tuple[Any, Any]) -> dict[str, float]:
    """The gradient kernel of the same network, given in several ways."""
    model, variables = linen_model
    apply = lambda variables, x: model.apply(variables, x, train=False)  # noqa: E731
    given = {
        "whole": (apply, variables),
        "adapter": proxies.linen(model, variables, train=False),
    }
    return {
        way: proxies.score("gradient_kernel", *one, X, Y)["gradient_kernel"]
        for way, one in given.items()
    }


def test_running_statistics_are_no_parameters(
    linen_model: tuple[Any, Any], kernels_with_statistics: dict[str, float]
) -> None:
    model, variables = linen_model

    def loss(variables: Any) -> Any:
        log_p = jax.nn.log_softmax(model.apply(variables, X, train=False))
        return -log_p[jnp.arange(B), Y].mean()

    gradient = jax.jit(jax.grad(loss))(variables)
    squares = {
        name: sum(float(jnp.sum(leaf**2)) for leaf in jax.tree.leaves(tree))
        for name, tree in gradient.items()
    }
    # As it would be if they were.
    assert squares["batch_stats"] > 0.01 * squares["params"]
    for way, found in kernels_with_statistics.items():
        assert found == pytest.approx(squares["params"], rel=1e-4), way


# --- What apply gives ---------------------------------------------------------------------------

OUTPUTS = {
    "one logit": (lambda w, x: linear(w, x)[:, :1], "got 1, shape (6, 1); for two classes join"),
    "no axis of classes": (lambda w, x: linear(w, x)[:, 0], "stack [0, z]"),
    "a tuple": (lambda w, x: (linear(w, x), x), "give proxies.logits_of(apply, 0)"),
    "a later entry": (lambda w, x: (x.sum(), linear(w, x)), "give proxies.logits_of(apply, 1)"),
    "a dictionary": (
        lambda w, x: {"aux": x, "logits": linear(w, x)},
        "dict with aux: (6, 5), logits: (6, 3); give proxies.logits_of(apply, 'logits')",
    ),
    "nothing": (lambda w, x: None, "got None; let it return the logits"),
    "classes": (lambda w, x: linear(w, x).argmax(-1), "of int32; let it return logits"),
    "classes first": (lambda w, x: linear(w, x).T, "axis of examples first, of classes last"),
    "no positions": (lambda w, x: linear(w, x)[:, None][:, :0], "got shape (6, 0, 3)"),
    "a mean": (lambda w, x: linear(w, x).mean(), "got shape ()"),
    "a missing entry": (lambda w, x: x @ w["v"], "got KeyError: 'v'; call apply(params, x)"),
    "a further argument": (
        lambda w, x, train: x @ w["w"],
        "lambda p, x: model.apply(p, x, train=False)",
    ),
    "shapes that do not fit": (lambda w, x: linear(w, x[:, 1:]), "got TypeError: dot_general"),
    "no function": (W, "such as model.apply"),
    "a model of linen": (nn.Dense(K), "give model.apply"),
    "a model of nnx": (nnx.Linear(D, K, rngs=nnx.Rngs(0)), "proxies.nnx(model, train=...)"),
}


@pytest.mark.parametrize(("apply", "told"), OUTPUTS.values(), ids=OUTPUTS)
@pytest.mark.usefixtures("nothing_compiled")
def test_what_gives_no_logits_is_refused(apply: Any, told: str) -> None:
    found = refusal(apply=apply, y=np.zeros(B, int))
    assert found.startswith("apply: expected ")
    assert told in found


def test_two_classes_by_one_logit_and_zero_are_labels_0_and_1() -> None:
    def two(params: Any, x: Any) -> Any:
        z = linear(params, x)[:, :1]
        return jnp.concatenate([0 * z, z], -1)

    assert make_subject(two, W, X, Y % 2).y.max() == 1


def test_an_error_of_apply_is_kept_as_the_cause() -> None:
    class OwnError(Exception):
        pass

    def fails(params: Any, x: Any) -> Any:
        raise OwnError("a reason\nof two lines")

    with pytest.raises(ValueError, match=r"x float32 \(6, 5\), got OwnError: a reason") as caught:
        proxies.score("js", fails, W, X, Y)
    assert isinstance(caught.value.__cause__, OwnError)


LINEN_ERRORS = {
    "a collection that is missing": (
        lambda model, _, x: model.apply({"params": {}}, x, train=False),
        "give as params what model.init returned",
    ),
    "statistics that are written": (
        lambda model, variables, x: model.apply(
            variables, x, train=True, rngs={"dropout": jax.random.key(0)}
        ),
        "proxies.linen(model, variables, ...), which drops updates",
    ),
    "dropout without a key": (
        lambda model, variables, x: model.apply(variables, x, train=True, mutable=["batch_stats"]),
        "switch dropout off, or give proxies.linen(model, variables, rngs=...)",
    ),
}


@pytest.mark.parametrize(("call", "told"), LINEN_ERRORS.values(), ids=LINEN_ERRORS)
@pytest.mark.usefixtures("nothing_compiled")
def test_errors_of_flax_come_with_what_to_do(
    call: Any, told: str, linen_model: tuple[Any, Any]
) -> None:
    model, variables = linen_model
    assert told in refusal(apply=lambda v, x: call(model, v, x), params=variables)


@pytest.mark.usefixtures("nothing_compiled")
def test_a_module_of_nnx_that_writes_outside_is_pointed_to_the_adapter(nnx_model: NnxModel) -> None:
    graph, params, rest = nnx.split(nnx_model, nnx.Param, ...)
    told = refusal(apply=lambda p, x: nnx.merge(graph, p, rest)(x), params=params)
    assert "proxies.nnx(model, train=...)" in told


def test_what_cannot_be_differentiated_or_taken_one_by_one_is_told() -> None:
    def doubles(params: Any, x: Any) -> Any:
        return jax.lax.while_loop(lambda a: a.sum() < 1e3, lambda a: 2 * a, abs(linear(params, x)))

    assert "got ValueError: Reverse-mode differentiation" in refusal(apply=doubles)
    fixed = lambda params, x: linear(params, x.reshape(B, D))  # noqa: E731
    told = refusal("gradient_trace", apply=fixed)
    assert "for the batch and for each example on its own, got TypeError" in told
    assert "give it no fixed batch size" in told


# --- Proxies and seeds --------------------------------------------------------------------------

ASKED = {
    "a count": (["params"], "got params, a count of an architecture of a space; of a network"),
    "a derived score": ("sns", "derived from a table of many networks; score js, js_n0.1"),
    "all": ("all", "stands for the columns of a table; give [e.name for e in CATALOGUE"),
    "none": ([], "expected at least one, got none"),
    "a name that is near": (["jss"], "did you mean 'js'?"),
    "a number": (5, "give a list such as ['js']"),
    "a number in a list": ([5], "got 5; give a name such as 'js'"),
    "a factory": ([proxies.js], "or call a factory, as proxies.js()"),
    "two of one name": (
        [proxies.gradient_kernel(), proxies.gradient_kernel(together=True)],
        "got gradient_kernel() and gradient_kernel(together=True), both named gradient_kernel",
    ),
}


@pytest.mark.parametrize(("asked", "told"), ASKED.values(), ids=ASKED)
@pytest.mark.usefixtures("nothing_compiled")
def test_what_is_no_proxy_is_refused(asked: Any, told: str) -> None:
    assert told in refusal(asked)


def test_one_proxy_needs_no_list_and_one_twice_is_one() -> None:
    found = proxies.score("gradient_kernel", linear, W, X, Y)
    assert found == proxies.score([proxies.gradient_kernel()] * 2, linear, W, X, Y)
    assert list(found) == ["gradient_kernel"]


@pytest.mark.parametrize("seed", [True, -1, 2**32, 10**30, 1.0, None, "0"])
@pytest.mark.usefixtures("nothing_compiled")
def test_seeds_have_a_range(seed: Any) -> None:
    assert refusal(seed=seed).startswith("seed: expected a whole number from 0 to 4294967295")
    with pytest.raises(ValueError, match="seed: expected"):
        proxies.js(noise=1)(linear, W, X, Y, seed=seed)


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda: proxies.js(noise=float("nan")), "noise: expected a finite number from 0"),
        (lambda: proxies.jsc(noise=-1), "noise: expected"),
        (lambda: proxies.js(k=0), "k: expected a finite number above 0"),
        (lambda: proxies.wpjs(k=float("inf")), "k: expected"),
        (lambda: proxies.pjsc(root=0), "root: expected a whole number from 1 to "),
        (lambda: proxies.jsc(root=2.5), "root: expected"),
        (lambda: proxies.pjs(zeros="drop"), "zeros: expected one of keep, structural-removed, got"),
        (lambda: proxies.pjs(constant_rows=True), "constant_rows: expected one of keep, drop"),
        (lambda: proxies.js(constant_rows="leave"), "constant_rows 'leave': expected"),
        (lambda: proxies.gradient_trace(together="no"), "together: expected True or False"),
        (lambda: proxies.gradient_kernel(together=1), "together: expected True or False"),
        (lambda: proxies.gradient_kernel_sampled(examples=0), "examples: expected"),
        (lambda: proxies.gradient_kernel_sampled(parameters=0.5), "parameters: expected"),
        (lambda: proxies.gradient_kernel_sampled(seed=-1), "seed: expected"),
        (lambda: proxies.make(5), "score: expected a name such as 'js', got 5"),
    ],
)
def test_constants_of_factories_have_ranges(made: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        made()


def test_within_jit_score_points_to_the_proxies_and_they_check_shapes() -> None:
    with pytest.raises(ValueError, match="x: expected arrays with values, got traced ones"):
        jax.eval_shape(lambda x: proxies.score("js", linear, W, x, Y), X)
    # Values are not there: labels pass that would not.
    shape = jax.eval_shape(lambda x, y: proxies.js()(linear, W, x, y), X, Y + 1)
    assert shape.shape == ()
    with pytest.raises(ValueError, match=r"y: expected labels of shape \(6,\)"):
        jax.eval_shape(lambda x, y: proxies.js()(linear, W, x, y), X, Y[:, None])


# --- Token ids, positions, adapters -------------------------------------------------------------

VOCABULARY, T = 7, 4
TOKENS = RANDOM.integers(0, VOCABULARY, (B, T))
LANGUAGE = {
    "embedding": RANDOM.standard_normal((VOCABULARY, 4)).astype(np.float32),
    "out": RANDOM.standard_normal((4, K)).astype(np.float32),
}


@pytest.mark.usefixtures("nothing_compiled")
def test_scores_that_need_floats_are_refused_by_name_on_token_ids() -> None:
    apply = lambda p, x: jnp.take(p["embedding"], x, 0).mean(1) @ p["out"]  # noqa: E731
    for name in ("js", "jsc", "js_n0.1", "jsc_n100"):
        told = refusal(["pjs", name], apply, LANGUAGE, TOKENS)
        assert told.startswith(f"{name}: expected x of floats, since it differentiates by x")
    images = np.zeros((B, D), np.uint8)
    assert "got uint8; leave js out for token ids, give images as floats" in refusal(x=images)


def test_the_other_scores_on_token_ids_are_those_by_hand() -> None:
    """An example's loss is the mean over its positions."""

    def of_ids(params: Any, x: Any) -> Any:
        return jnp.tanh(jnp.take(params["embedding"], x, axis=0)) @ params["out"]

    labels = RANDOM.integers(0, K, (B, T))
    one_hot = np.eye(VOCABULARY, dtype=np.float32)[TOKENS]
    asked = ["gradient_kernel", "gradient_trace"]
    found = proxies.score(asked, of_ids, LANGUAGE, TOKENS, labels)
    hidden = np.tanh(one_hot @ LANGUAGE["embedding"])
    logits = hidden @ LANGUAGE["out"]
    error = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True) - np.eye(K)[labels]
    to_hidden = (error @ LANGUAGE["out"].T) * (1 - hidden**2)
    of_examples = [
        np.einsum("btd,btk->bdk", hidden, error),
        np.einsum("btv,btd->bvd", one_hot, to_hidden),
    ]
    flat = np.concatenate([g.reshape(B, -1) for g in of_examples], 1) / T
    assert found["gradient_trace"] == pytest.approx((flat**2).sum(1).mean(), rel=1e-4)
    assert found["gradient_kernel"] == pytest.approx((flat.mean(0) ** 2).sum(), rel=1e-4)


POSITIONS = {
    "too few positions": ((B, T, K), (B, T - 2), "give labels and logits of the same positions"),
    "a label an example": ((B, T, K), (B,), "logits of one position, such as logits[:, -1]"),
    "classes second": ((B, K, T), (B, T), "jnp.moveaxis(logits, 1, -1)"),
    "pixels, classes second": ((B, K, 2, 5), (B, 2, 5), "jnp.moveaxis(logits, 1, -1)"),
    "one-hot": ((B, T, K), (B, T, K), "np.argmax(y, axis=-1)"),
    "a further axis": ((B, T, K), (B, T, 1), "np.squeeze(y, axis=-1)"),
}


@pytest.mark.parametrize(("logits", "labels", "told"), POSITIONS.values(), ids=POSITIONS)
@pytest.mark.usefixtures("nothing_compiled")
def test_labels_of_positions_fit_the_logits(
    logits: tuple[int, ...], labels: tuple[int, ...], told: str
) -> None:
    apply = lambda p, x: jnp.zeros(logits) + p["w"].sum()  # noqa: E731
    found = refusal("pjs", apply=apply, y=np.zeros(labels, int))
    assert f"expected labels of shape {logits[:-1]}, one for each row of logits, got" in found
    assert told in found


def test_an_adapter_takes_the_logits_out_of_what_holds_them() -> None:
    class Outputs(NamedTuple):
        loss: Any
        logits: Any

    wanted = linear(W, X)
    for apply, which in (
        (lambda w, x: (linear(w, x), x), 0),
        (lambda w, x: [x, linear(w, x)], -1),
        (lambda w, x: {"logits": linear(w, x)}, "logits"),
        (lambda w, x: Outputs(0, linear(w, x)), "logits"),
        (lambda w, x: Outputs(0, linear(w, x)), 1),
    ):
        own = proxies.logits_of(apply, which)
        np.testing.assert_array_equal(own(W, X), wanted)
    assert make_subject(own, W, X, Y).x.shape == X.shape
    assert "got KeyError" in refusal(apply=proxies.logits_of(lambda w, x: {}, "logits"))


def test_a_model_of_linen_has_the_mode_that_is_given(linen_model: tuple[Any, Any]) -> None:
    model, variables = linen_model
    plain, params = proxies.linen(model, variables, train=False)
    assert names(params) == names({"params": variables["params"]})
    np.testing.assert_array_equal(plain(params, X), model.apply(variables, X, train=False))
    rngs = {"dropout": jax.random.key(1)}
    trained, params = proxies.linen(model, variables, rngs=rngs, train=True)
    wanted, _ = model.apply(variables, X, train=True, rngs=rngs, mutable=["batch_stats"])
    np.testing.assert_array_equal(trained(params, X), wanted)
    assert not np.allclose(wanted, plain(params, X))
    assert make_subject(trained, params, X, Y).x.shape == X.shape
    with pytest.raises(ValueError, match=r"variables: expected what model.init returned"):
        proxies.linen(model, variables["params"])


def test_a_model_of_nnx_has_the_mode_that_is_given(nnx_model: NnxModel) -> None:
    before = nnx.to_pure_dict(nnx.state(nnx_model, nnx.BatchStat))
    plain, params = proxies.nnx(nnx_model, train=False)
    trained, _ = proxies.nnx(nnx_model, train=True)
    reference = nnx.clone(nnx_model)
    reference.eval()
    np.testing.assert_array_equal(plain(params, X), reference(X))
    reference.train()
    wanted = reference(X)
    np.testing.assert_array_equal(trained(params, X), wanted)
    np.testing.assert_array_equal(trained(params, X), wanted)  # the same mask again
    after = nnx.to_pure_dict(nnx.state(nnx_model, nnx.BatchStat))
    assert jax.tree.all(jax.tree.map(np.array_equal, before, after))
    order = [tensor.path for tensor in make_subject(trained, params, X, Y).order]
    assert order == [("first", "kernel"), ("last", "0", "kernel")]
    found = proxies.score(["gradient_kernel"], trained, params, X, Y)
    assert 0 < found["gradient_kernel"] < np.inf
    with pytest.raises(ValueError, match=r"model: expected a flax.nnx.Module"):
        proxies.nnx(nn.Dense(3), train=True)
    with pytest.raises(ValueError, match="train: expected True or False"):
        proxies.nnx(nnx_model, train=1)  # type: ignore[arg-type]


def test_logits_of_another_type_than_the_input_have_gradients_of_examples() -> None:
    apply = lambda params, x: linear(params, x).astype(jnp.bfloat16)  # noqa: E731
    found = proxies.score([proxies.gradient_trace(together=True)], apply, W, X, Y)
    plain = proxies.score([proxies.gradient_trace(together=True)], linear, W, X, Y)
    assert found["gradient_trace"] == pytest.approx(plain["gradient_trace"], rel=0.05)


def test_good_input_gives_no_warning() -> None:
    with contextlib.ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error")
        proxies.score("gradient_kernel", linear, W, X, Y)
