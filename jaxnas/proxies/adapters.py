"""Functions `apply(params, x) -> logits` of models that are none by themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from jaxnas.checks import flag, quoted
from jaxnas.types import Apply, Array, Params


def logits_of(apply: Callable[[Params, Array], Any], which: int | str = 0) -> Apply:
    """The function that gives one entry of what a function gives, its logits.

    Args:
        apply: (params, x) -> a tuple, a dictionary or an object that holds the logits.
        which: the entry: a place, a key or an attribute.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> apply = proxies.logits_of(lambda w, x: {"logits": x @ w, "loss": 0.0}, "logits")
        >>> print(f"{proxies.gradient_kernel()(apply, w, x, y):.3f}")
        0.122
    """

    def entry(params: Params, x: Array) -> Array:
        outputs = apply(params, x)
        if isinstance(which, str) and not isinstance(outputs, Mapping):
            return getattr(outputs, which)
        return outputs[which]

    return entry


def linen(
    model: Any, variables: Mapping[str, Any], *, rngs: Mapping[str, Any] | None = None, **mode: Any
) -> tuple[Apply, Params]:
    """A model of flax.linen in one mode, with its other collections held constant.

    What the model would write to them, such as running statistics, is dropped.

    Args:
        model: a `flax.linen.Module` whose call takes x.
        variables: what `model.init` returned.
        rngs: keys of random numbers by name, such as "dropout", the same at each call.
        mode: what else the model's call takes, such as `train=True`.

    Returns:
        (apply, params), params being {"params": ...}.

    Raises:
        ValueError: the variables have no `params`.

    Example:
        >>> import flax.linen as nn, jax, jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> model, x, y = nn.BatchNorm(use_running_average=False), jnp.eye(4), jnp.arange(4)
        >>> apply, params = proxies.linen(model, model.init(jax.random.key(0), x))
        >>> print(f"{proxies.gradient_kernel(together=True)(apply, params, x, y):.3f}")
        0.070
    """
    if not isinstance(variables, Mapping) or "params" not in variables:
        got = list(variables) if isinstance(variables, Mapping) else variables
        raise ValueError(
            f"variables: expected what model.init returned, with params in it, got {quoted(got)}; "
            "give it whole"
        )
    state = {name: value for name, value in variables.items() if name != "params"}

    def apply(params: Params, x: Array) -> Array:
        own = {**state, "params": params["params"]}
        found = model.apply(own, x, rngs=rngs, mutable=list(state) or False, **mode)
        return found[0] if state else found

    return apply, {"params": variables["params"]}


def nnx(model: Any, *, train: bool) -> tuple[Apply, Params]:
    """A model of flax.nnx in one mode; the model itself is left as it is.

    What the model would write, such as running statistics and counts of random numbers, is dropped:
    dropout has the same mask at each call.

    Args:
        model: a `flax.nnx.Module` whose call takes x.
        train: as `model.train()` has dropout and batch normalisation, or as `model.eval()`.

    Returns:
        (apply, params), params being the values of its `nnx.Param`s as dictionaries.

    Raises:
        ValueError: it is no such module.

    Example:
        >>> import flax.nnx, jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, y, model = jnp.eye(4), jnp.arange(4), flax.nnx.BatchNorm(4, rngs=flax.nnx.Rngs(0))
        >>> apply, params = proxies.nnx(model, train=True)
        >>> print(f"{proxies.gradient_kernel(together=True)(apply, params, x, y):.3f}")
        0.070
    """
    from flax import nnx as flax_nnx

    if not isinstance(model, flax_nnx.Module):
        raise ValueError(
            f"model: expected a flax.nnx.Module, got {quoted(model)}; of a linen model use "
            "proxies.linen(model, variables)"
        )
    own: Any = flax_nnx.clone(model)
    if flag("train", train):
        own.train()
    else:
        own.eval()
    parts: Any = flax_nnx.split(own, flax_nnx.Param, ...)
    graph, parameters, state = parts
    structure = jax.tree.structure(parameters)

    def apply(params: Params, x: Array) -> Array:
        given = jax.tree.unflatten(structure, jax.tree.leaves(params))
        return flax_nnx.merge(graph, given, state, copy=True)(x)

    return apply, flax_nnx.to_pure_dict(parameters)
