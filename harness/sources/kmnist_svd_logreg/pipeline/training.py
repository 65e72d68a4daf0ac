"""Logistic regression by mini-batch SGD: folds and learning rates as columns of one product (README.md)."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from .arrays import Array, like, namespace, to_numpy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .folds import Ints, Schedule

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]

LANES = 8
"""Columns are padded to a multiple of this: BLAS kernels run 25% faster on 32 columns than on 30."""


class Curves(NamedTuple):
    """Loss per epoch of one learning rate, averaged over the folds that recorded it; NaN where none did."""

    training: Floats
    """(epochs,), nats per image."""
    validation: Floats
    """(epochs,), nats per image."""


@dataclass(frozen=True, slots=True)
class Training:
    """Every model of one training: learning rates x folds.

    An epoch is *recorded* when a fold keeps it. With stopping ``'rise'`` the epoch whose validation loss rose
    is run but not recorded, and its weights are thrown away, as in the authors' code.
    """

    learning_rates: tuple[float, ...]
    """In the order of the first axis below."""
    weights: Array
    """After the last recorded epoch, bias first, (learning rates, folds, 785), library and dtype of the
    design."""
    training_loss: Floats
    """Mean over the epoch's mini-batches of their mean cross-entropy, each just before its step (just after
    it in the authors' code), (learning rates, folds, epochs), nats per image, NaN where not recorded."""
    validation_loss: Floats
    """Mean cross-entropy over the fold's validation images, same shape."""
    validation_accuracy: Floats
    """Fraction right of the fold's validation images, same shape."""
    epochs_run: np.ndarray[Any, np.dtype[np.int64]]
    """Epochs each model was trained, the rejected one included, (learning rates, folds)."""
    steps: int
    """Optimiser steps per epoch of one model."""
    first_losses: Floats
    """Mean cross-entropy of each mini-batch of the first epoch, just before its step, (learning rates, folds, steps)."""

    def best_fold(self, rate: int = 0) -> int:
        """Return the fold with the lowest validation loss, averaged over its recorded epochs."""
        return int(np.argmin(np.nanmean(self.validation_loss[rate], axis=1)))

    def best_weights(self, rate: int = 0) -> Array:
        """Return the weights that the source tests, (785,)."""
        return self.weights[rate, self.best_fold(rate), :]

    def printed_validation_accuracy(self, rate: int = 0) -> float:
        """Return what Tables 1 and 2 print: the minimum over folds of the mean over recorded epochs."""
        return float(np.nanmean(self.validation_accuracy[rate], axis=1).min())

    def curves(self, rate: int = 0) -> Curves:
        """Average both losses over the folds that recorded each epoch, as figures 3 and 4 do."""
        with warnings.catch_warnings():
            # an epoch that no fold recorded is NaN by definition; NumPy warns about the empty mean
            warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
            training = np.nanmean(self.training_loss[rate], axis=0)
            return Curves(training, np.nanmean(self.validation_loss[rate], axis=0))


@dataclass(slots=True)
class _Columns:
    """The models still running, side by side; a padded column has learning rate 0 and stays at zero."""

    half: Array
    """Half the weights, (785, columns): sigmoid(z) = (1 + tanh(z / 2)) / 2 then needs no halving."""
    model: Ints
    """Model number ``rate * folds + fold`` of each live column, (live,)."""
    fold: Ints
    """Fold of every column, (columns,)."""
    rate: Floats
    """Learning rate of every column, (columns,)."""

    @property
    def live(self) -> int:
        return len(self.model)


@dataclass(frozen=True, slots=True)
class _Task:
    """What does not change during a training."""

    design: Array
    """(n, 785), part by part."""
    sign: Array
    """1 - 2 target, (n,)."""
    schedule: Schedule
    rates: tuple[float, ...]


def train(
    design: Array,
    targets: Array,
    schedule: Schedule,
    learning_rates: Sequence[float],
    *,
    epochs: int = 100,
    stopping: str = "rise",
    blas_threads: int | None = 1,
) -> Training:
    """Train every fold at every learning rate together (source, section 4, equations 2 to 6).

    Each model is what a loop over its own mini-batches would give: weights start at zero, the gradient is
    averaged over the mini-batch, every fold sees only its own training images in the schedule's order
    (`plain.train_plain` is that loop). A model that stops leaves the products.

    Parameters
    ----------
    design : array, (n, 785), float32 or float64
        Bias column first; its library, device and dtype are those of the training.
    targets : array, (n,)
        0 or 1.
    schedule : Schedule
        Folds, mini-batch size and order.
    learning_rates : sequence of float
        Trained side by side on the same orders.
    epochs : int
        At most this many.
    stopping : {'rise', 'fixed'}
        ``'rise'``: a model stops when its validation loss is above that of the epoch before and falls back to
        the weights before (authors' code). ``'fixed'``: all epochs (text, section 6).
    blas_threads : int, optional
        Threads of NumPy's BLAS meanwhile; None leaves them as they are, and so does an array that is not
        NumPy's. The products are small: on an idle machine a second thread gains little; on a busy one its
        spinning made a training 9 to 60 times slower.

    Raises
    ------
    ValueError
        Lengths that do not fit, targets other than 0 and 1, no learning rate or one that is not positive, no
        epoch, unknown stopping.
    """
    host = to_numpy(targets)
    check_request(design.shape[0], host, schedule.split.size, learning_rates, epochs, stopping)
    task = _task(design, host, schedule, tuple(learning_rates))
    with _blas_limit(design, blas_threads):
        return _run(task, epochs, stopping)


def check_request(
    rows: int,
    targets: np.ndarray[Any, Any],
    size: int,
    learning_rates: Sequence[float],
    epochs: int,
    stopping: str,
) -> None:
    """Refuse what cannot be trained, naming it."""
    if not rows == len(targets) == size:
        raise ValueError(
            f"{rows} design rows, {len(targets)} targets and a split of {size} images do not fit together."
        )
    if not np.isin(targets, (0, 1)).all():
        raise ValueError(
            f"Targets must be 0 or 1, not {np.unique(targets)[:5].tolist()}; use select_pair first."
        )
    if not learning_rates or min(learning_rates) <= 0:
        raise ValueError(f"Training needs learning rates above zero, not {tuple(learning_rates)}.")
    if epochs < 1:
        raise ValueError(f"Training needs at least one epoch, not {epochs}.")
    if stopping not in {"rise", "fixed"}:
        raise ValueError(
            f"Unknown stopping '{stopping}'; choose 'rise' (the authors' code) or 'fixed' (the text)."
        )


def _blas_limit(design: Array, threads: int | None) -> AbstractContextManager[object]:
    """Limit NumPy's BLAS while the products are small; do nothing for other libraries."""
    if threads is None or not isinstance(design, np.ndarray):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limit: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limit


def _run(task: _Task, epochs: int, stopping: str) -> Training:
    """Epoch by epoch: step, measure, record, drop what stopped."""
    xp, folds = namespace(task.design), task.schedule.split.folds
    models, inputs = len(task.rates) * folds, task.design.shape[1]
    columns = _padded(_zeros(task.design, inputs, models), np.arange(models), task)
    weights, values = _zeros(task.design, models, inputs), np.full((3, models, epochs), np.nan)
    run, first_losses = np.zeros(models, dtype=np.int64), np.empty((models, 0))
    for epoch in range(epochs):
        before = columns.half
        columns.half, losses = _descend(task, columns, epoch)  # (steps, live)
        if epoch == 0:
            first_losses = losses.T
        measured = np.stack([losses.mean(axis=0), *_validate(task, columns)])  # (3, live)
        run[columns.model] = epoch + 1
        rose = measured[1] > values[1, columns.model, epoch - 1] if stopping == "rise" and epoch else False
        stopped = np.zeros(columns.live, dtype=bool) | rose
        # a stopping model's epoch is not recorded
        values[:, columns.model[~stopped], epoch] = measured[:, ~stopped]
        for chosen, half in ((stopped, before), (~stopped & (epoch == epochs - 1), columns.half)):
            live = np.nonzero(chosen)[0]
            if live.size:
                weights[like(columns.model[live], half)] = 2 * xp.take(half, like(live, half), axis=1).T
        if stopped.all():
            break
        if stopped.any():
            live = np.nonzero(~stopped)[0]
            kept = xp.take(columns.half, like(live, columns.half), axis=1)  # (785, live)
            columns = _padded(kept, columns.model[live], task)
    rates = len(task.rates)
    loss, validation_loss, accuracy = values.reshape(3, rates, folds, -1)
    weights, first = xp.reshape(weights, (rates, folds, -1)), first_losses.reshape(rates, folds, -1)
    epochs_run, steps = run.reshape(rates, folds), task.schedule.steps
    return Training(task.rates, weights, loss, validation_loss, accuracy, epochs_run, steps, first)


def _task(
    design: Array, targets: np.ndarray[Any, Any], schedule: Schedule, rates: tuple[float, ...]
) -> _Task:
    """Lay the images out part by part, so that a fold's validation set is one slice."""
    xp = namespace(design)
    rows = schedule.split.rows
    sign = like(1.0 - 2.0 * targets[rows].astype(np.float64), design)
    return _Task(xp.take(design, like(rows, design), axis=0), xp.astype(sign, design.dtype), schedule, rates)


def _zeros(design: Array, *shape: int) -> Array:
    return namespace(design).zeros(shape, dtype=design.dtype, device=design.device)


def _padded(half: Array, model: Ints, task: _Task) -> _Columns:
    """Round the number of columns up to whole lanes; the added ones have rate 0 and zero weights."""
    empty, folds = -len(model) % LANES, task.schedule.split.folds
    wide = namespace(half).concat([half, _zeros(half, half.shape[0], empty)], axis=1)  # (785, columns)
    rate = np.asarray(task.rates)[model // folds]
    return _Columns(wide, model, np.pad(model % folds, (0, empty)), np.pad(rate, (0, empty)))


def _descend(task: _Task, columns: _Columns, epoch: int) -> tuple[Array, Floats]:
    """Walk one epoch's mini-batches; return the new half weights and every step's loss of live columns, (steps, live).

    With q = tanh(z / 2) the error of the sigmoid is (q + 1 - 2 t) / 2, so the step of half the weights is
    x^T ((q + sign) * rate / (4 size)), with zero for rows that a fold does not train on.
    """
    xp = namespace(task.design)
    windows = task.schedule.windows(epoch)
    positions = like(windows.positions, task.design)  # (steps, window)
    sign = xp.take(task.sign, xp.reshape(positions, (-1,)), axis=0)
    sign = xp.reshape(sign, (*positions.shape, 1))  # (steps, window, 1)
    factor = _factors(task, columns, windows.member, windows.sizes)  # (steps, window, columns)
    half = xp.asarray(columns.half, copy=True)
    logits = []
    for rows, signs, factors in zip(positions, sign, factor, strict=True):
        x = xp.take(task.design, rows, axis=0)  # (window, 785)
        product = xp.matmul(x, half)  # (window, columns), half the logits
        logits.append(product)
        error = xp.tanh(product)
        error += signs
        error *= factors
        half -= xp.matmul(x.T, error)  # (785, columns)
    loss = cross_entropy(2 * xp.stack(logits), sign) * factor  # (steps, window, columns)
    # what `_factors` has weighed with rate / (4 size) is averaged over each mini-batch
    sums = to_numpy(xp.sum(loss, axis=1, dtype=xp.float64))[:, : columns.live]
    return half, np.asarray(4 * sums / columns.rate[: columns.live])


def _factors(task: _Task, columns: _Columns, member: Array, sizes: Ints) -> Array:
    """Weigh each row of each window for each column: rate / (4 batch size) inside its mini-batch, else 0."""
    weight = columns.rate / (4.0 * sizes[:, None])  # (steps, columns)
    xp = namespace(task.design)
    weight = xp.astype(like(weight, task.design), task.design.dtype)[:, None, :]
    mine = xp.take(like(member, task.design), like(columns.fold, task.design), axis=2)
    return xp.astype(mine, task.design.dtype) * weight  # (steps, window, columns)


def _validate(task: _Task, columns: _Columns) -> tuple[Floats, Floats]:
    """Measure mean loss and accuracy of each live column on its own fold's validation set, (live,) each."""
    xp = namespace(task.design)
    parts = task.schedule.split.parts
    held_out = xp.reshape(task.design[: parts.size, :], (*parts.shape, -1))  # (folds, width, 785)
    fold = columns.fold[: columns.live]
    # one matrix-vector product a model: on the few columns of a fold BLAS is slower with a matrix
    logits = [xp.matmul(held_out[int(f), :, :], columns.half[:, c]) for c, f in enumerate(fold)]
    logits = 2 * xp.stack(logits)  # (live, width)
    sign = xp.take(
        xp.reshape(task.sign[: parts.size], parts.shape), like(fold, logits), axis=0
    )  # (live, width)
    loss = xp.mean(xp.astype(cross_entropy(logits, sign), xp.float64), axis=1)
    right = xp.mean(xp.astype((logits >= 0) == (sign < 0), xp.float64), axis=1)
    return to_numpy(loss), to_numpy(right)


def cross_entropy(logits: Array, sign: Array) -> Array:
    """Return equation 5 per image from the logit: ``log(1 + exp(sign z))`` with sign = 1 - 2 target.

    Finite for every finite logit, where the logarithm of a rounded sigmoid is not (the authors' code adds
    1e-20 inside the logarithm). The absolute error is one rounding of 1.
    """
    xp = namespace(logits)
    against = logits * sign
    return xp.clip(against, 0, None) + xp.log1p(xp.exp(-xp.abs(against)))


class Prediction(NamedTuple):
    """What one model says about a test set, on the host, in the order of the images."""

    labels: np.ndarray[Any, np.dtype[np.uint8]]
    """(images,), 0 or 1: first or second class of the pair."""
    losses: np.ndarray[Any, np.dtype[np.floating]]
    """(images,), cross-entropy in nats, dtype of the design."""


def predict(design: Array, targets: Array, weights: Array) -> Prediction:
    """Classify images by one model.

    Parameters
    ----------
    design : array, (images, 785)
        Test images, bias first.
    targets : array, (images,)
        0 or 1; used for the losses only.
    weights : array, (785,)
        As `Training.best_weights` gives them.

    Returns
    -------
    Prediction
        Label 1 where the logit is not negative. The authors' code rounds the sigmoid to five digits before it
        compares with 0.5, so it also says 1 for logits above -2e-5.

    Raises
    ------
    ValueError
        If the lengths do not fit.
    """
    if design.shape[0] != targets.shape[0] or design.shape[1] != weights.shape[0]:
        shapes = f"{tuple(design.shape)}, targets {tuple(targets.shape)}, weights {tuple(weights.shape)}"
        raise ValueError(f"Shapes do not fit together: design {shapes}.")
    xp = namespace(design)
    logits = xp.matmul(design, weights)  # (images,)
    sign = like(1.0 - 2.0 * to_numpy(targets).astype(np.float64), design)
    losses = cross_entropy(logits, xp.astype(sign, design.dtype))
    return Prediction(to_numpy(logits >= 0).astype(np.uint8), to_numpy(losses))
