"""Two small spaces to search: one of two edges, one cell of NAS-Bench-201; steps on them."""

from __future__ import annotations

import dataclasses
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxnas import estimators
from jaxnas.estimators import add_bare
from jaxnas.networks import layers
from jaxnas.networks.modules import Classifier
from jaxnas.networks.nb201.supernet_module import SuperCell
from jaxnas.networks.supernet import Found, Supernet
from jaxnas.oneshot import recipes
from jaxnas.oneshot.method import Method, categorical
from jaxnas.oneshot.optimisers import Optimisers
from jaxnas.oneshot.step import Batch, State, initial_state, search_step
from jaxnas.spaces import SPACES, Sizes

# Two small spaces: a smooth one of two edges and three ops that compiles at once, and one cell of
# NAS-Bench-201 with its own layers.


class TinyNetwork(nn.Module):
    """Two edges in a row; of three ops the first is none, the second the identity."""

    num_classes: int = 10
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, weights: jax.Array, ops: jax.Array | None = None) -> Any:
        x = x[:, ::4, ::4].reshape(len(x), -1)
        for e in range(2):
            kernel = self.param(
                f"kernel{e}", nn.initializers.lecun_normal(), (x.shape[1],) * 2, self.dtype
            )
            outputs = [jnp.zeros_like(x), x, jnp.tanh(x @ kernel)]
            if ops is None:
                x = sum(weights[e, k] * y for k, y in enumerate(outputs))
            else:
                x = add_bare(weights[e], ops[e], jnp.stack(outputs)[ops[e]])
        shape = (x.shape[1], self.num_classes)
        return x @ self.param("classifier", nn.initializers.lecun_normal(), shape, self.dtype)


def tiny_supernet(num_classes: int = 10, dtype: Any = jnp.float32) -> Supernet:
    """The supernet of the tiny space."""

    def named(ops: tuple[int, ...]) -> Found:
        return Found(tuple(map(int, ops)), "-".join(str(int(op)) for op in ops))

    return Supernet(
        name="tiny",
        edges=2,
        cells=(((0, 1), (1, 2)),),
        op_names=("none", "skip", "layer"),
        none=0,
        skips=(1,),
        pools=(),
        convolutions=(2,),
        network=TinyNetwork(num_classes, dtype),
        named=named,
        discretised=lambda weights, rule: named(tuple(weights.argmax(1).tolist())),
        draw=lambda key: jax.random.randint(key, (2,), 1, 3, jnp.int32),
        of_cells=lambda values: values,
    )


class TinySpace:
    """As much of a space as a search asks for."""

    notation = "TEXT"
    name = "tiny"

    class networks:
        """The networks of the space."""

        @staticmethod
        def supernet(sizes: Sizes, *, num_classes: int) -> Supernet:
            return tiny_supernet(num_classes)

    def check(self, sizes: Sizes, num_classes: int, image_size: int) -> None:
        """All sizes will do."""


TINY_SPACE: Any = TinySpace()


def nb201_supernet(num_classes: int = 10) -> Supernet:
    """A small supernet of NAS-Bench-201."""
    made: Supernet = SPACES["nb201"].networks.supernet(Sizes(16, 5), num_classes=num_classes)
    return made


def darts_supernet(num_classes: int = 10, sizes: Sizes | None = None) -> Supernet:
    """A supernet of the DARTS space."""
    made: Supernet = SPACES["darts"].networks.supernet(
        sizes or Sizes(16, 8), num_classes=num_classes
    )
    return made


class OneCell(nn.Module):
    """A cell of the supernet between a pointwise stem and a classifier."""

    num_classes: int = 10
    dtype: Any = jnp.float64

    @nn.compact
    def __call__(self, x: jax.Array, weights: jax.Array, ops: jax.Array | None = None) -> Any:
        init = nn.initializers.lecun_normal()
        stem = self.param("stem", init, (1, 1, 3, 2), self.dtype)
        x = SuperCell(init, self.dtype, name="cell")(layers.conv(x, stem), weights, ops)
        classifier = Classifier(self.num_classes, "pytorch", self.dtype, name="classifier")
        return classifier(jnp.tanh(x).mean((1, 2)))


def one_cell_supernet() -> Supernet:
    """One cell of NAS-Bench-201 as a supernet."""
    return dataclasses.replace(nb201_supernet(), network=OneCell())


def batch(seed: int, size: int = 6) -> Batch:
    random = np.random.default_rng(seed)
    x = jnp.asarray(random.standard_normal((size, 8, 8, 3)))
    return Batch(x, jnp.asarray(random.integers(0, 10, size)))


def cross_entropy(logits: jax.Array, labels: jax.Array) -> jax.Array:
    return -jax.nn.log_softmax(logits)[jnp.arange(len(labels)), labels].mean()


def method_of(space: Supernet, estimator: estimators.Estimator | None, **rest: Any) -> Method:
    recipe = recipes.ScoreFunction(alpha_deviation=1.0)
    return Method(categorical(space, recipe), estimator, **rest)


def plain_steps() -> Optimisers:
    """Gradients at face value: an update is the negative gradient."""
    return Optimisers(optax.sgd(1.0), optax.sgd(1.0), optax.sgd(1.0))


def one_step(
    space: Supernet, method: Method, rules: Optimisers | None = None
) -> tuple[State, State, tuple[jax.Array, jax.Array], float]:
    """State before and after a step on batches 0 and 1, the keys of both parts, the loss."""
    rules = rules or plain_steps()
    state = initial_state(space, method, rules, seed=3, image_size=8)
    key = jax.random.key(7)
    after, result = jax.jit(search_step(space, method, rules))(state, key, batch(0), batch(1))
    assert bool(result.finite)
    return state, after, tuple(jax.random.split(key)), float(result.loss)


def minus(a: Any, b: Any) -> Any:
    return jax.tree.map(lambda x, y: np.asarray(x - y), a, b)


def assert_close(got: Any, wanted: Any, rtol: float = 1e-9, atol: float = 1e-12) -> None:
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol, atol=atol), got, wanted)
