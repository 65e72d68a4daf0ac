"""Average pooling and linear interpolation as one linear operator Y = M X M^T (sections III and V).

Pooling a side of `size` pixels with a window w and step s is a matrix P (q, size) whose row i holds 1/w in
columns i*s to i*s + w - 1. Interpolating q values on the grid linspace(0, size, q) at linspace(0, size, size)
is a matrix S (size, q) with two non-zero weights a row. Both act on rows and on columns alike, so M = S P
does the whole case.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np

if typing.TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

CHUNK = 8192


@dataclass(frozen=True, slots=True)
class Case:
    """One of the source's five configurations."""

    name: str
    """Slug."""
    window: int
    """Side of the pooling window in pixels; 1 for the baseline."""
    step: int
    """Step of the pooling window in pixels; 1 for the baseline."""

    @property
    def is_baseline(self) -> bool:
        """Whether images pass unchanged."""
        return self.window == self.step == 1

    def side(self, size: int = 28) -> int:
        """Pixels a side after pooling (27, 14, 26 and 13 in section V)."""
        return pooled_side(self.window, self.step, size)


CASES = (
    Case("baseline", 1, 1),
    Case("case1", 2, 1),
    Case("case2", 2, 2),
    Case("case3", 3, 1),
    Case("case4", 3, 2),
)


def pooled_side(window: int, step: int, size: int = 28) -> int:
    """Pixels a side that pooling without padding leaves; ValueError if fewer than the two that interpolation needs."""
    side = (size - window) // step + 1 if 1 <= window <= size and step >= 1 else 0
    if side < 2:
        raise ValueError(
            f"Window {window} and step {step} leave {side} of {size} pixels a side; interpolation needs two."
        )
    return side


def pooling(window: int, step: int, size: int = 28) -> NDArray[np.float64]:
    """Average pooling of one axis as a matrix P: (q, size) float64, rows sum to 1."""
    matrix = np.zeros((pooled_side(window, step, size), size))
    for row in range(len(matrix)):
        matrix[row, row * step : row * step + window] = 1.0 / window
    return matrix


def interpolation(side: int, size: int = 28) -> NDArray[np.float64]:
    """Linear interpolation of one axis from `side` to `size` points as a matrix S: (size, side) float64.

    Both grids span 0 to `size`, as in the author's code. Rows sum to 1; the end points are kept.
    """
    position = np.linspace(0.0, size, size) * (side - 1) / size  # (size,)
    left = np.minimum(position.astype(np.int64), side - 2)  # (size,)
    weight = position - left
    matrix = np.zeros((size, side))
    matrix[np.arange(size), left] = 1.0 - weight
    matrix[np.arange(size), left + 1] = weight
    return matrix


def operator(window: int, step: int, size: int = 28) -> NDArray[np.float64]:
    """Pooling, then interpolation back, as one matrix M with Y = M X M^T: (size, size) float64.

    A window and step of 1 give the identity, exactly.
    """
    if window == step == 1:
        return np.eye(size)
    return interpolation(pooled_side(window, step, size), size) @ pooling(window, step, size)  # (size, size)


def both_sides(
    matrix: NDArray[np.floating], images: NDArray[np.generic], dtype: DTypeLike = np.float32
) -> NDArray[np.floating]:
    """Compute M X M^T for each image.

    Parameters
    ----------
    matrix : (a, b) array
    images : (n, b, b) array
        Any real dtype; converted chunk by chunk, so the peak is one chunk above the result.
    dtype : dtype
        Of the product and the result, float32 or float64.

    Returns
    -------
    (n, a, a) array of `dtype`

    Raises
    ------
    ValueError
        If the shapes do not match.
    """
    rows, columns = matrix.shape
    if images.ndim != 3 or images.shape[1:] != (columns, columns):
        raise ValueError(f"images must have shape (n, {columns}, {columns}), not {images.shape}.")
    factor = matrix.astype(dtype)
    result: NDArray[np.floating] = np.empty((len(images), rows, rows), dtype)
    for start in range(0, len(images), CHUNK):
        chunk = images[start : start + CHUNK].astype(dtype)
        along = chunk.reshape(-1, columns) @ factor.T  # (chunk * b, a)
        np.matmul(
            factor, along.reshape(-1, columns, rows), out=result[start : start + CHUNK]
        )  # (chunk, a, a)
    return result


def resample(images: NDArray[np.uint8], case: Case, *, stored_uint8: bool = False) -> NDArray[np.floating]:
    """Bring images through one case: pooled down, interpolated back to their size.

    Parameters
    ----------
    images : (n, size, size) uint8 array
    case : Case
    stored_uint8 : bool
        Round the pooled values to uint8 in between. Only then does 'stored at 25% of the size' hold in bytes:
        the source keeps floats.

    Returns
    -------
    (n, size, size) float32 array, still 0 to 255
    """
    size = images.shape[-1]
    if case.is_baseline:
        return images.astype(np.float32)
    if stored_uint8:
        return both_sides(interpolation(case.side(size), size), store(images, case))
    return both_sides(operator(case.window, case.step, size), images)


def store(images: NDArray[np.uint8], case: Case) -> NDArray[np.uint8]:
    """Pool and round to the nearest uint8: (n, q, q)."""
    pooled = both_sides(pooling(case.window, case.step, images.shape[-1]), images)  # (n, q, q)
    stored: NDArray[np.uint8] = np.rint(pooled).astype(np.uint8)
    return stored
