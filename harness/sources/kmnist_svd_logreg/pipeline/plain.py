"""The plain way, in NumPy: one model, one fold, one mini-batch at a time. Reference for `training.train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .training import Training, check_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .folds import Schedule

Matrix: TypeAlias = np.ndarray[Any, Any]


def train_plain(
    design: Matrix,
    targets: Matrix,
    schedule: Schedule,
    learning_rates: Sequence[float],
    *,
    epochs: int = 100,
    stopping: str = "rise",
) -> Training:
    """Train every model after the other, in NumPy; arguments, result and errors as in `training.train`."""
    check_request(len(design), targets, schedule.split.size, learning_rates, epochs, stopping)
    folds = schedule.split.folds
    shape = (len(learning_rates), folds)
    weights = np.zeros((*shape, design.shape[1]), dtype=design.dtype)
    values = np.full((3, *shape, epochs), np.nan)
    run = np.zeros(shape, dtype=np.int64)
    first = np.empty((*shape, schedule.steps))
    for i, rate in enumerate(learning_rates):
        for fold in range(folds):
            model, history, run[i, fold], first[i, fold] = train_fold(
                design, targets, schedule, rate, fold, epochs, stopping
            )
            weights[i, fold] = model
            values[:, i, fold, : len(history)] = np.transpose(history)
    return Training(
        tuple(learning_rates), weights, values[0], values[1], values[2], run, schedule.steps, first
    )


def train_fold(
    design: Matrix, targets: Matrix, schedule: Schedule, rate: float, fold: int, epochs: int, stopping: str
) -> tuple[Matrix, list[tuple[float, float, float]], int, list[float]]:
    """Train one fold: weights, (training loss, validation loss, accuracy) per recorded epoch, epochs run, first epoch's losses."""
    t = targets.astype(design.dtype)
    held_out = schedule.split.parts[fold]
    held_x, held_t = design[held_out], t[held_out]
    weights = np.zeros(design.shape[1], dtype=design.dtype)
    history: list[tuple[float, float, float]] = []
    first: list[float] = []
    for epoch in range(epochs):
        before = weights
        rows = schedule.training_rows(epoch, fold)
        weights, losses = descend(weights, design[rows], t[rows], rate, schedule.batch)
        first = first or losses
        z = held_x @ weights  # (validation images,)
        loss = cross_entropy(z, held_t)
        if stopping == "rise" and history and loss > history[-1][1]:
            return before, history, epoch + 1, first
        history.append((float(np.mean(losses)), loss, float(np.mean((z >= 0) == (held_t > 0)))))
    return weights, history, epochs, first


def descend(weights: Matrix, x: Matrix, t: Matrix, rate: float, batch: int) -> tuple[Matrix, list[float]]:
    """Walk once through shuffled images, (n, 785), in mini-batches: equations 2 and 6, gradient averaged.

    Returns the new weights and each mini-batch's loss just before its step.
    """
    losses = []
    for start in range(0, len(x), batch):
        images, truth = x[start : start + batch], t[start : start + batch]
        z = images @ weights  # (batch,)
        losses.append(cross_entropy(z, truth))
        weights = weights - rate * (images.T @ (sigmoid(z) - truth)) / len(images)  # (785,)
    return weights, losses


def cross_entropy(z: Matrix, t: Matrix) -> float:
    """Return equation 5 from logits, averaged over the images, in nats."""
    return float(np.mean(np.maximum(z, 0) - t * z + np.log1p(np.exp(-np.abs(z))), dtype=np.float64))


def sigmoid(z: Matrix) -> Matrix:
    """Return equation 2 without overflow for large negative logits."""
    small = np.exp(-np.abs(z))
    return np.where(z >= 0, 1 / (1 + small), small / (1 + small))
