"""A whole scenario in one call: from an estimator, a torch module, a Keras model, or a function that predicts; docs/tutorial.md."""

from __future__ import annotations

import copy
import typing

import numpy as np

from harness.errors import ScenarioError
from harness.records import Metric, Scenario, Source, Variant

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    import torch
    from numpy.typing import ArrayLike, NDArray

    from harness.measure.run import Run

    Array = NDArray[typing.Any]
    Data = tuple[ArrayLike, ArrayLike] | Callable[[], tuple[ArrayLike, ArrayLike]]

MEMORY = "total.above_imports_bytes"
GATED = ("accuracy", MEMORY)
"""Metrics that a wrapped scenario gates unless it names others, or scores."""
GATED_VALUES = ("mean_absolute_error", MEMORY)
"""The same of a regressor."""
BATCH = 1024
"""Rows of one batch of a torch prediction."""
Outputs = typing.Literal["logits", "probabilities"]
"""What a network puts out for each class."""


class Split(typing.NamedTuple):
    """Rows for training and the others for testing; a new split for each seed."""

    train: typing.Any
    """Rows to train on, (n, ...)."""
    train_labels: Array
    """Their classes, int64 (n,), from 0; labels that each row has or lacks, (n, k); or real values, float64."""
    test: typing.Any
    """Rows to predict, (m, ...)."""
    test_labels: Array
    """The same of these."""
    classes: Array | None
    """What each class is called in y, sorted; None where labels are no classes."""


def sklearn_scenario(
    name: str, estimator: typing.Any, data: Data, *, test_size: float = 0.25, version: int = 1,  # noqa: ANN401 - duck-typed
    gated: Sequence[str] | None = None, scores: Sequence[str | Metric] = (),
) -> Scenario:  # fmt: skip
    """Declare a scenario that trains a classifier or regressor of scikit-learn, or a pipeline that ends in one, and predicts what it did not see.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores.
    estimator : estimator
        Unfitted or fitted: each run trains a clone. A ``random_state`` of None is set to the run's seed.
    data : (X, y), or a function that returns them
        Rows (n, ...) and their classes (n,), numbers or texts, at most 256; several labels a row, 0 or 1, (n, k); or for a regressor real
        values, (n,) or (n, k). A function is called within the run.
    test_size : float
        Share of the rows that is predicted; which ones depends on the seed, and each class has its share.
    version : int
        Raise it whenever measured values may change by design.
    gated : sequence of str, optional
        Metrics that a gate judges; else `scores`, without them accuracy or the mean absolute error, and peak memory.
    scores : sequence of str or Metric
        Scores to compute: names of scikit-learn, such as ``balanced_accuracy``, or metrics with a `Metric.score`.

    Raises
    ------
    ScenarioError
        If the estimator is a class, or cannot predict.
    """
    if isinstance(estimator, type):
        raise ScenarioError(
            f"scenario '{name}' got the class {estimator.__name__}",
            f"Give an instance: {estimator.__name__}()",
        )
    kind = type(estimator).__name__
    if not all(hasattr(estimator, needed) for needed in ("fit", "predict")):
        step = f"Put it before a classifier: make_pipeline({kind}(), ...)"
        raise ScenarioError(f"scenario '{name}' got {kind}, which has no predict: it is a transformer", step)
    from sklearn.base import is_regressor

    real = hasattr(estimator, "__sklearn_tags__") and is_regressor(estimator)

    def measure(run: Run) -> None:
        from sklearn.base import clone

        split = _split(data, run.seed, test_size, real=real)
        model = clone(estimator)
        free = {
            key for key, value in model.get_params().items() if key.endswith("random_state") and value is None
        }
        model.set_params(**dict.fromkeys(free, run.seed))
        with run.stage("train", images=len(split.train_labels)):
            model.fit(
                split.train,
                split.train_labels if split.classes is None else split.classes[split.train_labels],
            )
        probabilities = None
        with run.stage("predict", images=len(split.test_labels)):
            predicted = model.predict(split.test)
            if hasattr(model, "predict_proba"):
                probabilities = model.predict_proba(split.test)
        if split.classes is None:
            if isinstance(
                probabilities, list
            ):  # of each label an array, with a column for each value it had in training
                columns = [
                    each[:, list(seen).index(1)] if 1 in seen else np.zeros(len(each))
                    for each, seen in zip(probabilities, model.classes_, strict=True)
                ]
                probabilities = np.column_stack(columns)
            _store(run, split.test_labels, predicted, probabilities)
            return
        if probabilities is not None:
            # a class that no training row has is given no probability
            whole = np.zeros((len(split.test_labels), len(split.classes)))
            whole[:, np.searchsorted(split.classes, model.classes_)] = probabilities
            probabilities = whole
        _store(run, split.test_labels, _codes(predicted, split.classes), probabilities)

    return _scenario(name, measure, version, gated, scores, usual=GATED_VALUES if real else GATED)


def torch_scenario(
    name: str, module: Callable[[], torch.nn.Module], train: Callable[..., None], data: Data, *, outputs: Outputs = "logits",
    test_size: float = 0.25, version: int = 1, gated: Sequence[str] = GATED,
) -> Scenario:  # fmt: skip
    """Declare a scenario that makes a torch module, trains it with a function of yours, and predicts what it did not see.

    Parameters
    ----------
    name, data, test_size, version, gated
        See `sklearn_scenario`.
    module : callable
        Makes the untrained module, such as its class; torch is seeded before.
    train : callable
        ``train(module, X, y)`` trains in place: X float32 (n, ...), y int64 (n,) from 0, module and both on the run's device.
    outputs : str
        What the module returns for X (n, ...): ``logits`` (log-probabilities too) or ``probabilities``, (n, classes).

    Raises
    ------
    ScenarioError
        If `module` is a module: its weights would be those of one seed.
    """
    if not isinstance(module, type) and hasattr(module, "state_dict"):
        step = f"Give what makes one: {type(module).__name__}, or a function"
        raise ScenarioError(f"scenario '{name}' got a module that exists already", step)

    def measure(run: Run) -> None:
        import torch

        split = _split(data, run.seed, test_size)
        torch.manual_seed(run.seed)
        model = module().to(run.device)
        with run.stage("train", images=len(split.train_labels)):
            rows = torch.as_tensor(np.asarray(split.train), dtype=torch.float32, device=run.device)
            train(model, rows, torch.as_tensor(split.train_labels, device=run.device))
        model.eval()
        with run.stage("predict", images=len(split.test_labels)), torch.no_grad():
            rows = torch.as_tensor(np.asarray(split.test), dtype=torch.float32)
            batches = [model(batch.to(run.device)).cpu() for batch in rows.split(BATCH)]
            scores = torch.cat(batches).to(torch.float64).numpy()  # (n, classes)
        weights = [value.detach().cpu().numpy() for value in model.state_dict().values()]
        _store_scores(run, split, scores, outputs, weights)

    return _scenario(
        name, measure, version, gated, needs=("torch",), backends=("torch",), devices=("cpu", "cuda")
    )


def keras_scenario(
    name: str, model: Callable[[], keras.Model], data: Data, *, outputs: Outputs = "probabilities", test_size: float = 0.25,
    version: int = 1, gated: Sequence[str] = GATED, **fit: typing.Any,  # noqa: ANN401 - Keras's own arguments
) -> Scenario:  # fmt: skip
    """Declare a scenario that makes a compiled Keras model, fits it, and predicts what it did not see.

    Parameters
    ----------
    name, data, test_size, version, gated
        See `sklearn_scenario`; the model gets classes from 0, as sparse losses take them.
    model : callable
        Makes the compiled model; every generator of Keras is seeded before. It imports Keras within itself.
    outputs : str
        What the model returns: ``probabilities`` or ``logits``, (n, classes).
    **fit
        Arguments of ``model.fit``, such as ``epochs=3, batch_size=64``.

    Raises
    ------
    ScenarioError
        If `model` is a model: its weights would be those of one seed.
    """
    if not isinstance(model, type) and hasattr(model, "get_weights"):
        raise ScenarioError(
            f"scenario '{name}' got a model that exists already", "Give a function that makes one"
        )

    def measure(run: Run) -> None:
        import keras

        split = _split(data, run.seed, test_size)
        keras.utils.set_random_seed(run.seed)
        made = model()
        with run.stage("train", images=len(split.train_labels)):
            made.fit(split.train, split.train_labels, **{"verbose": 0, **copy.deepcopy(fit)})
        with run.stage("predict", images=len(split.test_labels)):
            scores = np.asarray(made.predict(split.test, verbose=0), np.float64)  # (n, classes)
        _store_scores(run, split, scores, outputs, made.get_weights())

    return _scenario(
        name, measure, version, gated, needs=("keras",), backends=_keras_backends(), devices=("cpu", "cuda")
    )


def predictions_scenario(
    name: str, predict: Callable[[int], Sequence[ArrayLike]], *, deterministic: bool = False, version: int = 1,
    gated: Sequence[str] | None = None, scores: Sequence[str | Metric] = (),
) -> Scenario:  # fmt: skip
    """Declare a scenario from a function that returns labels and predictions; what it does is one stage, ``predict``.

    Parameters
    ----------
    name, version, gated, scores
        See `sklearn_scenario`; accuracy is gated without them, also where the function returns no classes.
    predict : callable
        ``predict(seed)`` returns labels and predictions of the same rows, in the same order: classes (n,), numbers or texts; labels that a
        row has or lacks, 0 or 1, (n, k); or real values, (n,) or (n, k). A third array, probabilities of the labels' sorted classes, (n, classes),
        or of each label, (n, k), gives the loss.
    deterministic : bool
        Whether the seed changes nothing.
    """

    def measure(run: Run) -> None:
        with run.stage("predict") as stage:
            result = tuple(predict(run.seed))
            if len(result) not in {2, 3}:
                raise ValueError(
                    f"the function returned {len(result)} arrays, not labels, predictions and, if it has any, probabilities"
                )
            labels, predicted = np.asarray(result[0]), np.asarray(result[1])
            stage.images = len(labels)
        probabilities = result[2] if result[2:] else None
        real = labels.dtype.kind == "f" and not (_whole(labels) and _whole(predicted))
        if labels.ndim == 2 or real:
            _store(run, labels, predicted, probabilities)
            return
        classes = _classes(labels)
        _store(run, _codes(labels, classes), _codes(predicted, classes), probabilities)

    return _scenario(name, measure, version, gated, scores, deterministic=deterministic)


def _scenario(
    name: str, measure: Callable[[Run], None], version: int, gated: Sequence[str] | None,
    scores: Sequence[str | Metric] = (), usual: Sequence[str] = GATED, **rest: typing.Any,  # noqa: ANN401 - fields of a scenario
) -> Scenario:  # fmt: skip
    names = [one.name if isinstance(one, Metric) else one for one in scores]
    if gated is None:
        gated = (*names, MEMORY) if names else usual
    return Scenario(
        name=name, version=version, source=Source(slug=name, title=name), measure=measure, variants=(Variant(name="default"),),
        tiers={"smoke": {}}, gated=tuple(gated), noun="rows", scores=tuple(one for one in scores if not isinstance(one, Metric)),
        metrics=tuple(one for one in scores if isinstance(one, Metric)), **rest,
    )  # fmt: skip


def _keras_backends() -> tuple[str, ...]:
    """Return Keras's backends, those that are installed first: the first is a scenario's default."""
    from importlib.util import find_spec

    names = ("tensorflow", "torch", "jax")
    return tuple(sorted(names, key=lambda name: find_spec(name) is None))


def _split(data: Data, seed: int, test_size: float, *, real: bool = False) -> Split:
    """Load the rows and split them by the seed, each class in the same proportion; y is real values, or several labels a row if it has columns.

    Raises
    ------
    ValueError
        If X and y do not pair up, there are too few rows, y holds no classes, or a class has a single row.
    """
    loaded = data() if callable(data) else data
    if len(loaded) != 2:
        raise ValueError(f"the data are {len(loaded)} things, not X and y")
    rows, names = loaded[0], np.asarray(loaded[1])
    if not hasattr(rows, "shape"):
        rows = np.asarray(rows)
    if rows.shape[0] != len(names):
        raise ValueError(f"X has {rows.shape[0]} rows and y has {len(names)}: they must pair up")
    order = np.random.default_rng(seed).permutation(len(names))
    if real or (names.ndim == 2 and names.dtype.kind in "iub"):
        count = min(max(2, round(test_size * len(names))), len(names) - 1)
        if count < 2:
            raise ValueError(f"there are {len(names)} rows: two to test on and one to train on are needed")
        labels = names.astype(np.float64) if real else names
        train, test = order[count:], np.sort(order[:count])
        return Split(_take(rows, train), labels[train], _take(rows, test), labels[test], None)
    classes = _classes(names)
    labels = _codes(names, classes)
    testing = np.zeros(len(labels), bool)
    for code in np.unique(labels):
        own = order[labels[order] == code]
        if len(own) < 2:
            raise ValueError(f"class {classes[code]} has one row: training and testing need one")
        testing[own[: min(max(1, round(test_size * len(own))), len(own) - 1)]] = True
    train, test = order[~testing[order]], np.flatnonzero(testing)
    return Split(_take(rows, train), labels[train], _take(rows, test), labels[test], classes)


def _take(rows: typing.Any, chosen: Array) -> typing.Any:  # noqa: ANN401 - whatever an estimator takes
    """Return some rows of an array, a data frame (which stays one), or a sparse matrix."""
    if hasattr(rows, "iloc"):
        return rows.iloc[chosen]
    return (rows.tocsr() if hasattr(rows, "tocsr") else np.asarray(rows))[chosen]


def _classes(labels: Array) -> Array:
    """Return what each class is called, sorted: integers from 0 stay what they are.

    Raises
    ------
    ValueError
        If the labels are not one class a row.
    """
    if labels.ndim != 1 or not labels.size:
        raise ValueError(f"labels have shape {labels.shape}: one class a row is needed")
    if not _whole(labels):
        raise ValueError("labels are real values, not classes")
    names = np.unique(labels)
    plain = names.dtype.kind in "iu" and names[0] >= 0 and names[-1] <= 255  # as `Run.predictions` takes them
    return np.arange(int(names[-1]) + 1) if plain else names


def _whole(values: Array) -> bool:
    """Whether values are no real ones: texts, integers, or whole floating numbers."""
    return values.dtype.kind in "iubUSO" or bool(
        np.all(np.isfinite(values)) and np.all(values == np.floor(values))
    )


def _codes(names: ArrayLike, classes: Array) -> Array:
    """Return the position of each name among the sorted classes, int64 (n,).

    Raises
    ------
    ValueError
        If one is no class.
    """
    values = np.asarray(names)
    known = np.isin(values, classes)
    if not known.all():
        raise ValueError(f"predictions must be classes of the labels, and {values[~known][0]!r} is none")
    return np.searchsorted(classes, values).astype(np.int64)


def _store_scores(
    run: Run, split: Split, scores: Array, outputs: Outputs, weights: Sequence[ArrayLike]
) -> None:
    """Store what a network puts out for each class.

    Raises
    ------
    ValueError
        If the shape is not (n, classes) with a column for every class.
    """
    columns = split.test_labels.shape[1] if split.classes is None else len(split.classes)
    if scores.ndim != 2 or len(scores) != len(split.test_labels) or scores.shape[1] < columns:
        told = f"({len(split.test_labels)}, {columns}): a score for each class"
        raise ValueError(f"outputs have shape {scores.shape}, not {told}")
    if split.classes is None:  # several labels a row, each with a probability of its own
        _store(
            run,
            split.test_labels,
            scores if outputs == "probabilities" else 1 / (1 + np.exp(-scores)),
            None,
            weights,
        )
        return
    if outputs == "logits":
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    _store(run, split.test_labels, scores.argmax(axis=1), scores, weights)


def _store(
    run: Run,
    labels: Array,
    predicted: ArrayLike,
    probabilities: ArrayLike | None,
    weights: Sequence[ArrayLike] | None = None,
) -> None:
    """Store predictions; unlike `Run.predictions` refuse probabilities that are not finite: nobody has looked at this training."""
    if probabilities is not None and not np.isfinite(np.asarray(probabilities)).all():
        raise ValueError("probabilities hold NaN or infinity: the training diverged")
    run.predictions(labels, predicted, probabilities=probabilities, weights=weights)
