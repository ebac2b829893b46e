r"""The scores of seeds 000 (GT-NAS, published as KNAS, Xu et al., ICML 2021), section 3 and 5.

:math:`G` [µ, r] holds the examples' gradients, :math:`P = GG^T` and
:math:`C_{ij} = P_{ij} / (\|g_i\| \|g_j\|)`. Over all parameters of the network; `layerwise` gives
them for each layer. `together` says whether the examples share a batch, which matters to batch
normalisation alone; by default each is a batch of its own, as `vmap(grad)` has it.
"""

import jax
import jax.numpy as jnp

from jaxnas.precision import to_float64, with_float64
from jaxnas.proxies.proxy import Proxy, make_subject, name
from jaxnas.proxies.quantities import ExampleGradients, LayerGradients, MeanGradient
from jaxnas.types import Apply, Array, Params


def gradient_kernel(*, together: bool = False) -> Proxy:
    r"""The mean of P, diagonal included, exactly :math:`\|\frac1\mu \sum_i g_i\|^2`.

    One backward pass, no Gram matrix. Source: seeds 000, section 5.
    """

    def squared_norm(gradient: Params) -> Array:
        return jnp.stack(
            [jnp.sum(jnp.square(to_float64(leaf))) for leaf in jax.tree.leaves(gradient)]
        ).sum()

    return Proxy("gradient_kernel", MeanGradient(together), squared_norm)


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
    return Proxy(label, gradients, lambda g: _mean_gram(_total(g)))


def gradient_value(*, together: bool = False) -> Proxy:
    """V, the mean of |G| over examples and parameters. Source: seeds 000, section 3."""
    return Proxy("gradient_value", ExampleGradients(together), lambda g: _value(_total(g)))


def gradient_correlation(*, together: bool = False) -> Proxy:
    """R, the mean of C, diagonal included. Source: seeds 000, section 3."""
    return Proxy(
        "gradient_correlation", ExampleGradients(together), lambda g: _correlation(_total(g))
    )


def gradient_trace(*, together: bool = False) -> Proxy:
    """The mean of P's diagonal: the kernel without its correlations."""
    return Proxy("gradient_trace", ExampleGradients(together), lambda g: _trace(_total(g)))


@with_float64
def layerwise(
    apply: Apply, params: Params, x: Array, y: Array, *, together: bool = False
) -> dict[str, Params]:
    """The four scores of each parameter tensor on its own, as seeds 000 draws them by layer.

    Returns:
        For "gradient_kernel", "gradient_value", "gradient_correlation" and "gradient_trace" a tree
        like the parameters, of float64 scalars; NaN where the gradient is zero.
    """
    layers = ExampleGradients(together).compute(make_subject(apply, params, x, y, ()))
    scores = {
        "gradient_kernel": _mean_gram,
        "gradient_value": _value,
        "gradient_correlation": _correlation,
        "gradient_trace": _trace,
    }
    return {
        name: jax.tree.map(score, layers, is_leaf=_is_layer) for name, score in scores.items()
    }


def _is_layer(node: object) -> bool:
    return isinstance(node, LayerGradients)


def _total(layers: Params) -> LayerGradients:
    """The layers' sums added: those of all parameters."""
    parts = jax.tree.leaves(layers, is_leaf=_is_layer)
    return LayerGradients(*(sum(part[1:], part[0]) for part in zip(*parts, strict=True)))


def _mean_gram(g: LayerGradients) -> Array:
    return jnp.mean(g.gram)


def _value(g: LayerGradients) -> Array:
    return g.absolute / (g.gram.shape[0] * g.size)


def _correlation(g: LayerGradients) -> Array:
    norms = jnp.sqrt(jnp.diagonal(g.gram))
    return jnp.mean(g.gram / jnp.outer(norms, norms))


def _trace(g: LayerGradients) -> Array:
    return jnp.mean(jnp.diagonal(g.gram))
