"""Logistic regression by mini-batch SGD: folds and learning rates as columns of one product (README.md)."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .arrays import Array, like, namespace, to_numpy
from .outcome import Floats, Training, check_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .folds import Bools, Ints, Schedule

LANES = 8
"""Columns are padded to a multiple of this: BLAS kernels run 25% faster on 32 columns than on 30."""


class _Measured(NamedTuple):
    """One epoch's outcome per column, (columns,), float64 on the host."""

    training_loss: Floats
    validation_loss: Floats
    validation_accuracy: Floats


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


def _blas_limit(design: Array, threads: int | None) -> AbstractContextManager[object]:
    """Limit NumPy's BLAS while the products are small; do nothing for other libraries."""
    if threads is None or not isinstance(design, np.ndarray):
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limit: AbstractContextManager[object] = threadpool_limits(threads, user_api="blas")
    return limit


def _run(task: _Task, epochs: int, stopping: str) -> Training:
    """Epoch by epoch: step, measure, record, drop what stopped."""
    columns = _start(task)
    log = _Log(task, epochs)
    for epoch in range(epochs):
        before = columns.half
        columns.half, losses = _descend(task, columns, epoch)  # (steps, live)
        if epoch == 0:
            log.first_losses = losses.T
        measured = _Measured(losses.mean(axis=0), *_validate(task, columns))
        stopped = log.record(epoch, columns, measured, stopping)
        if stopped.any():
            log.keep(columns, before, stopped)
            columns = _select(columns, ~stopped)
        if not columns.live:
            break
    log.keep(columns, columns.half, np.ones(columns.live, dtype=bool))
    return log.training()


def _task(
    design: Array, targets: np.ndarray[Any, Any], schedule: Schedule, rates: tuple[float, ...]
) -> _Task:
    """Lay the images out part by part, so that a fold's validation set is one slice."""
    xp = namespace(design)
    rows = schedule.split.rows
    sign = like(1.0 - 2.0 * targets[rows].astype(np.float64), design)
    return _Task(xp.take(design, like(rows, design), axis=0), xp.astype(sign, design.dtype), schedule, rates)


def _start(task: _Task) -> _Columns:
    """Put all models at zero weights, learning rates outermost."""
    folds = task.schedule.split.folds
    model = np.arange(len(task.rates) * folds)
    xp, design = namespace(task.design), task.design
    half = xp.zeros((design.shape[1], len(model)), dtype=design.dtype, device=design.device)
    return _padded(half, model, np.asarray(task.rates)[model // folds], model % folds)


def _padded(half: Array, model: Ints, rate: Floats, fold: Ints) -> _Columns:
    """Round the number of columns up to whole lanes; the added ones have rate 0 and zero weights."""
    xp = namespace(half)
    empty = -len(model) % LANES
    zeros = xp.zeros((half.shape[0], empty), dtype=half.dtype, device=half.device)
    wide = xp.concat([half, zeros], axis=1)  # (785, columns)
    return _Columns(wide, model, np.pad(fold, (0, empty)), np.pad(rate, (0, empty)))


def _select(columns: _Columns, kept: Bools) -> _Columns:
    """Drop the columns of stopped models."""
    live = np.nonzero(kept)[0]
    half = namespace(columns.half).take(columns.half, like(live, columns.half), axis=1)  # (785, live)
    return _padded(half, columns.model[live], columns.rate[live], columns.fold[live])


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


class _Log:
    """Losses of all models epoch by epoch, and the weights each ended with."""

    def __init__(self, task: _Task, epochs: int) -> None:
        self._task = task
        models = len(task.rates) * task.schedule.split.folds
        self._values = np.full((3, models, epochs), np.nan)
        self._run = np.zeros(models, dtype=np.int64)
        self.first_losses = np.empty((models, 0))
        xp = namespace(task.design)
        shape = (models, task.design.shape[1])
        self._weights = xp.zeros(shape, dtype=task.design.dtype, device=task.design.device)

    def record(self, epoch: int, columns: _Columns, measured: _Measured, stopping: str) -> Bools:
        """Note the epoch and say which live models stop; a stopping model's epoch is not recorded."""
        self._run[columns.model] = epoch + 1
        stopped = np.zeros(columns.live, dtype=bool)
        if stopping == "rise" and epoch:
            stopped = measured.validation_loss > self._values[1, columns.model, epoch - 1]
        self._values[:, columns.model[~stopped], epoch] = np.stack(measured)[:, ~stopped]
        return stopped

    def keep(self, columns: _Columns, half: Array, chosen: Bools) -> None:
        """Store the final weights of some live models."""
        live = np.nonzero(chosen)[0]
        if live.size:
            xp = namespace(half)
            final = 2 * xp.take(half, like(live, half), axis=1).T  # (chosen, 785)
            self._weights[like(columns.model[live], half)] = final

    def training(self) -> Training:
        """Give every axis its name: models become (learning rates, folds)."""
        rates, folds = len(self._task.rates), self._task.schedule.split.folds
        xp = namespace(self._weights)
        values = self._values.reshape(3, rates, folds, -1)
        weights = xp.reshape(self._weights, (rates, folds, -1))  # (learning rates, folds, 785)
        run = self._run.reshape(rates, folds)
        first, steps = self.first_losses.reshape(rates, folds, -1), self._task.schedule.steps
        return Training(self._task.rates, weights, values[0], values[1], values[2], run, steps, first)
