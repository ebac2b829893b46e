r"""The scores of seeds 000 (GT-NAS, published as KNAS, Xu et al., ICML 2021), section 3 and 5.

:math:`G` [µ, r] holds the examples' gradients, :math:`P = GG^T` and
:math:`C_{ij} = P_{ij} / (\|g_i\| \|g_j\|)`. Over all parameters of the network; `layerwise` gives
them for each layer. `together` says whether the examples share a batch, which matters to batch
normalisation alone; by default each is a batch of its own, as `vmap(grad)` has it.
"""

import jax
import jax.numpy as jnp

from jaxnas.precision import with_float64
from jaxnas.proxies.proxy import Proxy, make_subject, name
from jaxnas.proxies.quantities import (
    ExampleGradients,
    GradientSums,
    SquaredMeanGradient,
    mean_gram,
)
from jaxnas.proxies.subject import Subject
from jaxnas.types import Apply, Array, Params


def gradient_kernel(*, together: bool = False) -> Proxy:
    r"""The mean of P, diagonal included, exactly :math:`\|\frac1\mu \sum_i g_i\|^2`.

    One backward pass, no Gram matrix unless another score needs it. Source: seeds 000, section 5.
    """
    return Proxy(
        "gradient_kernel", SquaredMeanGradient(together), lambda squared_norm: squared_norm
    )


def gradient_kernel_sampled(
    *,
    examples: int = 50,
    parameters: int = 50,
    centred: bool = True,
    seed: int = 0,
    together: bool = False,
) -> Proxy:
    r"""The paper's estimator of the kernel: µ examples, θ parameters sampled in each layer.

    "We normalize gradients by subtracting the average of sampled gradients" is read as the average
    over each example's sampled parameters: over the examples it would make the mean of P zero.
    Source: seeds 000, sections 3 and 5 (µ = θ = 50).

    Args:
        examples: µ.
        parameters: θ; a layer with fewer gives all it has.
        centred: whether that average is subtracted.
        seed: of the sample of parameters.
        together: see the module.
    """
    gradients = ExampleGradients(together, parameters, examples, centred, seed)
    label = name(
        "gradient_kernel_sampled",
        ("mu", examples, 50),
        ("theta", parameters, 50),
        ("centred", centred, True),
        ("seed", seed, 0),
    )
    return Proxy(label, gradients, mean_gram)


def gradient_value(*, together: bool = False) -> Proxy:
    """V, the mean of |G| over examples and parameters. Source: seeds 000, section 3."""
    return Proxy("gradient_value", ExampleGradients(together), _value)


def gradient_correlation(*, together: bool = False) -> Proxy:
    """R, the mean of C, diagonal included. Source: seeds 000, section 3."""
    return Proxy("gradient_correlation", ExampleGradients(together), _correlation)


def gradient_trace(*, together: bool = False) -> Proxy:
    """The mean of P's diagonal: the kernel without its correlations."""
    return Proxy("gradient_trace", ExampleGradients(together), _trace)


def layerwise(
    apply: Apply, params: Params, x: Array, y: Array, *, together: bool = False
) -> dict[str, Params]:
    """The four scores of each parameter tensor on its own, as seeds 000 draws them by layer.

    Returns:
        For "gradient_kernel", "gradient_value", "gradient_correlation" and "gradient_trace" a tree
        like the parameters, of float64 scalars; NaN where the gradient is zero.
    """
    # Made outside the float64 scope: the network keeps the types it has there.
    subject = make_subject(apply, params, x, y, ())
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
