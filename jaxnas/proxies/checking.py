"""What is asked of a user's network and batch before anything is compiled.

Each function gives back what it checked, or raises one sentence that names x, y or apply. Values
are looked at where there are any: within `jax.jit` only shapes and types are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxnas.checks import checked, one_line, quoted, ranges
from jaxnas.proxies.quantities import InputGradient
from jaxnas.proxies.subject import Subject
from jaxnas.types import Apply, Array

if TYPE_CHECKING:
    from jaxnas.proxies.proxy import Proxy


def examples(x: Any) -> Array:
    """Examples as an array [B, ...] of floats, or of integers such as token ids.

    Raises:
        ValueError: it is no such array, is empty, of half precision or not finite.
    """
    found = _array("x", x, "examples [B, ...]", "let apply hold what else the network takes")
    if found.ndim == 0 or found.size == 0:
        raise ValueError(
            f"x: expected examples [B, ...], at least one, got an array of shape {found.shape}; "
            "give a batch"
        )
    if jnp.issubdtype(found.dtype, jnp.complexfloating):
        raise ValueError(f"x: expected real numbers, got {found.dtype}; give their parts as floats")
    if jnp.issubdtype(found.dtype, jnp.floating):
        if found.dtype not in (jnp.float32, jnp.float64):
            raise ValueError(
                f"x: expected float32 or float64, got {found.dtype}, whose digits do not carry the "
                "scores' eigenvalues; give x.astype('float32'), and cast within apply"
            )
        _check_finite(found)
    return found


def logits_shape(found: Any, x: Array) -> tuple[int, ...]:
    """The shape of logits, (B, ..., K).

    Args:
        found: what `apply` gives, as `jax.eval_shape` has it.
        x: examples [B, ...].

    Raises:
        ValueError: they are no logits of the examples.
    """
    if not isinstance(found, jax.ShapeDtypeStruct):
        raise ValueError(f"apply: expected logits, one array [B, K], got {_container(found, x)}")
    shape = tuple(found.shape)
    expected = f"apply: expected logits [{len(x)}, K] of x's {len(x)} examples, got shape {shape}"
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise ValueError(f"{expected} of {found.dtype}; let it return logits, not classes")
    if len(shape) == 1 and shape[0] == len(x):
        raise ValueError(f"{expected}; for two classes stack [0, z], as jnp.stack([0 * z, z], -1)")
    if len(shape) < 2 or shape[0] != len(x) or 0 in shape[:-1]:
        raise ValueError(f"{expected}; let it keep the axis of examples first, of classes last")
    if shape[-1] < 2:
        raise ValueError(
            f"apply: expected logits of two classes or more, got {shape[-1]}, shape {shape}; for "
            "two classes join [0, z], as jnp.concatenate([0 * z, z], -1)"
        )
    return shape


def labels(y: Any, x: Array, logits: tuple[int, ...]) -> Array:
    """Labels as an array of whole numbers, one for each row of logits.

    Args:
        y: labels [B], or [B, ...] where logits are [B, ..., K].
        x: examples [B, ...].
        logits: shape of what the network gives.

    Raises:
        ValueError: they do not fit x or the logits, or are no classes.
    """
    wanted, classes = logits[:-1], logits[-1]
    # Ranges are read before a conversion to 32 bits could bend them.
    given = _labels_array(y)
    expected = f"y: expected labels of shape {wanted}, one for each row of logits, got"
    if given.ndim == 0 or given.shape[0] != len(x):
        got = f"{given.shape[0]}" if given.ndim else "a single number"
        raise ValueError(
            f"y: expected {len(x)} labels, one for each example of x, got {got}; "
            "give x and y of the same examples"
        )
    if given.shape != wanted:
        raise ValueError(f"{expected} shape {given.shape}; {_other_shape(given, logits)}")
    if not jnp.issubdtype(given.dtype, jnp.integer):
        raise ValueError(f"{expected} {given.dtype}; {_other_type(given)}")
    if not isinstance(given, jax.core.Tracer):
        _check_range(np.asarray(given), classes)
    return jnp.asarray(given)


def check_demands(proxies: Sequence[Proxy], x: Array) -> None:
    """Raises ValueError for a proxy that cannot be had of such examples, by its name."""
    is_float = jnp.issubdtype(x.dtype, jnp.floating)
    for proxy in proxies:
        by_input = isinstance(proxy.gradient, InputGradient)
        if (by_input or proxy.noise) and not is_float:
            what = "differentiates by x" if by_input else "adds noise to x"
            raise ValueError(
                f"{proxy.name}: expected x of floats, since it {what}, got {x.dtype}; leave "
                f"{proxy.name} out for token ids, give images as floats"
            )
        if len(x) < proxy.least_examples:
            raise ValueError(
                f"{proxy.name}: expected at least {proxy.least_examples} examples, got {len(x)}; "
                f"score a larger batch, or leave {proxy.name} out"
            )


def check_values(subject: Subject) -> None:
    """Raises ValueError where a network or its batch has no values, as within `jax.jit`."""
    given = {"x": subject.x, "y": subject.y, "params": subject.params}
    for name, tree in given.items():
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree)):
            raise ValueError(
                f"{name}: expected arrays with values, got traced ones; within jax.jit call a "
                "proxy, as proxies.js()(apply, params, x, y)"
            )


def seed(value: Any) -> Any:
    """A seed of noise, from 0 to 2**32 - 1.

    Raises:
        ValueError: it is none.
    """
    return (
        value if isinstance(value, jax.core.Tracer) else checked("seed", value, ranges.SeedOfWords)
    )


def check_exchanged(x: Any, y: Any) -> None:
    """Raises ValueError for labels in the place of examples."""
    x_dtype, y_dtype = getattr(x, "dtype", None), getattr(y, "dtype", None)
    if x_dtype is None or y_dtype is None:
        return
    of_labels = jnp.issubdtype(x_dtype, jnp.integer) and np.ndim(x) == 1
    if of_labels and jnp.issubdtype(y_dtype, jnp.floating) and np.ndim(y) > 1:
        raise ValueError(
            f"x: expected examples, got whole numbers of shape {np.shape(x)}, and in y "
            f"floats of shape {np.shape(y)}; exchange x and y"
        )


def called(apply: Apply, x: Array) -> AbstractContextManager[None]:
    """Where a user's function is called as it is; what it raises is told in one sentence.

    Raises:
        ValueError: for any error but those of the device; the error itself is its cause.
    """
    what = f"logits from apply(params, x) with x {x.dtype} {x.shape}"
    return _told(apply, what, "call apply(params, x) on its own to see where, then mend it")


def differentiated(apply: Apply) -> AbstractContextManager[None]:
    """Where the gradients of a user's function are taken, as `called`."""
    what = "a function that JAX differentiates, for the batch and for each example on its own"
    return _told(apply, what, "give it no fixed batch size, and no loop of unknown length")


@contextmanager
def _told(apply: Apply, expected: str, remedy: str) -> Iterator[None]:
    try:
        yield
    # Of the device, such as no memory: not the function's fault.
    except (jax.errors.JaxRuntimeError, ArithmeticError, MemoryError):
        raise
    except Exception as error:
        told = f"apply: expected {expected}, got {one_line(error)}"
        raise ValueError(f"{told}; {_remedy(apply, error) or remedy}") from error


_REMEDIES = {
    "InvalidRngError": "switch dropout off, or give proxies.linen(model, variables, rngs=...)",
    "ModifyScopeVariableError": "use proxies.linen(model, variables, ...), which drops updates",
    "ScopeParamNotFoundError": "give as params what model.init returned, whole",
    "ScopeCollectionNotFound": "give as params what model.init returned, whole",
    "ApplyScopeInvalidVariablesStructureError": "give as params what model.init returned, once",
    "ApplyScopeInvalidVariablesTypeError": "give as params what model.init returned",
    "TraceContextError": "use proxies.nnx(model, train=...), which gives apply and params",
    "CallCompactUnboundModuleError": "give model.apply in place of the model",
}


def _remedy(apply: Apply, error: Exception) -> str:
    """What to do about an error of a user's function, empty where that is not known."""
    if not callable(apply):
        return "give a function (params, x) -> logits, such as model.apply"
    nnx: Any = sys.modules.get("flax.nnx")
    if nnx is not None and isinstance(apply, nnx.Module):
        return "use apply, params = proxies.nnx(model, train=...)"
    if isinstance(error, TypeError) and "positional argument" in str(error):
        return "close over what else it takes, as lambda p, x: model.apply(p, x, train=False)"
    return _REMEDIES.get(type(error).__name__, "")


def _array(name: str, value: Any, what: str, remedy: str) -> Array:
    """A value as an array of numbers."""
    if isinstance(value, jax.Array):
        found: Any = value
    else:
        try:
            found = np.asarray(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{name}: expected {what} as one array, got {type(value).__name__}, which is none "
                f"({one_line(error)}); {remedy}"
            ) from error
    if not (jnp.issubdtype(found.dtype, jnp.number) or found.dtype == bool):
        got = type(value).__name__ if found.ndim == 0 else f"an array of {found.dtype}"
        raise ValueError(f"{name}: expected {what} as one array of numbers, got {got}; {remedy}")
    # What float32 does not hold is told as infinite.
    with np.errstate(over="ignore"):
        return jnp.asarray(found)


def values(name: str, array: Array) -> np.ndarray[Any, Any]:
    """The values of an array that is not traced.

    Args:
        name: what it is, which opens the sentence.
        array: of any numbers.

    Raises:
        ValueError: it was donated to a program and has none any more.
    """
    if array.is_deleted():
        raise ValueError(
            f"{name}: expected an array with values, got one of shape {array.shape} that was "
            "donated to a program (donate_argnums); give a copy of before"
        )
    return np.asarray(array)


def _check_finite(x: Array) -> None:
    if isinstance(x, jax.core.Tracer):
        return
    bad = ~np.isfinite(values("x", x))
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        spoiled = int(bad.reshape(len(x), -1).any(axis=1).sum())
        raise ValueError(
            f"x: expected finite numbers, got NaN or infinite ones in {spoiled} of {len(x)} "
            f"examples, the first at x{list(first)}; leave those examples out or mend them"
        )


def _container(found: Any, x: Array) -> str:
    """What came in place of logits, and how to get at them."""
    if found is None:
        return "None; let it return the logits"
    items = found.items() if hasattr(found, "items") else None
    if items is None and isinstance(found, tuple | list):
        items = enumerate(found)
    kind = type(found).__name__
    if items is None:
        return f"{kind}; let it return the logits alone"
    entries = {key: tuple(getattr(value, "shape", ())) for key, value in items}
    likely = [key for key, shape in entries.items() if len(shape) > 1 and shape[0] == len(x)]
    key = "logits" if "logits" in entries else (likely or list(entries) or [0])[0]
    listed = quoted(", ".join(f"{key}: {shape}" for key, shape in entries.items()))[1:-1]
    return f"{kind} with {listed}; give proxies.logits_of(apply, {key!r})"


def _labels_array(y: Any) -> Any:
    """Labels as an array of numbers, in the type in which they came."""
    found = y if isinstance(y, jax.Array | np.ndarray) else _host_array(y)
    if isinstance(found, np.ndarray) and found.dtype.kind in "SU" and found.ndim:
        raise ValueError(
            "y: expected labels as whole numbers, got text; number the classes, as "
            "np.unique(y, return_inverse=True)[1]"
        )
    checked = _array("y", y, "labels [B]", "give whole numbers, one for each example")
    if not isinstance(checked, jax.core.Tracer):
        values("y", checked)
    return checked if found is None else found


def _host_array(value: Any) -> Any:
    """A value as numpy's array, None where it is none."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def _other_shape(y: Any, logits: tuple[int, ...]) -> str:
    """What to do about labels of another shape than the logits' rows."""
    remedies = (
        (_is_one_hot(y, logits), "of one-hot labels give np.argmax(y, axis=-1)"),
        (y.shape == logits, "give one class each, such as the likeliest, np.argmax(y, axis=-1)"),
        (y.shape == (*logits[:-1], 1), "give np.squeeze(y, axis=-1)"),
        (
            len(logits) > 2 and y.shape == (logits[0], *logits[2:]),
            "classes must be last: let apply return jnp.moveaxis(logits, 1, -1)",
        ),
        (
            len(logits) > 2 and y.ndim == 1,
            "let apply return the logits of one position, such as logits[:, -1]",
        ),
        (len(logits) == 2, "give one label an example, or let apply give logits [B, ..., K]"),
    )
    fitting = [remedy for fits, remedy in remedies if fits]
    return fitting[0] if fitting else "give labels and logits of the same positions"


def _is_one_hot(y: Any, logits: tuple[int, ...]) -> bool:
    if isinstance(y, jax.core.Tracer) or y.ndim != len(logits) or y.shape[-1] < 2:
        return False
    found = np.asarray(y)
    return bool(np.isin(found, (0, 1)).all() and (found.sum(axis=-1) == 1).all())


def _other_type(y: Any) -> str:
    """What to do about labels that are no integers."""
    if isinstance(y, jax.core.Tracer) or y.dtype == bool:
        return "give np.asarray(y, int)"
    found = np.asarray(y)
    if np.isfinite(found).all() and (found == np.floor(found)).all():
        return "give np.asarray(y, int)"
    return "give classes as whole numbers; regression has no score here"


def _check_range(y: Any, classes: int) -> None:
    low, high = int(y.min()), int(y.max())
    if low >= 0 and high < classes:
        return
    if low > 0 and high - low < classes:
        remedy = f"give y - {low}"
    elif low == -1 and high - low < classes:
        remedy = "give y + 1, or, if -1 marks what has no label, leave that out of x and y"
    elif low < 0:
        remedy = "leave positions that are marked as having no label out of y and the logits"
    else:
        remedy = "let the network have a logit for each class"
    raise ValueError(
        f"y: expected labels from 0 to {classes - 1}, one for each of {classes} logits, got {low} "
        f"to {high}; {remedy}"
    )
