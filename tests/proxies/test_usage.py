"""How a network uses its parameters is read off its trace, however they are held."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxnas import proxies
from jaxnas.proxies.proxy import make_subject
from jaxnas.proxies.quantities import ParameterGradient
from jaxnas.proxies.subject import Subject
from jaxnas.proxies.usage import tensors
from jaxnas.types import Tensor

pytestmark = pytest.mark.usefixtures("x64")

NAMES = ("pjs", "pjsc", "wpjs", "wpjsi", "pjs_nz")
D, H = 6, 2


def draw(*shape: int, seed: int = 0) -> Any:
    return jnp.asarray(np.random.default_rng(seed).standard_normal(shape)) / 2


def order(apply: Any, params: Any, x: Any = None, **options: Any) -> list[Any]:
    """The tensors as (path, place, output axis), None left out."""
    found = tensors(apply, params, jnp.ones((3, 5)) if x is None else x, **options)
    return [("/".join(path), *((place,) if place is not None else ()), axis)
            for path, place, axis in found]  # fmt: skip


# --- One network, held and written in many ways ---------------------------------------------------


PLAIN = {
    "z": draw(5, D, seed=1),
    "m0": draw(D, D, seed=2),
    "k": draw(D, D, seed=3),
    "m1": draw(D, D, seed=4),
    "b": draw(D, 4, seed=5),
}
# Last to first, with the outputs first.
LOOPED = {"z": PLAIN["z"], "b": PLAIN["b"]}
LOOPED |= {"m": jnp.stack([PLAIN[name].T for name in ("m1", "k", "m0")])}


def plain(p: Any, x: Any) -> Any:
    x = jnp.tanh(x @ p["z"])
    for name in ("m0", "k", "m1"):
        x = jnp.tanh(x @ p[name])
    return x @ p["b"]


def turned(p: Any, x: Any) -> Any:
    x = jnp.tanh(x @ p["z"].T)
    for name in ("m0", "k", "m1"):
        x = jnp.tanh((p[name] @ x.T).T)
    return jnp.einsum("bi,oi->bo", x, p["b"])


def in_heads(p: Any, x: Any) -> Any:
    x = jnp.tanh(jnp.einsum("bi,ihd->bhd", x, p["z"]))
    x = jnp.tanh(jnp.einsum("bhd,hdo->bo", x, p["m0"]))
    x = jnp.tanh(jnp.einsum("bi,ihd->bhd", x, p["k"])).reshape(-1, D)
    return jnp.tanh(x @ p["m1"]) @ p["b"]


HEADS = PLAIN | {"z": PLAIN["z"].reshape(5, H, -1), "m0": PLAIN["m0"].reshape(H, -1, D)}
HEADS |= {"k": PLAIN["k"].reshape(D, H, -1)}


def in_a_loop(p: Any, x: Any) -> Any:
    def layer(x: Any, w: Any) -> Any:
        return jnp.tanh(x @ w.T), None

    return lax.scan(layer, jnp.tanh(x @ p["z"]), p["m"], reverse=True)[0] @ p["b"]


def after(change: Any) -> Any:
    return lambda p, x: plain(jax.tree.map(change, p), x)


def either(p: Any, x: Any) -> Any:
    return lax.cond(x.sum() > 0, plain, plain, p, x)


@jax.custom_vjp
def kept(w: Any) -> Any:
    return w


kept.defvjp(lambda w: (w, None), lambda _, g: (g,))

WAYS = {
    "turned": (turned, jax.tree.map(jnp.transpose, PLAIN)),
    "in heads": (in_heads, HEADS),
    "after a product with one": (after(lambda w: w * 1.0), PLAIN),
    "after a cast": (after(lambda w: w.astype(jnp.float64) + 0), jax.tree.map(np.asarray, PLAIN)),
    "after a straight-through estimator": (after(lambda w: w - lax.stop_gradient(0 * w)), PLAIN),
    "after a function with a derivative of its own": (after(kept), PLAIN),
    "after there and back": (after(lambda w: w.T.reshape(-1).reshape(w.T.shape).T), PLAIN),
    "after a barrier": (lambda p, x: plain(lax.optimization_barrier(p), x), PLAIN),
    "in branches": (either, PLAIN),
    "in a call": (jax.jit(plain), PLAIN),
    "computed again": (jax.checkpoint(plain), PLAIN),
    "with a list": (lambda p, x: plain(dict(zip(PLAIN, p, strict=True)), x), [*PLAIN.values()]),
    "joined, then apart": (
        lambda p, x: plain(
            p | dict(zip(("m0", "k", "m1"), jnp.stack([p["m0"], p["k"], p["m1"]]), strict=True)), x
        ),
        PLAIN,
    ),
}


@pytest.fixture(scope="module")
def wanted() -> dict[str, float]:
    with jax.enable_x64(True):
        return found_by(plain, PLAIN)


def found_by(apply: Any, params: Any, **options: Any) -> dict[str, float]:
    """The scores, as one program for each layout of the tensors."""
    x, y = draw(7, 5, seed=9), jnp.arange(7) % 4
    return proxies.score(NAMES, apply, params, x, y, **options)


@pytest.mark.parametrize("way", WAYS)
def test_a_network_has_one_order_however_it_is_written(way: str) -> None:
    apply, params = WAYS[way]
    names = list(PLAIN) if isinstance(params, dict) else [str(i) for i in range(len(params))]
    axis: dict[str, Any] = {"turned": {name: 0 for name in names}}
    axis["in heads"] = {"z": (1, 2), "k": (1, 2)}
    found = axis.get(way, {})
    assert order(apply, params) == [(name, found.get(name, -1)) for name in names]


@pytest.mark.parametrize("way", [WAYS["turned"], WAYS["in heads"], (in_a_loop, LOOPED)])
def test_a_network_has_one_score_however_it_is_held(way: Any, wanted: dict[str, float]) -> None:
    assert found_by(*way) == pytest.approx(wanted, rel=1e-9)


def test_slices_of_two_stacks_come_in_turn() -> None:
    def looped(p: Any, x: Any) -> Any:
        def layer(x: Any, w: Any) -> Any:
            return jnp.tanh(jnp.tanh(x @ w["m"]) @ w["k"].T + w["bias"]), None

        inner = {name: p[name] for name in ("m", "k", "bias")}
        return lax.scan(layer, jnp.tanh(x @ p["z"]), inner, reverse=True)[0] @ p["b"]

    p = {"z": PLAIN["z"], "b": PLAIN["b"]} | shapes(m=(2, D, D), k=(2, D, D), bias=(2, D))
    layers = [(name, place, axis) for place in (1, 0) for name, axis in (("m", -1), ("k", 0))]
    assert order(looped, p) == [("z", -1), *layers, ("b", -1)]


def test_exchanged_names_do_not_exchange_scores() -> None:
    """The network of the issue, whose tensors came in alphabetical order behind a branch."""
    p = {"z": jnp.ones((192, 12)), "m": jnp.ones((12, 12)), "b": jnp.ones((12, 10))}

    def apply(p: Any, x: Any) -> Any:
        return jnp.tanh(jnp.tanh(x @ p["z"]) @ p["m"]) @ p["b"]

    def scaled(p: Any, x: Any) -> Any:
        return apply(jax.tree.map(lambda a: a * 1.0, p), x)

    x = jnp.ones((2, 192))
    for same in (apply, scaled, lambda p, x: lax.cond(True, apply, apply, p, x)):
        assert order(same, p, x) == [("z", -1), ("m", -1), ("b", -1)]


# --- Layouts of layers ----------------------------------------------------------------------------


def shapes(**of: tuple[int, ...]) -> dict[str, Any]:
    return {name: jnp.ones(shape) for name, shape in of.items()}


IMAGES = jnp.ones((2, 6, 6, 4))
WORDS = jnp.ones((2, 5, 6))
IDS = jnp.ones((2, 5), int)


def conv(x: Any, w: Any, groups: int = 1, form: str = "HWIO") -> Any:
    numbers = ("NHWC", form, "NHWC")
    return lax.conv_general_dilated(
        x, w, (1, 1), "SAME", dimension_numbers=numbers, feature_group_count=groups
    )


LAYERS: dict[str, tuple[Any, dict[str, Any], Any, list[Any]]] = {
    "convolution": (lambda p, x: conv(x, p["w"]), shapes(w=(3, 3, 4, 8)), IMAGES, [("w", -1)]),
    "convolution, outputs first": (
        lambda p, x: conv(x, p["w"], form="OIHW"), shapes(w=(8, 4, 3, 3)), IMAGES, [("w", 0)],
    ),
    "in groups": (lambda p, x: conv(x, p["w"], 2), shapes(w=(3, 3, 2, 8)), IMAGES, [("w", -1)]),
    "depthwise": (
        lambda p, x: conv(x, p["w"].transpose(1, 2, 0)[:, :, None], 4),
        shapes(w=(4, 3, 3)), IMAGES, [("w", 0)],
    ),
    "depthwise by a product": (
        lambda p, x: jnp.einsum("btk,kt->bk", x, p["w"]), shapes(w=(6, 5)), WORDS, [("w", 0)],
    ),
    "transposed convolution": (
        lambda p, x: lax.conv_transpose(x, p["w"], (2, 2), "SAME", transpose_kernel=True),
        shapes(w=(3, 3, 8, 4)), IMAGES, [("w", 2)],
    ),
    "weight standardised": (
        lambda p, x: conv(x, (p["w"] - p["w"].mean((0, 1, 2))) / p["w"].std((0, 1, 2)) * p["gain"]),
        shapes(w=(3, 3, 4, 8), gain=(1, 1, 1, 8)), IMAGES, [("w", -1)],
    ),
    "table": (lambda p, x: p["w"][x], shapes(w=(9, 6)), IDS, [("w", -1)]),
    "table by a product": (
        lambda p, x: p["w"] @ jax.nn.one_hot(x, 9)[..., None], shapes(w=(6, 9)), IDS, [("w", 0)],
    ),
    "joined kernels": (
        lambda p, x: x @ jnp.concatenate([p["q"], p["k"], p["a"]], axis=1),
        shapes(q=(6, 6), k=(6, 6), a=(6, 3)), WORDS, [("q", -1), ("k", -1), ("a", -1)],
    ),
    "halves of a kernel": (
        lambda p, x: (x @ p["w"][:, :4]).sum() * (x @ p["w"][:, 4:]),
        shapes(w=(6, 8)), WORDS, [("w", -1)],
    ),
    "a product of kernels": (
        lambda p, x: x @ (p["up"] @ p["down"]).T, shapes(down=(2, 6), up=(8, 2)), WORDS,
        [("down", 0), ("up", 0)],
    ),
    "experts": (
        lambda p, x: jnp.einsum("etd,edh->eth", x, p["w"]) + p["bias"][:, None],
        shapes(w=(2, 6, 3), bias=(2, 3)), WORDS, [("w", 0, -1), ("w", 1, -1)],
    ),
    "one hand each": (
        lambda p, x: x @ p["w"][0] + x @ p["w"][1] + p["c"][1], shapes(w=(2, 6, 3), c=(2, 3)),
        WORDS, [("w", 0, -1), ("w", 1, -1)],
    ),
    "indexed by a counter": (
        lambda p, x: lax.fori_loop(0, 2, lambda i, x: jnp.tanh(x @ p["w"][1 - i]), x),
        shapes(w=(2, 6, 6)), WORDS, [("w", 1, -1), ("w", 0, -1)],
    ),
    "loops in loops": (
        lambda p, x: lax.scan(
            lambda x, w: lax.scan(lambda x, w: (jnp.tanh(x @ w), 0), x, w), x, p["w"]
        )[0],
        shapes(w=(2, 2, 6, 6)), WORDS,
        [("w", ((0, i), (1, j)), -1) for i in range(2) for j in range(2)],
    ),
    "scanned along another axis": (
        lambda p, x: lax.scan(lambda x, w: (x @ w, 0), x, jnp.moveaxis(p["w"], 1, 0))[0],
        shapes(w=(6, 2, 6)), WORDS, [("w", ((1, 0),), -1), ("w", ((1, 1),), -1)],
    ),
    "made in one loop, used in the next": (
        lambda p, x: lax.scan(
            lambda x, w: (x @ w, 0), x, lax.map(lambda w: w / jnp.abs(w).sum(0), p["w"])
        )[0],
        shapes(w=(2, 6, 6)), WORDS, [("w", 0, -1), ("w", 1, -1)],
    ),
    "side by side": (
        lambda p, x: jax.vmap(
            lambda p: jnp.tanh(x @ p["w"] + p["bias"]) @ p["a"]
        )(p),
        shapes(w=(2, 6, 3), bias=(2, 3), a=(2, 3, 4)), WORDS,
        [("w", 0, -1), ("w", 1, -1), ("a", 0, -1), ("a", 1, -1)],
    ),
    "convolutions side by side": (
        lambda p, x: jax.vmap(lambda p: conv(jnp.tanh(conv(x, p["w"]) + p["bias"]), p["a"]))(p),
        shapes(w=(2, 3, 3, 4, 5), bias=(2, 5), a=(2, 3, 3, 5, 4)), IMAGES,
        [("w", 0, -1), ("w", 1, -1), ("a", 0, -1), ("a", 1, -1)],
    ),
    "biases with axes of size one": (
        lambda p, x: (x @ p["w"] + p["bias"]) * p["scale"],
        shapes(w=(6, 3), bias=(1, 3), scale=(1, 1, 3)), WORDS, [("w", -1)],
    ),
    "a filter as a sum over its taps": (
        lambda p, x: sum(
            jnp.roll(x, (i, j), (1, 2)) * p["w"][:, i, j] for i in range(2) for j in range(2)
        ),
        shapes(w=(4, 2, 2)), IMAGES, [("w", 0)],
    ),
    "scales of layers": (
        lambda p, x: lax.scan(
            lambda x, p: (x + p["s"] * jnp.tanh(x @ p["w"]), 0), x, p
        )[0],
        shapes(w=(2, 6, 6), s=(2, 6)), WORDS, [("w", 0, -1), ("w", 1, -1)],
    ),
    "taken by constant indices": (
        lambda p, x: jnp.tanh(x @ jnp.take(p["w"], 1, axis=0)) @ p["w"][jnp.array([0, 2])][0],
        shapes(w=(3, 6, 6)), WORDS, [("w", 1, -1), ("w", 0, -1)],
    ),
    "beside a loss of its own": (
        lambda p, x: jax.jit(lambda p, x: (x @ p["w"], (p["c"] * x.sum()).sum()))(p, x)[0],
        shapes(w=(6, 3), c=(5, 3)), WORDS, [("w", -1), ("c", -1)],
    ),
    "recurrent": (
        lambda p, x: lax.scan(
            lambda h, x: (jnp.tanh(x @ p["z"] + h @ p["a"]), 0),
            jnp.zeros((2, 3)), jnp.moveaxis(x, 1, 0),
        )[0] @ p["b"],
        shapes(z=(6, 3), a=(3, 3), b=(3, 4)), WORDS, [("z", -1), ("a", -1), ("b", -1)],
    ),
    "not in use": (
        lambda p, x: x @ p["w"] + 0 * p["a"].sum() + lax.stop_gradient(p["c"]) + p["n"].sum(),
        shapes(w=(6, 3), a=(6, 3), c=(5, 3)) | {"n": jnp.ones((2, 2), int)},
        WORDS, [("w", -1), ("a", -1), ("c", -1)],
    ),
    "either of two": (
        lambda p, x: lax.cond(x.sum() > 0, lambda: x @ p["w"], lambda: x @ p["a"]) @ p["c"],
        shapes(w=(6, 3), a=(6, 3), c=(3, 3)), WORDS, [("a", -1), ("w", -1), ("c", -1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYERS)
def test_outputs_of_a_layer_lie_where_its_use_says(name: str) -> None:
    apply, params, x, expected = LAYERS[name]
    assert order(apply, params, x) == expected


class Layer(nn.Module):
    @nn.compact
    def __call__(self, x: Any, _: Any) -> Any:
        x = x + nn.MultiHeadDotProductAttention(2)(x)
        return nn.BatchNorm(use_running_average=True)(nn.remat(nn.Dense)(6)(x)), None


class Words(nn.Module):
    """A user's own model: a table, a loop of attention layers, heads."""

    @nn.compact
    def __call__(self, ids: Any) -> Any:
        x = nn.Embed(9, 6, name="z")(ids)
        axes = {"params": 0, "batch_stats": 0}
        layers = nn.scan(Layer, variable_axes=axes, split_rngs={"params": True}, length=2)
        x, _ = layers(name="layers")(x, None)
        x = nn.DenseGeneral((2, 3), name="spread")(x)
        return nn.DenseGeneral(4, axis=(-2, -1), name="a")(x).mean(1)


def test_a_flax_model_of_attention_layers_in_a_loop_is_read() -> None:
    model = Words()
    variables = jax.eval_shape(model.init, jax.random.key(0), IDS)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape), variables)
    state = {"batch_stats": zeros["batch_stats"]}
    found = order(lambda p, x: model.apply({"params": p, **state}, x), zeros["params"], IDS)
    attention = "layers/MultiHeadDotProductAttention_0"
    layer = [(f"{attention}/{name}/kernel", (1, 2)) for name in ("query", "key", "value")]
    layer += [(f"{attention}/out/kernel", -1), ("layers/CheckpointDense_0/kernel", -1)]
    middle = [(name, place, axis) for place in range(2) for name, axis in layer]
    assert found == [("z/embedding", -1), *middle, ("spread/kernel", (1, 2)), ("a/kernel", -1)]


# --- What cannot be told is asked for ------------------------------------------------------------


def added(p: Any, x: Any) -> Any:
    return (x + p["table"]) @ p["w"]


def tied(p: Any, x: Any) -> Any:
    return p["table"][x] @ p["w"] @ p["table"].T


def crossed(p: Any, x: Any) -> Any:
    def one(p: Any, x: Any) -> Any:
        return x @ p["w"] @ p["table"]

    def two(p: Any, x: Any) -> Any:
        return x @ p["table"] @ p["w"]

    return lax.cond(x.sum() > 0, one, two, p, x)


def low_rank(p: Any, x: Any) -> Any:
    return x @ (p["w"] + p["table"] @ p["down"])


ADDED = shapes(table=(5, 6), w=(6, 4))
TIED = shapes(table=(9, 6), w=(6, 6))
CROSSED = shapes(table=(6, 6), w=(6, 6))
LOW_RANK = shapes(w=(6, 4), table=(6, 2), down=(2, 4))


@pytest.mark.parametrize(
    ("apply", "params", "x", "sentence"),
    [
        (added, ADDED, WORDS, r"output_axis of table \[5, 6\]: .*no product"),
        (tied, TIED, IDS, r"output_axis of table \[9, 6\]: .*ways that disagree"),
        (crossed, CROSSED, WORDS, "order: .* got table, w, .*give order="),
        (low_rank, LOW_RANK, WORDS, "order: .*give order="),
    ],
)
def test_what_use_does_not_tell_is_asked_for(
    apply: Any, params: Any, x: Any, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        tensors(apply, params, x)
    assert "\n" not in str(raised.value)
    assert tensors(apply, params, x, need_axes=False, need_order=False) == ()


def test_what_is_given_is_taken() -> None:
    table, w = Tensor(("table",)), Tensor(("w",))
    assert tensors(added, ADDED, WORDS, output_axis={"table": -1}) == (table, w)
    first = Tensor(("table",), output_axis=0)
    assert tensors(added, ADDED, WORDS, output_axis={("table",): -2}) == (first, w)
    assert tensors(tied, TIED, IDS, output_axis={"table": 1}) == (table, w)
    assert tensors(added, ADDED, WORDS, output_axis=0) == (first, Tensor(("w",), output_axis=0))
    assert tensors(crossed, CROSSED, WORDS, ["w", "table"]) == (w, table)
    assert tensors(crossed, CROSSED, WORDS, [("table",), ("w",)]) == (table, w)
    assert tensors(crossed, CROSSED, WORDS, need_order=False) == (table, w)
    # A tensor that is only added may be left out of a given order.
    assert tensors(added, ADDED, WORDS, ["w"]) == (w,)
    heads = {"q": jnp.ones((6, 2, 3))}
    found = tensors(lambda p, x: jnp.einsum("btd,dhk->bthk", x, p["q"]), heads, WORDS,
                    output_axis={"q": (1, -1)})  # fmt: skip
    assert found == (Tensor(("q",), output_axis=(1, 2)),)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"order": ["w", "tabel"]}, "order: parameter 'tabel': .*did you mean 'table'"),
        ({"order": ["w", "w"]}, "order: expected each tensor once, got w again"),
        ({"order": ["w"]}, "order: expected all tensors .* got none at table"),
        ({"order": "w"}, "order: expected a sequence of paths"),
        ({"order": 3}, "order: expected a sequence of paths"),
        ({"order": [3]}, "order: expected paths"),
        ({"order": ["w", "table", "bias"]}, "two or more axes, got bias"),
        ({"order": [Tensor(("w",), 7)]}, "order, w, place: .*got 7"),
        ({"order": [Tensor(("w",), "a")]}, "order, w: .*got 'a'"),
        ({"order": [Tensor(("w",), 1)]}, "order, w: expected a tensor of two or more axes, got 1"),
        ({"order": [Tensor(("w",), None, 2)]}, "order, w, output_axis: .*got 2"),
        ({"output_axis": {"tabel": 0}}, "output_axis: parameter 'tabel'"),
        ({"output_axis": {"bias": 0}}, "two or more axes, got bias"),
        ({"output_axis": {"w": 2}}, "output_axis of w: .*from -2 to 1.*got 2"),
        ({"output_axis": {"w": "last"}}, "output_axis of w: .*got 'last'"),
        ({"output_axis": {"w": (0, 1)}}, "output_axis of w: .*fewer than the tensor's 2"),
        ({"output_axis": {"w": (0, 0)}}, "output_axis of w: .*different"),
        ({"output_axis": 1.5}, "output_axis: .*got 1.5"),
    ],
)
def test_what_is_given_wrong_is_refused(options: Any, sentence: str) -> None:
    def apply(p: Any, x: Any) -> Any:
        return x @ p["table"] @ p["w"] + p["bias"]

    with pytest.raises(ValueError, match=sentence) as raised:
        tensors(apply, CROSSED | shapes(bias=(6,)), WORDS, **options)
    assert "\n" not in str(raised.value)


def test_only_scores_that_need_it_ask() -> None:
    batch = WORDS[:, 0], jnp.zeros(2, int)
    crossed_once = make_subject(crossed, CROSSED, *batch, chosen=[proxies.make("js")])
    assert crossed_once.order == ()
    assert make_subject(crossed, CROSSED, *batch, chosen=[proxies.make("pjs")]).order
    for name in ("wpjs", "wpjsi", "pjs_nz"):
        with pytest.raises(ValueError, match="give order"):
            make_subject(crossed, CROSSED, *batch, chosen=[proxies.make(name)])
    with pytest.raises(ValueError, match="output_axis of table"):
        proxies.score(
            ["pjsc"], lambda p, x: x + p["table"], ADDED, WORDS, jnp.zeros(WORDS.shape[:-1], int)
        )
    with pytest.raises(ValueError, match="output_axis of table"):
        proxies.pjs()(lambda p, x: x + p["table"], ADDED, WORDS, jnp.zeros(WORDS.shape[:-1], int))


def test_a_stack_along_several_axes_has_its_slices_as_rows() -> None:
    weight = draw(D, 2, 4, 3, seed=3)
    places = [((1, 1), (3, 0)), ((1, 0), (3, 2)), ((1, 1), (3, 2))]
    found = [Tensor((), place, 0) for place in places]
    subject = Subject(plain, weight, None, None, tuple(found))  # type: ignore[arg-type]
    tensors = ParameterGradient().of(subject, weight)
    assert tensors.places == ((0, 1, 2),)
    expected = np.stack([weight[:, i, :, j] for (_, i), (_, j) in places])
    np.testing.assert_array_equal(tensors.rows[0], expected)
    assert tensors.live.tolist() == [True] * 3


def test_outputs_on_several_axes_are_rows_together() -> None:
    weight = draw(2, 5, 3, seed=4)
    for axes, wanted in (((0, 2), (2, 3, 5)), ((1, 2), (5, 3, 2))):
        subject = Subject(plain, weight, None, None, (Tensor((), None, axes),))  # type: ignore[arg-type]
        (rows,) = ParameterGradient().of(subject, weight).rows
        left = ({0, 1, 2} - set(axes)).pop()
        expected = np.transpose(weight, (*axes, left)).reshape(-1, wanted[-1])
        np.testing.assert_array_equal(rows, expected)
