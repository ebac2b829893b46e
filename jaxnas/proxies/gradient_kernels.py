r"""The scores of gradients of single examples, and the kernel of GT-NAS.

Source: Xu et al., "A Gradient-based Kernel Approach for Efficient Network Architecture Search"
(GT-NAS), sections 3 and 5, published as "KNAS: Green Neural Architecture Search", ICML 2021.

:math:`G` [µ, r] holds the examples' gradients, :math:`P = GG^T` and
:math:`C_{ij} = P_{ij} / (\|g_i\| \|g_j\|)`. Over all parameters of the network; `layerwise` gives
them for each layer. `together` says whether the examples share a batch, which matters to batch
normalisation alone; by default each is a batch of its own, as `vmap(grad)` has it.
"""

import jax
import jax.numpy as jnp

from jaxnas.checks import whole
from jaxnas.precision import with_float64
from jaxnas.proxies.checking import differentiated
from jaxnas.proxies.proxy import Proxy, make_subject, name
from jaxnas.proxies.quantities import (
    ExampleGradients,
    GradientSums,
    SquaredMeanGradient,
    mean_gram,
)
from jaxnas.proxies.subject import Subject
from jaxnas.representation import shown_by_call
from jaxnas.types import Apply, Array, Params


@shown_by_call
def gradient_kernel(*, together: bool = False) -> Proxy:
    r"""Gradient kernel: the mean of P, diagonal included.

    It is exactly :math:`\|\frac1\mu \sum_i g_i\|^2`.

    One backward pass, no Gram matrix unless another score needs it. Source: GT-NAS, section 5.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.gradient_kernel()(lambda w, x: x @ w, w, x, y):.3f}")
        0.122
    """
    return Proxy(
        "gradient_kernel", SquaredMeanGradient(together), lambda squared_norm: squared_norm
    )


@shown_by_call
def gradient_kernel_sampled(
    *,
    examples: int = 50,
    parameters: int = 50,
    centred: bool = True,
    seed: int = 0,
    together: bool = False,
) -> Proxy:
    r"""Sampled gradient kernel, the paper's estimator.

    µ examples, θ parameters sampled in each layer.

    "We normalize gradients by subtracting the average of sampled gradients" is read as the average
    over each example's sampled parameters: over the examples it would make the mean of P zero.
    Source: GT-NAS, sections 3 and 5 (µ = θ = 50).

    Args:
        examples: µ.
        parameters: θ; a layer with fewer gives all it has.
        centred: whether that average is subtracted.
        seed: of the sample of parameters.
        together: see the module.

    Raises:
        ValueError: a constant is not what it should be.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.gradient_kernel_sampled(examples=3)(lambda w, x: x @ w, w, x, y):.3f}")
        0.122
    """
    examples, parameters = whole("examples", examples, 1), whole("parameters", parameters, 1)
    gradients = ExampleGradients(together, parameters, examples, centred, seed)
    label = name(
        "gradient_kernel_sampled",
        ("mu", examples, 50),
        ("theta", parameters, 50),
        ("centred", centred, True),
        ("seed", seed, 0),
    )
    return Proxy(label, gradients, mean_gram, least_examples=examples)


@shown_by_call
def gradient_value(*, together: bool = False) -> Proxy:
    """Gradient value V, the mean of |G| over examples and parameters.

    Source: GT-NAS, section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.gradient_value()(lambda w, x: x @ w, w, x, y):.3f}")
        0.052
    """
    return Proxy("gradient_value", ExampleGradients(together), _value)


@shown_by_call
def gradient_correlation(*, together: bool = False) -> Proxy:
    """Gradient correlation R, the mean of C, diagonal included.

    Source: GT-NAS, section 3.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.gradient_correlation()(lambda w, x: x @ w, w, x, y):.3f}")
        0.333
    """
    gradients = ExampleGradients(together)
    return Proxy("gradient_correlation", gradients, _correlation, least_examples=2)


@shown_by_call
def gradient_trace(*, together: bool = False) -> Proxy:
    """Trace of P over the number of examples: the kernel without its correlations.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.gradient_trace()(lambda w, x: x @ w, w, x, y):.3f}")
        0.367
    """
    return Proxy("gradient_trace", ExampleGradients(together), _trace)


def layerwise(
    apply: Apply, params: Params, x: Array, y: Array, *, together: bool = False
) -> dict[str, Params]:
    """The four scores of each parameter tensor on its own, as GT-NAS draws them by layer.

    Returns:
        For "gradient_kernel", "gradient_value", "gradient_correlation" and "gradient_trace" a tree
        like the parameters, of float64 scalars, None for what is no parameter; the correlation is
        NaN where the gradient is zero.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, params, y = jnp.eye(3, 5), {"w": jnp.eye(5, 4)}, jnp.arange(3)
        >>> layers = proxies.layerwise(lambda p, x: x @ p["w"], params, x, y)
        >>> print(f"{layers['gradient_trace']['w']:.3f}")
        0.367
    """
    # Made outside the float64 scope: the network keeps the types it has there.
    subject = make_subject(apply, params, x, y, chosen=())
    with differentiated(apply):
        return _layerwise(subject, together)


@with_float64
def _layerwise(subject: Subject, together: bool) -> dict[str, Params]:
    layers = ExampleGradients(together).by_layer(subject)
    scores = {
        "gradient_kernel": mean_gram,
        "gradient_value": _value,
        "gradient_correlation": _correlation,
        "gradient_trace": _trace,
    }
    return {
        name: jax.tree.map(score, layers, is_leaf=lambda node: isinstance(node, GradientSums))
        for name, score in scores.items()
    }


def _value(g: GradientSums) -> Array:
    return g.absolute / (g.gram.shape[0] * g.size)


def _correlation(g: GradientSums) -> Array:
    norms = jnp.sqrt(jnp.diagonal(g.gram))
    return jnp.mean(g.gram / jnp.outer(norms, norms))


def _trace(g: GradientSums) -> Array:
    return jnp.mean(jnp.diagonal(g.gram))
