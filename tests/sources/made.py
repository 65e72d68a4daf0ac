"""What tests of the pipelines share: scikit-learn's digits as 28x28 images."""

from __future__ import annotations

import functools
import typing

import numpy as np

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray


@functools.cache
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the 1,797 digits, every pixel thrice and a border of two, (1797, 28, 28), and their labels, (1797,)."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.pad(np.kron(data.images, np.ones((3, 3))) * 255 / 16, ((0, 0), (2, 2), (2, 2)))
    return images.astype(np.uint8), data.target.astype(np.int64)
