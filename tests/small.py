"""A small network and small data that several test modules share."""

from typing import Any

import numpy as np

from jaxnas import data

# A network small enough to compile in seconds; 16 pixels leave 4x4 in the last stage, so that
# batch normalisation of one example stays well conditioned.
SMALL: dict[str, Any] = {"channels": 4, "depth": 1}


def little_digits(train: int = 400, test: int = 80) -> dict[str, np.ndarray]:
    """Digits at 8 by 8 pixels, the size at which a step takes milliseconds."""
    images = data.digits()
    assert images.x_test is not None
    assert images.y_test is not None
    return {
        "x_train": images.x_train[:train, 1::4, 1::4],
        "y_train": images.y_train[:train],
        "x_test": images.x_test[:test, 1::4, 1::4],
        "y_test": images.y_test[:test],
    }
