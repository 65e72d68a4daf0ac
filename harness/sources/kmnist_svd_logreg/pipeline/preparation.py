"""From images to a design matrix: pair, per-column normalisation, bias column (source, section 2.2)."""

from __future__ import annotations

from typing import NamedTuple

from .arrays import Array, chunks, device_of, float_type, like, namespace, to_numpy

NORMALISATIONS = ("z-score", "min-max")
ROWS = 2048
"""Rows normalised at once: 2,048 rows of 784 pixels need 12.8 MB per float64 temporary."""


class Pair(NamedTuple):
    """Images of two classes with binary targets."""

    images: Array
    """(images, 28, 28), dtype as given."""
    targets: Array
    """(images,), uint8: 0 for the first class, 1 for the second."""


def select_pair(images: Array, labels: Array, first: int, second: int) -> Pair:
    """Keep two classes in order of appearance; the first becomes 0, the second 1 (source: 0/6 and 2/6).

    Parameters
    ----------
    images : array, (images, m, n)
        All images.
    labels : array, (images,), integer
        Class of each image.
    first, second : int
        The two classes.

    Raises
    ------
    ValueError
        Lengths differ, the classes are equal, or one of them has no image.
    """
    if images.shape[0] != labels.shape[0]:
        raise ValueError(f"{images.shape[0]} images but {labels.shape[0]} labels; they must travel together.")
    if first == second:
        raise ValueError(f"A pair needs two different classes, not {first} twice.")
    host = to_numpy(labels)
    for label in (first, second):
        if not (host == label).any():
            raise ValueError(f"No image has label {label}; the data lacks a class of the pair.")
    rows = ((host == first) | (host == second)).nonzero()[0]
    kept = namespace(images).take(images, like(rows, images), axis=0)
    return Pair(kept, like((host[rows] == second).astype("uint8"), images))


def design_matrix(images: Array, *, normalisation: str, dtype: str = "float32") -> Array:
    """Flatten, normalise every pixel column over all images, and put a column of ones first.

    Parameters
    ----------
    images : array, (images, m, n)
        Original or reconstructed grey levels.
    normalisation : {'z-score', 'min-max'}
        ``(x - shift) / scale`` with mean and population standard deviation, or minimum and range. The source
        normalises the test set with its own.
    dtype : {'float32', 'float64'}
        Of the result.

    Returns
    -------
    array, (images, 1 + m n), C order
        Column 0 is the bias. A column whose scale is at most ``sqrt(m n) eps max|x|`` is constant and becomes
        zero. A plain test for zero would not do: after an SVD a blank column holds rounding noise, which a
        division by its own deviation would blow up to unit variance. The source divides without a guard.
    """
    if normalisation not in NORMALISATIONS:
        raise ValueError(f"Unknown normalisation '{normalisation}'; choose 'z-score' or 'min-max'.")
    xp = namespace(images)
    flat = xp.reshape(images, (images.shape[0], -1))  # (images, 784)
    shift, scale = _moments(flat) if normalisation == "z-score" else _extremes(flat)
    scale = xp.where(scale <= _noise(flat), xp.ones_like(scale), scale)
    shape = (flat.shape[0], 1 + flat.shape[1])
    design = xp.empty(shape, dtype=float_type(images, dtype), device=device_of(images))
    design[:, 0] = 1
    for rows in chunks(flat.shape[0], ROWS):
        block = (xp.astype(flat[rows, :], xp.float64) - shift) / scale
        design[rows, 1:] = xp.astype(block, design.dtype)
    return design


def _moments(columns: Array) -> tuple[Array, Array]:
    """Return mean and population standard deviation in float64, two passes, chunk by chunk."""
    xp = namespace(columns)
    mean = xp.sum(columns, axis=0, dtype=xp.float64) / columns.shape[0]
    squares = xp.zeros_like(mean)
    for rows in chunks(columns.shape[0], ROWS):
        squares = squares + xp.sum((xp.astype(columns[rows, :], xp.float64) - mean) ** 2, axis=0)
    return mean, xp.sqrt(squares / columns.shape[0])


def _extremes(columns: Array) -> tuple[Array, Array]:
    """Return minimum and range in float64."""
    xp = namespace(columns)
    low = xp.astype(xp.min(columns, axis=0), xp.float64)
    return low, xp.astype(xp.max(columns, axis=0), xp.float64) - low


def _noise(columns: Array) -> float:
    """Bound the rounding noise of a reconstructed column; zero for integers."""
    xp = namespace(columns)
    if not xp.isdtype(columns.dtype, "real floating"):
        return 0.0
    # 28 products summed per pixel: the side of the image bounds the growth of the rounding error
    side = max(1.0, columns.shape[1] ** 0.5)
    largest = max(abs(float(xp.max(columns))), abs(float(xp.min(columns))))
    return float(side * xp.finfo(columns.dtype).eps * largest)
