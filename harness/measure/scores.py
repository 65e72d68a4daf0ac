"""Scores recomputed from labels and predictions that travel together: a pipeline never grades itself."""

from __future__ import annotations

import math
import statistics
import typing

import numpy as np

from harness.records import as_declared
from harness.records.metrics import LABEL_SCORES

if typing.TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from harness.records import Measured, Value

    Integers = NDArray[np.integer[typing.Any]]
    Floats = NDArray[np.floating[typing.Any]]


SIDE_SCORES = ("accuracy", "errors", "f1_macro", "loss")
"""What is kept of prediction sets beside ``test``: a grid has hundreds of them."""

MOST_CLASSES = 5000
"""Above this a confusion matrix takes more than 200 MB; a single damaged label could ask for any size."""


def confusion(labels: Integers, predicted: Integers, classes: int) -> NDArray[np.int64]:
    """Count images by true and predicted class.

    Parameters
    ----------
    labels, predicted : integer arrays of shape (n,)
        Values in ``[0, classes)``.
    classes : int
        Number of classes.

    Returns
    -------
    int64 array of shape (classes, classes)
        Row: true class, column: predicted class; sums to n.
    """
    cells = np.asarray(labels, np.int64) * classes + np.asarray(predicted, np.int64)
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes)


def log_loss(labels: Integers, probabilities: Floats) -> float:
    """Mean cross-entropy in nats, probabilities clipped to the smallest normal number of their dtype.

    Parameters
    ----------
    labels : integer array of shape (n,)
        True classes.
    probabilities : floating array of shape (n, classes)
        Predicted distribution of each image.
    """
    floor = np.finfo(probabilities.dtype).tiny
    chosen = np.asarray(probabilities[np.arange(len(labels)), labels], np.float64)
    return float(-np.log(np.maximum(chosen, floor)).mean())


def wilson(right: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson interval of a share of `right` among `n` (Wilson 1927), in Newcombe's form (1998), as SciPy computes it.

    Written out here, on the standard library's normal quantile: `scipy.stats` takes longer to import than most commands to run.

    Raises
    ------
    ValueError
        If `right` does not lie within 0 and `n`, or `n` is not positive.
    """
    if not 0 <= right <= n or n < 1:
        raise ValueError(f"{right} of {n} is no share")
    z, share = statistics.NormalDist().inv_cdf(0.5 + 0.5 * level), right / n
    whole = 2 * (n + z**2)
    middle = (2 * n * share + z**2) / whole
    away = z / whole * math.sqrt(4 * n * share * (1 - share) + z**2)
    return (0.0 if right == 0 else middle - away), (1.0 if right == n else middle + away)


def _macro(values: Floats, matrix: NDArray[np.int64]) -> float:
    """Mean over the classes that occur among labels or predictions, as scikit-learn takes it."""
    occurs = (matrix.sum(axis=0) + matrix.sum(axis=1)) > 0
    return float(values[occurs].mean())


def _per_class(matrix: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
    hits, support, claimed = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    precision = np.divide(hits, claimed, out=np.zeros(len(hits)), where=claimed > 0)
    recall = np.divide(hits, support, out=np.zeros(len(hits)), where=support > 0)
    both = precision + recall
    f1 = np.divide(2 * precision * recall, both, out=np.zeros(len(hits)), where=both > 0)
    return {"precision": precision, "recall": recall, "f1": f1}


def _row_shares(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Divide each row by its sum; a class without images gives zeros."""
    support = matrix.sum(axis=1, keepdims=True)  # (classes, 1)
    shares = np.zeros(matrix.shape)
    np.divide(matrix, support, out=shares, where=support > 0)
    return shares


def of_predictions(stored: Mapping[str, NDArray[typing.Any]]) -> dict[str, Measured]:
    """Score one prediction set.

    A class that is never predicted has precision 0, as in scikit-learn with ``zero_division=0``; macro means
    run over the classes that occur among labels or predictions.

    Parameters
    ----------
    stored : mapping
        ``labels`` and ``predicted``, integer arrays of shape (n,); optionally ``probabilities``, floating of
        shape (n, classes).

    Returns
    -------
    dict of str to Measured
        accuracy with Wilson interval, precision, recall and F1 (per class, macro, weighted), confusion,
        errors, and loss where there are probabilities.

    Raises
    ------
    ValueError
        If labels and predictions are no integers, differ in length, are empty, negative or of more classes
        than `MOST_CLASSES`, or probabilities are no floating numbers, not finite, or do not cover the labels.
    """
    labels, predicted = (_integers(stored[name], name) for name in ("labels", "predicted"))
    probabilities = stored.get("probabilities")
    classes = _check(labels, predicted, probabilities)
    matrix = confusion(labels, predicted, classes)
    right, n = int(np.trace(matrix)), len(labels)
    low, high = wilson(right, n)
    scored: dict[str, Value] = {
        "accuracy": right / n,
        "accuracy_interval": [low, high],
        "correct": float(right),
        "errors": float(n - right),
        "test_images": float(n),
        "confusion": matrix.tolist(),
        "confusion_share": _row_shares(matrix).tolist(),
        "support_per_class": matrix.sum(axis=1).tolist(),
    }
    share = matrix.sum(axis=1) / n
    for name, values in _per_class(matrix).items():
        scored[f"{name}_per_class"] = values.tolist()
        scored[f"{name}_macro"] = _macro(values, matrix)
        scored[f"{name}_weighted"] = float(values @ share)
    if probabilities is not None:
        scored["loss"] = log_loss(labels, probabilities)
    return as_declared(scored)


def _integers(array: NDArray[typing.Any], name: str) -> NDArray[np.int64]:
    """Return integers as int64; a cast of anything else would score numbers that nobody predicted."""
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integers, not {array.dtype}")
    return array.astype(np.int64)


def _check(labels: NDArray[np.int64], predicted: NDArray[np.int64], probabilities: Floats | None) -> int:
    """Refuse what cannot be scored, and return the number of classes."""
    if labels.shape != predicted.shape or labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"labels of shape {labels.shape} and predictions of shape {predicted.shape} do not pair up"
        )
    if min(labels.min(), predicted.min()) < 0:
        raise ValueError("labels and predictions must not be negative")
    classes = int(max(labels.max(), predicted.max())) + 1
    if probabilities is not None:
        _check_probabilities(labels, probabilities)
        classes = max(classes, int(probabilities.shape[1]))
    if classes > MOST_CLASSES:
        raise ValueError(f"there are {classes} classes, at most {MOST_CLASSES} can be scored")
    return classes


def _check_probabilities(labels: NDArray[np.int64], probabilities: Floats) -> None:
    if probabilities.dtype.kind != "f":
        raise ValueError(f"probabilities must be floating numbers, not {probabilities.dtype}")
    if probabilities.ndim != 2 or len(probabilities) != len(labels) or probabilities.shape[1] <= labels.max():
        raise ValueError(f"probabilities of shape {probabilities.shape} do not cover every label")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities must be finite")


def of_run(predictions: Mapping[str, NDArray[typing.Any]], names: tuple[str, ...]) -> dict[str, Measured]:
    """Score every prediction set of a run.

    The set ``test`` gives plain names, any other `SIDE_SCORES` as ``<set>.accuracy``.

    Parameters
    ----------
    predictions : mapping
        Arrays by ``<set>/labels``, ``<set>/predicted``, ``<set>/probabilities``.
    names : tuple of str
        Names of the sets.
    """
    scored: dict[str, Measured] = {}
    for name in names:
        parts = ("labels", "predicted", "probabilities")
        stored = {part: predictions[f"{name}/{part}"] for part in parts if f"{name}/{part}" in predictions}
        of_set = of_predictions(stored)
        if name == "test":
            scored |= of_set
        else:
            scored |= {f"{name}.{metric}": of_set[metric] for metric in SIDE_SCORES if metric in of_set}
    return scored


def set_scored_from_labels(metric: str, sets: Collection[str]) -> str | None:
    """Return the prediction set from whose labels alone `of_run` computes a metric; None for a recorded metric or a loss.

    Parameters
    ----------
    metric : str
        Name of the metric.
    sets : collection of str
        Prediction sets that the run stored.
    """
    name, _, score = metric.rpartition(".")
    of_harness = name != "test" and (not name or score in SIDE_SCORES)
    name = name or "test"
    return name if of_harness and score in LABEL_SCORES and name in sets else None


def by_class(values: Mapping[str, Value], score: str) -> dict[str, Value]:
    """Split a score per class into one number a class, e.g. ``recall.class3``: what an ordering of classes needs.

    Parameters
    ----------
    values : mapping
        Scored metrics of a run.
    score : str
        precision, recall or f1.

    Returns
    -------
    dict of str to float
        Empty if ``<score>_per_class`` was not scored.

    Raises
    ------
    TypeError
        If that metric is no array.
    """
    found = values.get(f"{score}_per_class", [])
    if not isinstance(found, list):
        raise TypeError(f"metric '{score}_per_class' is a single number; it must hold one number a class")
    return {f"{score}.class{c}": float(value) for c, value in enumerate(found)}
