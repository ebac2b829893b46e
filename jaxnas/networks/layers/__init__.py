"""The layers of NAS-Bench-201's networks as pure functions, differentiated by hand where it pays.

Images are [B, H, W, C], kernels [kh, kw, C_in, C_out]. Everything here works under `jit`, `grad`,
`vmap` and their compositions.
"""

from jaxnas.networks.layers.convolution import conv, conv_input_gradient, conv_kernel_gradient
from jaxnas.networks.layers.normalisation import (
    BN_EPSILON,
    BN_MODES,
    BatchNormMode,
    Moments,
    batch_norm,
    batch_norm_gradient,
    batch_statistics,
    moments,
    standardise,
)
from jaxnas.networks.layers.pooling import avg_pool, avg_pool_gradient

__all__ = [
    "BN_EPSILON",
    "BN_MODES",
    "BatchNormMode",
    "Moments",
    "avg_pool",
    "avg_pool_gradient",
    "batch_norm",
    "batch_norm_gradient",
    "batch_statistics",
    "conv",
    "conv_input_gradient",
    "conv_kernel_gradient",
    "moments",
    "standardise",
]
