"""Checks on images and labels, their normalisation, and patches as columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Floats

MEAN, STD = 0.1307, 0.3081
"""Mean and standard deviation of MNIST's training pixels, 0 to 1."""
CLASSES = 10
SIDE = 28
"""Pixels a side; the 400 inputs of the last layer follow from it."""


def check_images(images: NDArray[np.generic], labels: NDArray[np.generic], *, name: str) -> None:
    """Raise ValueError unless images are uint8 (n, 28, 28) and labels integers (n,) from 0 to 9."""
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE) or len(images) == 0:
        msg = f"The {name} images must be uint8 (n, 28, 28), n > 0; they are {images.dtype} {images.shape}."
        raise ValueError(msg)
    whole = labels.shape == images.shape[:1] and labels.dtype.kind in "iu"
    if not whole or labels.min() < 0 or labels.max() >= CLASSES:
        msg = f"The {name} labels must be integers from 0 to 9, one for each of the {len(images)} images."
        raise ValueError(msg)


def normalise(images: Bytes) -> Floats:
    """Return ``(x / 255 - 0.1307) / 0.3081`` as float32 (n, 1, 28, 28) for uint8 (n, 28, 28)."""
    scaled = images[:, None].astype(np.float32) / np.float32(255)
    return (scaled - np.float32(MEAN)) / np.float32(STD)


def im2col(features: Floats) -> Floats:
    """Return every 3x3 patch of (n, c, h, w) as a column, as torch's ``unfold``: (n, 9 c, places)."""
    windows = np.lib.stride_tricks.sliding_window_view(features, (3, 3), axis=(2, 3))
    n, c, h, w = windows.shape[:4]
    return windows.transpose(0, 1, 4, 5, 2, 3).reshape(n, 9 * c, h * w)  # (n, 9 c, places)
