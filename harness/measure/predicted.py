"""What a prediction set is made of: classes, several labels a row or real values, probabilities, wrong images, the weights' hash."""

from __future__ import annotations

import hashlib
import typing

import numpy as np

from harness.records import MOST, IdentityCheck

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import ArrayLike, NDArray

SHOWN = ("wrong", "wrong_images")
"""Arrays of a set that are for looking at: how many there are depends on how right the run was."""
MOST_WRONG = 200
"""Wrongly predicted images that are kept of a set."""
MOST_BYTES = 8 << 20
"""Bytes that they may take; of large images fewer are kept."""


Sort = typing.Literal["classes", "several labels", "real values"]
"""What a prediction set may hold: one class a row, several labels a row, or real values."""


def sort(stored: Mapping[str, NDArray[typing.Any]]) -> Sort:
    """Return what a stored prediction set holds, from its labels."""
    labels = stored["labels"]
    return "real values" if labels.dtype.kind == "f" else "classes" if labels.ndim == 1 else "several labels"


def pairs(
    labels: ArrayLike, predicted: ArrayLike, probabilities: ArrayLike | None, name: str
) -> dict[str, NDArray[typing.Any]]:
    """Return the arrays of a prediction set; what the labels are decides what the predictions must be.

    Parameters
    ----------
    labels, predicted, probabilities : arrays
        As `harness.measure.run.Run.predictions` takes them.
    name : str
        Name of the set, for messages.

    Returns
    -------
    dict
        ``labels`` and ``predicted``: uint8 (n,) classes, uint8 (n, k) labels that a row has or lacks, or float64 (n,) or (n, k) values; and
        ``probabilities``, float32, if there are any.

    Raises
    ------
    ValueError
        If they do not pair up in length and kind, are empty, not finite, or no such arrays.
    """
    truth, guess = np.asarray(labels), np.asarray(predicted)
    real = truth.dtype.kind == "f"
    if not real and guess.dtype.kind == "f" and guess.ndim == 2:
        if probabilities is not None:
            raise ValueError(f"set '{name}' got probabilities twice, as predictions too")
        if not np.isfinite(guess).all():
            raise ValueError(f"predictions of set '{name}' hold NaN or infinity")
        guess, probabilities = guess.argmax(axis=1) if truth.ndim == 1 else guess >= 0.5, guess
    if truth.shape != guess.shape or truth.ndim not in {1, 2}:
        shapes = f"{truth.shape} and {guess.shape}"
        raise ValueError(f"labels and predictions of set '{name}' have shapes {shapes}; they must pair up")
    if not truth.size:
        raise ValueError(f"set '{name}' holds no rows")
    if real:
        truth, guess = values(truth, "labels", name), values(guess, "predictions", name)
    elif truth.ndim == 2:
        truth, guess = indicators(truth, "labels", name), indicators(guess, "predictions", name)
    else:
        if guess.dtype.kind == "f" and truth.dtype.kind in "iu":
            told = f"labels of set '{name}' are classes ({truth.dtype}), its predictions real values ({guess.dtype})"
            raise ValueError(f"{told}: give labels of floating numbers, or predicted classes")
        truth, guess = classes(truth, "labels"), classes(guess, "predictions")
    stored: dict[str, NDArray[typing.Any]] = {"labels": truth, "predicted": guess}
    if probabilities is not None:
        if real:
            raise ValueError(f"set '{name}' holds real values, which have no probabilities")
        stored["probabilities"] = distributions(probabilities, stored["labels"], name)
    return stored


def values(found: NDArray[typing.Any], what: str, name: str) -> NDArray[np.float64]:
    """Return real values, (n,) or (n, k); refuse what is no number, or not finite even when it is squared."""
    if found.dtype.kind not in "iuf":
        raise ValueError(f"{what} of set '{name}' must be numbers like its labels, found dtype {found.dtype}")
    numbers = found.astype(np.float64)
    wrong = np.flatnonzero(~(np.abs(numbers.reshape(len(numbers), -1)) <= MOST).all(axis=1))  # NaN never is
    if len(wrong):
        told = f"{len(wrong)} rows of NaN, infinity, or beyond {MOST:g}"
        raise ValueError(f"{what} of set '{name}' hold {told}, the first of them row {wrong[0]}")
    return numbers


def indicators(found: NDArray[typing.Any], what: str, name: str) -> NDArray[np.uint8]:
    """Return which labels each row has, 1, and lacks, 0: (n, k)."""
    if found.dtype.kind not in "iub" or not np.isin(found, (0, 1)).all():
        raise ValueError(
            f"{what} of set '{name}' must be 0 or 1 for each label, (n, labels); found {found.dtype}"
        )
    return found.astype(np.uint8)


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
    """Refuse probabilities that do not cover the labels or, where finite, are no distributions; of several labels each has its own."""
    found = np.asarray(values, np.float32)  # (n, classes)
    if labels.ndim == 2:
        if found.shape != labels.shape:
            told = f"{found.shape}, not {labels.shape} as its labels"
            raise ValueError(f"probabilities of set '{name}' have shape {told}")
        if np.isfinite(found).all() and not 0 <= found.min() <= found.max() <= 1:
            raise ValueError(f"probabilities of set '{name}' must lie from 0 to 1")
        return found
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
