"""Scores recomputed from labels and predictions that travel together: a pipeline never grades itself."""

from __future__ import annotations

import dataclasses
import inspect
import math
import statistics
import typing

import numpy as np

from harness.errors import unknown
from harness.measure.predicted import sort
from harness.records import Measured, as_declared, finite
from harness.records.metrics import LABEL_SCORES, SCORES, VALUE_SCORES, of_values

if typing.TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from numpy.typing import NDArray

    from harness.records import Metric, Scenario, Value

    Integers = NDArray[np.integer[typing.Any]]
    Floats = NDArray[np.floating[typing.Any]]


SIDE_SCORES = ("accuracy", "errors", "f1_macro", "loss", *VALUE_SCORES)
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

    Real values give the mean absolute error, the root of the mean squared one and R², as scikit-learn does. Several labels a row: a row is
    right if all its labels are; precision, recall and F1 are of labels; the Hamming loss is the share of wrong labels.

    A class that is never predicted has precision 0, as in scikit-learn with ``zero_division=0``; macro means
    run over the classes that occur among labels or predictions.

    Parameters
    ----------
    stored : mapping
        ``labels`` and ``predicted``: integers (n,), classes; 0 and 1, (n, k), labels of rows; or floating numbers (n,) or (n, k), real values.
        Optionally ``probabilities``, floating of shape (n, classes).

    Returns
    -------
    dict of str to Measured
        Of classes: accuracy with Wilson interval, precision, recall and F1 (per class, macro, weighted), confusion,
        errors, and loss where there are probabilities.

    Raises
    ------
    ValueError
        If labels and predictions are no integers, differ in length, are empty, negative or of more classes
        than `MOST_CLASSES`, or probabilities are no floating numbers, not finite, or do not cover the labels.
    """
    if sort(stored) == "real values":
        if stored["predicted"].dtype.kind != "f":
            what = f"labels are real values ({stored['labels'].dtype}), predictions are not"
            raise ValueError(f"{what} ({stored['predicted'].dtype})")
        return as_declared(_of_values(stored["labels"], stored["predicted"]))
    labels, predicted = (_integers(stored[name], name) for name in ("labels", "predicted"))
    if labels.ndim == 2:
        return as_declared(_of_several(labels, predicted))
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


def _of_values(labels: Floats, predicted: Floats) -> dict[str, Value]:
    """Score real values, (n,) or (n, k)."""
    from sklearn import metrics

    if labels.shape != predicted.shape or len(labels) < 2:
        raise ValueError(
            f"labels of shape {labels.shape} and predictions of shape {predicted.shape}: two rows that pair up are needed"
        )
    return {
        "mean_absolute_error": float(metrics.mean_absolute_error(labels, predicted)),
        "root_mean_squared_error": float(metrics.root_mean_squared_error(labels, predicted)),
        "r2": float(metrics.r2_score(labels, predicted)),
        "test_images": float(len(labels)),
    }


def _of_several(labels: NDArray[np.int64], predicted: NDArray[np.int64]) -> dict[str, Value]:
    """Score labels that each row has or lacks, (n, k)."""
    from sklearn import metrics

    if labels.shape != predicted.shape:
        raise ValueError(
            f"labels of shape {labels.shape} and predictions of shape {predicted.shape} do not pair up"
        )
    right, n = int((labels == predicted).all(axis=1).sum()), len(labels)
    scored: dict[str, Value] = {
        "accuracy": right / n,
        "accuracy_interval": list(wilson(right, n)),
        "correct": float(right),
        "errors": float(n - right),
        "test_images": float(n),
        "support_per_class": labels.sum(axis=0).tolist(),
        "hamming_loss": float((labels != predicted).mean()),
    }
    for form in ("per_class", "macro", "weighted"):
        average = None if form == "per_class" else form
        found = metrics.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        for score, value in zip(("precision", "recall", "f1"), found[:3], strict=True):
            scored[f"{score}_{form}"] = np.asarray(value, np.float64).tolist()
    return scored


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


def _parts(predictions: Mapping[str, NDArray[typing.Any]], name: str) -> dict[str, NDArray[typing.Any]]:
    parts = ("labels", "predicted", "probabilities")
    return {part: predictions[f"{name}/{part}"] for part in parts if f"{name}/{part}" in predictions}


def of_run(
    predictions: Mapping[str, NDArray[typing.Any]], names: tuple[str, ...], noun: str = "images"
) -> dict[str, Measured]:
    """Score every prediction set of a run.

    The set ``test`` gives plain names, any other `SIDE_SCORES` as ``<set>.accuracy``.

    Parameters
    ----------
    predictions : mapping
        Arrays by ``<set>/labels``, ``<set>/predicted``, ``<set>/probabilities``.
    names : tuple of str
        Names of the sets.
    noun : str
        What a row is called: the unit of counts of rows.
    """
    scored: dict[str, Measured] = {}
    for name in names:
        of_set = of_predictions(_parts(predictions, name))
        if name == "test":
            scored |= of_set
        else:
            scored |= {f"{name}.{metric}": of_set[metric] for metric in SIDE_SCORES if metric in of_set}
    return {
        name: dataclasses.replace(one, unit=noun) if one.unit == "images" else one
        for name, one in scored.items()
    }


def refuse_unknown(scenario: Scenario) -> None:
    """Refuse scores of a scenario that scikit-learn does not have; it is imported only if there is one.

    Raises
    ------
    UnknownNameError
        With the nearest name.
    """
    named = [metric.score for metric in scenario.metrics if metric.score and isinstance(metric.score, str)]
    if named:
        from sklearn.metrics import get_scorer_names

        known = [*get_scorer_names(), *(name.removeprefix("neg_") for name in get_scorer_names())]
        for score in named:
            if score not in known:
                raise unknown("score of scikit-learn", score, known)


def declared(
    scenario: Scenario, predictions: Mapping[str, NDArray[typing.Any]], names: Collection[str]
) -> dict[str, Measured]:
    """Compute what a scenario declares with `Metric.score`, from the predictions that a run stored.

    Parameters
    ----------
    scenario : Scenario
        Its metrics.
    predictions, names
        As `of_run` takes them.

    Raises
    ------
    ValueError
        If a score needs a set that the run did not store, does not fit what the set holds, fails, or gives no finite number.
    """
    found = {}
    for metric in scenario.metrics:
        if metric.score:
            name = metric.name.rpartition(".")[0] or "test"
            if name not in names:
                raise ValueError(
                    f"score '{metric.name}' is of prediction set '{name}', which the run did not store"
                )
            stored = _parts(predictions, name)
            found[metric.name] = Measured.of(metric, _declared(metric, stored, name))
    return found


def _declared(metric: Metric, stored: Mapping[str, NDArray[typing.Any]], name: str) -> float:
    held, what = sort(stored), f"score '{metric.name}'"
    if isinstance(metric.score, str):
        if of_values(metric.score) != (held == "real values"):
            fits = "real values" if of_values(metric.score) else "classes or labels"
            raise ValueError(f"{what} is of {fits}, and set '{name}' holds {held}")
        compute = _by_scikit_learn
    else:
        compute = _by_function
    try:
        value = float(compute(metric, stored))
    except Exception as error:
        lacks = ": the set has no probabilities" if "probabilities" not in stored else ""
        raise ValueError(f"{what} of set '{name}' ({held}) failed: {error!r}{lacks}") from error
    if not finite(value):
        raise ValueError(f"{what} of set '{name}' is {value}")
    return value


def _by_function(metric: Metric, stored: Mapping[str, NDArray[typing.Any]]) -> float:
    function = typing.cast("typing.Callable[..., float]", metric.score)
    wanted = ["labels", "predicted"]
    if "probabilities" in inspect.signature(function).parameters:
        wanted.append("probabilities")
    return function(*(stored[part].copy() for part in wanted))


def _by_scikit_learn(metric: Metric, stored: Mapping[str, NDArray[typing.Any]]) -> float:
    """Call a scorer of scikit-learn on an estimator that predicts what is stored."""
    from sklearn import base
    from sklearn.metrics import get_scorer, get_scorer_names

    score, labels, predicted = str(metric.score), stored["labels"], stored["predicted"]
    scorer = get_scorer(score if score in get_scorer_names() else f"neg_{score}")
    sign = 1 if score in get_scorer_names() else -1

    class Regressor(base.RegressorMixin, base.BaseEstimator):  # type: ignore[misc]
        def predict(self, _: None) -> Floats:
            return predicted

    class Classifier(base.ClassifierMixin, base.BaseEstimator):  # type: ignore[misc]
        def predict(self, _: None) -> Integers:
            return predicted

    class WithProbabilities(Classifier):
        def predict_proba(self, _: None) -> Floats:
            return stored["probabilities"].astype(np.float64)

    if sort(stored) == "real values":
        return sign * float(scorer(Regressor(), None, labels))
    estimator = WithProbabilities() if "probabilities" in stored else Classifier()
    columns = stored["probabilities"].shape[1] if "probabilities" in stored else 2
    most = int(max(labels.max(), predicted.max())) + 1
    estimator.classes_ = (
        [np.arange(2)] * labels.shape[1] if labels.ndim == 2 else np.arange(max(columns, most))
    )
    return sign * float(scorer(estimator, None, labels))


def refuse_misfits(gated: Iterable[str], scored: Collection[str], others: Collection[str]) -> None:
    """Refuse a gated score of the harness that a set of real values or several labels does not give.

    Raises
    ------
    ValueError
        With the scores that the set gives.
    """
    own = {score.name for score in SCORES}
    for metric in gated:
        name, _, score = metric.rpartition(".")
        if score in own and (name or "test") in others and metric not in scored:
            having = ", ".join(one for one in scored if one.rpartition(".")[0] == name)
            raise ValueError(f"set '{name or 'test'}' gives no gated '{metric}'. Gate one of: {having}")


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
