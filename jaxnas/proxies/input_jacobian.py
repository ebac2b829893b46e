"""Scores of the Jacobian with respect to the input.

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2.
"""

from jaxnas.checks import checked, ranges
from jaxnas.proxies.proxy import Proxy, name
from jaxnas.proxies.quantities import InputGradient
from jaxnas.proxies.similarity import ROOT, K, cosine_score, eigenvalue_score, spectrum
from jaxnas.representation import shown_by_call


@shown_by_call
def js(*, noise: float = 0.0, k: float = K) -> Proxy:
    r"""Jacobian score: how decorrelated the loss gradients of different images are.

    With σ the eigenvalues of the correlation of J's rows, :math:`\partial L / \partial x_i`, it is
    :math:`-\sum \log(\sigma + k) + 1 / (\sigma + k)`. Raw, not rescaled to [0, 1].

    Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2
    (JS); Mellor et al., "Neural Architecture Search without Training", first version, 2020.

    Args:
        noise: amplitude a of the noise on the input, 0 for none.
        k: constant that keeps the logarithm and the reciprocal finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.js(noise=0.1)(lambda w, x: x @ w, w, x, y):.3f}")
        -3.999
    """
    checked("noise", noise, ranges.NotNegative)
    checked("k", k, ranges.Positive)
    return Proxy(
        name("js", ("n", noise, 0), ("k", k, K)),
        InputGradient(),
        lambda jacobian: eigenvalue_score(spectrum(jacobian), k),
        noise=noise,
    )


@shown_by_call
def jsc(*, noise: float = 0.0, root: int = ROOT) -> Proxy:
    """Jacobian score by cosines of J's rows instead of eigenvalues.

    Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2
    (JSC).

    Args:
        noise: amplitude a of the noise on the input, 0 for none.
        root: the root taken of the cosines' absolute values.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.jsc()(lambda w, x: x @ w, w, x, y):.3f}")
        0.053
    """
    checked("noise", noise, ranges.NotNegative)
    checked("root", root, ranges.Count)
    return Proxy(
        name("jsc", ("n", noise, 0), ("root", root, ROOT)),
        InputGradient(),
        lambda jacobian: cosine_score(jacobian, root),
        noise=noise,
    )
