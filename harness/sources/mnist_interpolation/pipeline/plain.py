"""The source's way, image by image, with SciPy's spline: the reference that `operators` is held against.

The author called ``scipy.interpolate.interp2d``, which current SciPy no longer runs; ``RectBivariateSpline``
with ``kx=ky=1`` is the same piecewise bilinear surface.
"""

from __future__ import annotations

import typing

import numpy as np

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray


def pool_all(images: NDArray[np.generic], window: int, step: int) -> NDArray[np.float64]:
    """Average-pool images (n, size, size) by strided windows: (n, q, q) float64."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (window, window), axis=(1, 2))
    pooled: NDArray[np.float64] = windows[:, ::step, ::step].mean(axis=(3, 4), dtype=np.float64)
    return pooled  # (n, q, q)


def spline(small: NDArray[np.floating], size: int = 28) -> NDArray[np.float64]:
    """Interpolate one pooled image (q, q) to (size, size) by SciPy's bilinear spline."""
    from scipy.interpolate import RectBivariateSpline

    known = np.linspace(0.0, size, len(small))
    wanted = np.linspace(0.0, size, size)
    return np.asarray(RectBivariateSpline(known, known, small, kx=1, ky=1)(wanted, wanted))


def resample(images: NDArray[np.generic], window: int, step: int) -> NDArray[np.float64]:
    """Pool all images, then run one spline an image: (n, size, size) float64."""
    size = images.shape[-1]
    return np.stack([spline(small, size) for small in pool_all(images, window, step)])
