"""Scores of the Jacobian with respect to the input.

Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2.

An example that the loss does not depend on has a row of zeros, which makes both NaN;
`constant_rows="drop"` leaves such examples out, and the score's name then ends in `_nc`.
"""

import jax.numpy as jnp

from jaxnas.checks import checked, one_of, ranges
from jaxnas.proxies.proxy import Proxy, name
from jaxnas.proxies.quantities import InputGradient
from jaxnas.proxies.similarity import (
    CONSTANT_ROWS,
    ROOT,
    ConstantRows,
    K,
    cosine_score,
    eigenvalue_score,
    is_constant,
    is_zero,
    spectrum,
    spectrum_without,
)
from jaxnas.representation import shown_by_call
from jaxnas.types import Array


@shown_by_call
def js(*, noise: float = 0.0, k: float = K, constant_rows: ConstantRows = "keep") -> Proxy:
    r"""Jacobian score: how decorrelated the loss gradients of different images are.

    With σ the eigenvalues of the correlation of J's rows, :math:`\partial L / \partial x_i`, it is
    :math:`-\sum \log(\sigma + k) + 1 / (\sigma + k)`. Raw, not rescaled to [0, 1].

    Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2
    (JS); Mellor et al., "Neural Architecture Search without Training", first version, 2020.

    Args:
        noise: amplitude a of the noise on the input, 0 for none.
        k: constant that keeps the logarithm and the reciprocal finite.
        constant_rows: whether examples whose gradient is constant make it NaN ("keep") or are left
            out ("drop"), which makes it a sum of fewer terms.

    Raises:
        ValueError: a constant is not what it should be.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.js(noise=0.1)(lambda w, x: x @ w, w, x, y):.3f}")
        -3.999
    """
    noise = checked("noise", noise, ranges.NotNegative)
    k = checked("k", k, ranges.Positive)

    def of_those_that_vary(jacobian: Array) -> Array:
        constant = is_constant(jacobian)
        score = eigenvalue_score(spectrum_without(jacobian, constant), k, jnp.sum(constant))
        return jnp.where(jnp.sum(~constant) > 1, score, jnp.nan)

    drop = one_of("constant_rows", constant_rows, CONSTANT_ROWS) == "drop"
    return Proxy(
        name("js_nc" if drop else "js", ("n", noise, 0), ("k", k, K)),
        InputGradient(),
        of_those_that_vary if drop else lambda jacobian: eigenvalue_score(spectrum(jacobian), k),
        noise=noise,
        least_examples=2,
    )


@shown_by_call
def jsc(*, noise: float = 0.0, root: int = ROOT, constant_rows: ConstantRows = "keep") -> Proxy:
    """Jacobian score by cosines of J's rows instead of eigenvalues.

    Source: "Improving Zero-Shot Neural Architecture Search with Parameters Scoring", section 3.2
    (JSC).

    Args:
        noise: amplitude a of the noise on the input, 0 for none.
        root: the root taken of the cosines' absolute values.
        constant_rows: whether examples whose gradient is zero make it NaN ("keep") or are left out
            ("drop").

    Raises:
        ValueError: a constant is not what it should be.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxnas import proxies
        >>> x, w, y = jnp.eye(3, 5), jnp.eye(5, 4), jnp.arange(3)
        >>> print(f"{proxies.jsc()(lambda w, x: x @ w, w, x, y):.3f}")
        0.053
    """
    noise = checked("noise", noise, ranges.NotNegative)
    root = checked("root", root, ranges.Count)
    drop = one_of("constant_rows", constant_rows, CONSTANT_ROWS) == "drop"
    return Proxy(
        name("jsc_nc" if drop else "jsc", ("n", noise, 0), ("root", root, ROOT)),
        InputGradient(),
        lambda jacobian: cosine_score(jacobian, root, is_zero(jacobian) if drop else None),
        noise=noise,
        least_examples=2,
    )
