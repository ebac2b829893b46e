"""REINFORCE: a policy with one independent categorical distribution for each entry of a code.

References:
  Williams, "Simple statistical gradient-following algorithms", Machine Learning 1992;
  settings of Dong & Yang, "NAS-Bench-201", ICLR 2020, and "NATS-Bench", TPAMI 2021;
  Kingma & Ba, "Adam", ICLR 2015
"""

import numpy as np
from numpy.typing import NDArray

from jaxnas.search.strategy import Strategy
from jaxnas.spaces import DEFAULT, Space

_INITIAL_SCALE = 1e-3


def reinforce(
    rng: np.random.Generator,
    space: Space = DEFAULT,
    learning_rate: float = 0.01,
    baseline_decay: float = 0.9,
) -> Strategy:
    """Follows the policy gradient by Adam, with a moving average of rewards as the baseline.

    The average is corrected for its start and, as in the benchmark's code, has the present reward
    in it. After t rewards that only scales the advantage over the average of past ones, by
    d (1 - d^(t-1)) / (1 - d^t) for a decay d, so the gradient's direction stays unbiased; the
    first step is zero.

    Args:
        rng: draws the logits' small start and the architectures.
        space: what is searched, by its codes.
        learning_rate: Adam's; 0.01 is the NATS-Bench authors' script.
        baseline_decay: of the average.
    """
    choices = np.array(space.choices)
    places, most = len(choices), int(choices.max())
    logits = _INITIAL_SCALE * rng.standard_normal((places, most))
    # A value that an entry does not have is never drawn, and its logit stays.
    logits[np.arange(most) >= choices[:, None]] = -np.inf
    adam = Adam(logits.shape, learning_rate)
    average = weight = 0.0
    while True:
        policy = softmax(logits)
        # Inverse transform: how many of an entry's cumulative probabilities lie below the draw.
        draw = rng.random((places, 1))
        code = (np.cumsum(policy, axis=1)[:, :-1] < draw).sum(axis=1)
        code = np.minimum(code, choices - 1)
        reward = yield space.decode(code.tolist())
        average = baseline_decay * average + (1 - baseline_decay) * reward
        weight = baseline_decay * weight + (1 - baseline_decay)
        gradient = (reward - average / weight) * score_function(policy, code)
        logits = logits + adam.step(gradient)


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probabilities [E, K] of logits [E, K], over the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def score_function(policy: NDArray[np.float64], code: NDArray[np.integer]) -> NDArray[np.float64]:
    """Gradient [E, K], by the logits, of log Π_e policy[e, code[e]].

    Args:
        policy: [E, K], the softmax of the logits.
        code: [E], what was drawn.
    """
    gradient = -policy
    gradient[np.arange(len(code)), code] += 1
    return gradient


class Adam:
    """Steps uphill by Adam; b1 = 0.9, b2 = 0.999, ε = 1e-8.

    In numpy: on thirty numbers a step compiled by XLA takes longer to dispatch than to compute.
    """

    def __init__(self, shape: tuple[int, ...], learning_rate: float) -> None:
        self._learning_rate = learning_rate
        self._mean = np.zeros(shape)
        self._square = np.zeros(shape)
        self._steps = 0

    def step(self, gradient: NDArray[np.float64]) -> NDArray[np.float64]:
        """What to add to the parameters, of the gradient's shape."""
        self._steps += 1
        self._mean = 0.9 * self._mean + 0.1 * gradient
        self._square = 0.999 * self._square + 0.001 * gradient**2
        mean = self._mean / (1 - 0.9**self._steps)
        square = self._square / (1 - 0.999**self._steps)
        return np.asarray(self._learning_rate * mean / (np.sqrt(square) + 1e-8))
