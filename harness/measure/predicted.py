"""What a prediction set is made of: classes, distributions, the images that were got wrong, the weights' hash."""

from __future__ import annotations

import hashlib
import typing

import numpy as np

from harness.records import IdentityCheck

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

SHOWN = ("wrong", "wrong_images")
"""Arrays of a set that are for looking at: how many there are depends on how right the run was."""
MOST_WRONG = 200
"""Wrongly predicted images that are kept of a set."""
MOST_BYTES = 8 << 20
"""Bytes that they may take; of large images fewer are kept."""


def classes(values: ArrayLike, what: str) -> NDArray[np.uint8]:
    """Return classes as bytes, (n,); refuse what is no whole number from 0 to 255."""
    found = np.asarray(values)
    if found.dtype.kind not in "iu":
        raise ValueError(f"{what} must be whole numbers from 0 to 255, found dtype {found.dtype}")
    if found.size and not 0 <= found.min() <= found.max() <= 255:
        raise ValueError(f"{what} must lie from 0 to 255, found {found.min()} to {found.max()}")
    return found.astype(np.uint8)


def alignment(of_labels: ArrayLike, of_predicted: ArrayLike, count: int, name: str) -> IdentityCheck:
    """Count the pairs whose label and prediction belong to different images; none is allowed."""
    first, second = np.asarray(of_labels), np.asarray(of_predicted)
    if first.shape != (count,) or second.shape != (count,):
        raise ValueError(
            f"indices of set '{name}' have shapes {first.shape} and {second.shape}; each must be ({count},)"
        )
    apart = int((first != second).sum())
    return IdentityCheck(
        name=f"{name}.alignment",
        error=float(apart),
        tolerance=0.0,
        formula="label i and prediction i are of one image",
        detail=f"{apart} of {count} pairs join one image's label with another's prediction",
    )


def distributions(values: ArrayLike, labels: NDArray[np.uint8], name: str) -> NDArray[np.float32]:
    """Refuse probabilities that do not cover the labels or, where finite, are no distributions."""
    found = np.asarray(values, np.float32)  # (n, classes)
    if found.ndim != 2 or len(found) != len(labels) or found.shape[1] <= labels.max():
        told = f"of shape {found.shape} do not cover {len(labels)} images with labels up to {labels.max()}"
        raise ValueError(f"probabilities of set '{name}' {told}")
    if np.isfinite(found).all() and (found.min() < 0 or np.abs(found.sum(axis=1) - 1).max() > 1e-2):
        raise ValueError(
            f"probabilities of set '{name}' are no distributions: each row must be positive and sum to 1"
        )
    return found


def wrong_images(
    images: ArrayLike, labels: NDArray[np.uint8], predicted: NDArray[np.uint8], name: str
) -> dict[str, NDArray[typing.Any]]:
    """Keep the first images that were predicted wrongly.

    Parameters
    ----------
    images : uint8 array of shape (n, h, w) or (n, h, w, 3)
        Grey levels or RGB.
    labels, predicted : uint8 arrays of shape (n,)
        Classes.
    name : str
        Name of the set, for messages.

    Returns
    -------
    dict
        ``wrong``: positions, int64 (k,), and ``wrong_images``, uint8 (k, h, w) or (k, h, w, 3), k at most `MOST_WRONG`.

    Raises
    ------
    ValueError
        If `images` is no such array.
    """
    pictures = np.asarray(images)
    grey_or_rgb = pictures.ndim == 3 or (pictures.ndim == 4 and pictures.shape[3] == 3)
    if pictures.dtype != np.uint8 or not grey_or_rgb or len(pictures) != len(labels):
        told = f"found {pictures.dtype} of shape {pictures.shape} for {len(labels)} labels"
        raise ValueError(f"images of set '{name}' must be uint8 of shape (n, h, w) or (n, h, w, 3); {told}")
    most = min(MOST_WRONG, max(1, MOST_BYTES // max(1, pictures[0].nbytes)))
    wrong = np.flatnonzero(labels != predicted)[:most].astype(np.int64)  # (k,)
    return {"wrong": wrong, "wrong_images": pictures[wrong]}


def digest(weights: Iterable[ArrayLike], name: str) -> str:
    """Hash arrays in order, dtypes and shapes included: SHA-256, 64 hexadecimal digits.

    Parameters
    ----------
    weights : iterable of arrays
        Numbers of any shape; taken one at a time, so that a generator keeps one copy alive and no more.
    name : str
        Name of the set, for messages.

    Raises
    ------
    ValueError
        If there is none, or one holds anything but numbers.
    """
    found, count = hashlib.sha256(), 0
    for array in map(np.asarray, weights):
        # bfloat16 and the like are of kind V, and plain bytes all the same; objects are addresses, which differ every time
        if array.dtype.hasobject or array.dtype.kind in "USMm":
            raise ValueError(f"weights of set '{name}' must be arrays of numbers, found dtype {array.dtype}")
        found.update(f"{array.dtype.name} {array.dtype.str} {array.shape};".encode())
        found.update(np.ascontiguousarray(array).tobytes())
        count += 1
    if not count:
        raise ValueError(f"weights of set '{name}' hold no array")
    return found.hexdigest()
