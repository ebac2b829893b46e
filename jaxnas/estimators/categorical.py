"""Independent categorical distributions, one an edge, and Gumbel's way to draw from them."""

import jax
import jax.numpy as jnp

from jaxnas.estimators.estimator import Sample
from jaxnas.types import Array


def draw(key: Array, logits: Array) -> Array:
    """Ops int32 [E] with the probabilities softmax(logits [E, K])."""
    return jax.random.categorical(key, logits).astype(jnp.int32)


def discrete(ops: Array, logits: Array) -> Sample:
    """Ops [E] as a sample with indicators for weights, of the logits' shape and type."""
    return Sample(ops, jax.nn.one_hot(ops, logits.shape[-1], dtype=logits.dtype))


def score(ops: Array, logits: Array) -> Array:
    """∇_α log p_α(Z) [E, K] for ops [E]: their indicators less the probabilities."""
    return discrete(ops, logits).weights - jax.nn.softmax(logits)


def entropy(logits: Array) -> Array:
    """Entropy of the joint distribution over architectures, in nats: the sum over edges [E, K]."""
    logs = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(logs) * logs)


def mode(logits: Array) -> Array:
    """The most probable architecture, int32 [E]."""
    return jnp.argmax(logits, axis=-1).astype(jnp.int32)


def relaxed(key: Array, logits: Array, temperature: Array) -> Array:
    """A Gumbel-softmax sample [E, K]: softmax((log θ - log(-log U)) / τ).

    Source: Jang et al., "Categorical reparameterization with Gumbel-softmax", ICLR 2017, eq. 2;
    Maddison et al., "The Concrete distribution", ICLR 2017, eq. 10. Its largest weight is at op k
    with probability θ_k, at any temperature.
    """
    noise = jax.random.gumbel(key, logits.shape, logits.dtype)
    return jax.nn.softmax((jax.nn.log_softmax(logits) + noise) / temperature)
