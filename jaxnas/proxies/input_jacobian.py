"""Scores of the Jacobian with respect to the input, seeds 002, section 3.2."""

from jaxnas.proxies.proxy import Proxy, name
from jaxnas.proxies.quantities import InputGradient
from jaxnas.proxies.similarity import ROOT, K, cosine_score, eigenvalue_score, spectrum


def js(*, noise: float = 0.0, k: float = K) -> Proxy:
    r"""Jacobian score: the eigenvalue score of the correlation of J's rows.

    Source: seeds 002, section 3.2 (JS); Mellor et al., "Neural Architecture Search without
    Training", first version, 2020. Raw, not rescaled to [0, 1].

    Args:
        noise: amplitude a of the noise on the input, 0 for none.
        k: constant that keeps the logarithm and the reciprocal finite.
    """
    return Proxy(
        name("js", ("n", noise, 0), ("k", k, K)),
        InputGradient(),
        lambda jacobian: eigenvalue_score(spectrum(jacobian), k),
        noise=noise,
    )


def jsc(*, noise: float = 0.0, root: int = ROOT) -> Proxy:
    """Jacobian score by cosines of J's rows. Source: seeds 002, section 3.2 (JSC).

    Args:
        noise: amplitude a of the noise on the input, 0 for none.
        root: the root taken of the cosines' absolute values.
    """
    return Proxy(
        name("jsc", ("n", noise, 0), ("root", root, ROOT)),
        InputGradient(),
        lambda jacobian: cosine_score(jacobian, root),
        noise=noise,
    )
