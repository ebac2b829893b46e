"""DARTS' second order, differentiated exactly."""

from __future__ import annotations

from collections.abc import Callable

import jax

from jaxnas.estimators import Loss, Sample
from jaxnas.estimators.estimator import with_gradient
from jaxnas.types import Array, Params


def unrolled_loss(
    train: Callable[[Params, Sample], Array],
    valid: Callable[[Params, Sample], Array],
    after: Callable[[Params, Params], Params],
    params: Params,
) -> Loss:
    """L_valid(w'(z), z) with w'(z) the weights after a step down ∇_w L_train(w, z).

    Its gradient by the sample's weights is ∂_z L_valid(w', z) + ∂²_zw L_train(w, z) u, with u the
    cotangent of ∇_w L_train through the step; the second term, a product with a Hessian, is exact,
    the derivative of ∇_z L_train along u, where the released code takes a finite difference.

    Source: Liu et al., "DARTS", ICLR 2019, eq. 7, with momentum and decay in the step as released.

    Args:
        train: loss of weights and sample on the batch of the step.
        valid: the same on the batch that α learns from.
        after: weights and their gradient → weights after a step.
        params: the weights now, w.
    """

    def loss(z: Sample) -> Array:
        here = jax.lax.stop_gradient(z.weights)

        def slopes(params: Params) -> tuple[Params, Array]:
            # By both: layers with a derivative of their own have no forward-mode one, so that each
            # has to be differentiated here, in reverse, even those that no operation precedes.
            by_both = jax.grad(lambda p, weights: train(p, Sample(z.ops, weights)), (0, 1))
            slopes: tuple[Params, Array] = by_both(params, here)
            return slopes

        moved, pull = jax.vjp(lambda slope: after(params, slope), slopes(params)[0])
        value, (by_moved, direct) = jax.value_and_grad(
            lambda p, weights: valid(p, Sample(z.ops, weights)), (0, 1)
        )(moved, here)
        (along,) = pull(by_moved)
        _, through = jax.jvp(lambda p: slopes(p)[1], (params,), (along,))
        return with_gradient(value, z.weights, direct + through)

    return loss
