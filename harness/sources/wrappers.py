"""A whole scenario in one call: from an estimator, a torch module, a Keras model, or a function that predicts; docs/tutorial.md."""

from __future__ import annotations

import copy
import typing

import numpy as np

from harness.errors import ScenarioError
from harness.records import Scenario, Source, Variant

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras
    import torch
    from numpy.typing import ArrayLike, NDArray

    from harness.measure.run import Run

    Array = NDArray[typing.Any]
    Data = tuple[ArrayLike, ArrayLike] | Callable[[], tuple[ArrayLike, ArrayLike]]

GATED = ("accuracy", "total.above_imports_bytes")
"""Metrics that a wrapped scenario gates unless it names others."""
BATCH = 1024
"""Rows of one batch of a torch prediction."""
Outputs = typing.Literal["logits", "probabilities"]
"""What a network puts out for each class."""


class Split(typing.NamedTuple):
    """Rows for training and the others for testing; a new split for each seed."""

    train: typing.Any
    """Rows to train on, (n, ...)."""
    train_labels: Array
    """Their classes, int64 (n,), from 0."""
    test: typing.Any
    """Rows to predict, (m, ...)."""
    test_labels: Array
    """Their classes, int64 (m,)."""
    classes: Array
    """What each class is called in y, sorted."""


def sklearn_scenario(
    name: str, estimator: typing.Any, data: Data, *, test_size: float = 0.25, version: int = 1,  # noqa: ANN401 - duck-typed
    gated: Sequence[str] = GATED,
) -> Scenario:  # fmt: skip
    """Declare a scenario that trains a scikit-learn classifier, or a pipeline that ends in one, and predicts what it did not see.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and underscores.
    estimator : estimator
        Unfitted or fitted: each run trains a clone. A ``random_state`` of None is set to the run's seed.
    data : (X, y), or a function that returns them
        Rows (n, ...) and their classes (n,), numbers or texts; at most 256 classes. A function is called within the run.
    test_size : float
        Share of the rows that is predicted; which ones depends on the seed, and each class has its share.
    version : int
        Raise it whenever measured values may change by design.
    gated : sequence of str
        Metrics that a gate judges.

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

    def measure(run: Run) -> None:
        from sklearn.base import clone

        split = _split(data, run.seed, test_size)
        model = clone(estimator)
        free = {
            key for key, value in model.get_params().items() if key.endswith("random_state") and value is None
        }
        model.set_params(**dict.fromkeys(free, run.seed))
        with run.stage("train", images=len(split.train_labels)):
            model.fit(split.train, split.classes[split.train_labels])
        probabilities = None
        with run.stage("predict", images=len(split.test_labels)):
            predicted = model.predict(split.test)
            if hasattr(model, "predict_proba"):
                probabilities = model.predict_proba(split.test)
        if probabilities is not None:
            # a class that no training row has is given no probability
            whole = np.zeros((len(split.test_labels), len(split.classes)))
            whole[:, np.searchsorted(split.classes, model.classes_)] = probabilities
            probabilities = whole
        _store(run, split.test_labels, _codes(predicted, split.classes), probabilities)

    return _scenario(name, measure, version, gated)


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
    gated: Sequence[str] = GATED,
) -> Scenario:  # fmt: skip
    """Declare a scenario from a function that returns labels and predictions; what it does is one stage, ``predict``.

    Parameters
    ----------
    name, version, gated
        See `sklearn_scenario`.
    predict : callable
        ``predict(seed)`` returns labels and predictions of the same rows, in the same order: (n,) each, numbers or texts. A third array,
        probabilities (n, classes) of the labels' sorted classes, gives the loss.
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
            labels = np.asarray(result[0])
            stage.images = len(labels)
        classes = _classes(labels)
        _store(run, _codes(labels, classes), _codes(result[1], classes), result[2] if result[2:] else None)

    return _scenario(name, measure, version, gated, deterministic=deterministic)


def _scenario(
    name: str, measure: Callable[[Run], None], version: int, gated: Sequence[str], **rest: typing.Any  # noqa: ANN401 - fields of a scenario
) -> Scenario:  # fmt: skip
    return Scenario(
        name=name, version=version, source=Source(slug=name, title=name), measure=measure, variants=(Variant(name="default"),),
        tiers={"smoke": {}}, gated=tuple(gated), **rest,
    )  # fmt: skip


def _keras_backends() -> tuple[str, ...]:
    """Return Keras's backends, those that are installed first: the first is a scenario's default."""
    from importlib.util import find_spec

    names = ("tensorflow", "torch", "jax")
    return tuple(sorted(names, key=lambda name: find_spec(name) is None))


def _split(data: Data, seed: int, test_size: float) -> Split:
    """Load the rows and split them by the seed, each class in the same proportion.

    Raises
    ------
    ValueError
        If X and y do not pair up, y holds no classes, or a class has a single row.
    """
    loaded = data() if callable(data) else data
    if len(loaded) != 2:
        raise ValueError(f"the data are {len(loaded)} things, not X and y")
    rows, names = loaded[0], np.asarray(loaded[1])
    if not hasattr(rows, "shape"):
        rows = np.asarray(rows)
    if rows.shape[0] != len(names):
        raise ValueError(f"X has {rows.shape[0]} rows and y has {len(names)}: they must pair up")
    classes = _classes(names)
    labels = _codes(names, classes)
    order = np.random.default_rng(seed).permutation(len(labels))
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
    whole = labels.dtype.kind in "iubUSO" or bool(
        np.all(np.isfinite(labels)) and np.all(labels == np.floor(labels))
    )
    if not whole:
        raise ValueError("labels are real values, not classes")
    names = np.unique(labels)
    plain = names.dtype.kind in "iu" and names[0] >= 0 and names[-1] <= 255  # as `Run.predictions` takes them
    return np.arange(int(names[-1]) + 1) if plain else names


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
    if scores.ndim != 2 or len(scores) != len(split.test_labels) or scores.shape[1] < len(split.classes):
        raise ValueError(
            f"outputs have shape {scores.shape}, not ({len(split.test_labels)}, {len(split.classes)}): a score for each class"
        )
    if outputs == "logits":
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
    _store(run, split.test_labels, scores.argmax(axis=1), scores, weights)


def _store(
    run: Run,
    labels: Array,
    predicted: Array,
    probabilities: ArrayLike | None,
    weights: Sequence[ArrayLike] | None = None,
) -> None:
    """Store predictions; unlike `Run.predictions` refuse probabilities that are not finite: nobody has looked at this training."""
    if probabilities is not None and not np.isfinite(np.asarray(probabilities)).all():
        raise ValueError("probabilities hold NaN or infinity: the training diverged")
    run.predictions(labels, predicted, probabilities=probabilities, weights=weights)
