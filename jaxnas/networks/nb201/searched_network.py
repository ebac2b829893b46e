"""NAS-Bench-201 as a search on a supernet sees it."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from numpy.typing import NDArray

from jaxnas.networks.nb201.supernet_module import SupernetModule
from jaxnas.networks.supernet import Found, Rule, Supernet
from jaxnas.spaces import nb201
from jaxnas.spaces.space import Sizes
from jaxnas.types import Array


def supernet(sizes: Sizes, *, num_classes: int, dtype: DTypeLike = jnp.float32) -> Supernet:
    """The supernet of NAS-Bench-201: 6 edges, 5 operations.

    Args:
        sizes: channels of the first stage, and cells in each of the three.
        num_classes: classes of the images.
        dtype: type of parameters and computation.
    """

    def named(ops: tuple[int, ...]) -> Found:
        return Found(tuple(int(op) for op in ops), nb201.ops_to_arch(ops))

    def discretised(weights: NDArray[Any], rule: Rule) -> Found:
        del rule
        return named(tuple(np.asarray(weights).argmax(1).tolist()))

    into = jnp.asarray([[target == node for _, target in nb201.EDGES] for node in (1, 2, 3)])

    def draw(key: Array) -> Array:
        """Drawn again until every node has an input, as the benchmark's code does."""

        def lacks_input(drawn: tuple[Array, Array]) -> Array:
            alive = drawn[1] != nb201.Op.NONE
            return ~jnp.all(jnp.any(into & alive, axis=1))

        def again(drawn: tuple[Array, Array]) -> tuple[Array, Array]:
            key, own = jax.random.split(drawn[0])
            return key, jax.random.randint(own, (len(nb201.EDGES),), 0, len(nb201.OPS), jnp.int32)

        none = jnp.full(len(nb201.EDGES), nb201.Op.NONE, jnp.int32)
        return jax.lax.while_loop(lacks_input, again, (key, none))[1]

    return Supernet(
        name="nb201",
        edges=len(nb201.EDGES),
        cells=(nb201.EDGES,),
        op_names=nb201.OPS,
        none=nb201.Op.NONE,
        skips=(nb201.Op.SKIP,),
        pools=(nb201.Op.POOL,),
        convolutions=(nb201.Op.CONV1X1, nb201.Op.CONV3X3),
        network=SupernetModule(
            num_classes=num_classes, channels=sizes.channels, depth=sizes.depth, dtype=dtype
        ),
        named=named,
        discretised=discretised,
        draw=draw,
        of_cells=lambda values: values,
    )
