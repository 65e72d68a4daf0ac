"""The whole grid of one pair: 72 compressed settings beside the 18 uncompressed ones (source, section 5)."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

from .compression import compress
from .folds import Schedule, split_folds
from .preparation import NORMALISATIONS, Pair, design_matrix
from .training import Curves, Prediction, predict, train

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np


LEARNING_RATES, BATCHES, RANKS = (0.1, 0.01, 0.001), (32, 64, 128), (3, 5, 8, 13)


class Setting(NamedTuple):
    """One cell of the grid."""

    learning_rate: float
    batch: int
    """Images per mini-batch."""
    normalisation: str
    """``'z-score'`` or ``'min-max'``."""
    k: int | None
    """Singular triplets kept; None for the uncompressed model."""


SETTINGS = tuple(
    Setting(rate, batch, normalisation, k)
    for k, normalisation, batch, rate in itertools.product(
        (*RANKS, None), NORMALISATIONS, BATCHES, LEARNING_RATES
    )
)
"""All 90 cells in the order in which they are trained."""


class SettingResult(NamedTuple):
    """What one setting gave, without a grade on the test set."""

    setting: Setting
    validation_accuracy: float
    """As Tables 1 and 2 define it: minimum over folds of the mean over recorded epochs."""
    epochs_run: np.ndarray[Any, np.dtype[np.int64]]
    """Epochs per fold, (folds,)."""
    curves: Curves
    """Training and validation loss per epoch, (epochs,)."""
    prediction: Prediction
    """Labels and losses on the test set, of the best fold's weights."""


def grid(
    training: Pair,
    test: Pair,
    *,
    seed: int,
    cells: Sequence[Setting] = SETTINGS,
    folds: int = 10,
    epochs: int = 100,
    stopping: str = "rise",
    blas_threads: int | None = 1,
    dtype: str = "float32",
) -> Iterator[SettingResult]:
    """Train and test cell after cell, yielding each as soon as it is known.

    Neighbouring cells that differ in the learning rate alone are trained together; every cell has the same
    folds and, at equal mini-batch size, the same orders. Images are decomposed once, at the largest rank.

    Parameters
    ----------
    training, test : Pair
        Images and binary targets; their library and device are those of everything.
    seed : int
        Of the folds and orders.
    cells : sequence of Setting
        Which cells.
    folds : int
        Cross-validation folds.
    epochs, stopping, blas_threads
        As in `train`.
    dtype : {'float32', 'float64'}
        Of factors, design matrices and weights.

    Raises
    ------
    ValueError
        As raised by `split_folds`, `Schedule`, `compress`, `design_matrix` and `train`.
    """
    split = split_folds(training.images.shape[0], folds, seed=seed)
    schedules = {batch: Schedule(split, batch, seed) for batch in {cell.batch for cell in cells}}
    originals = (training.images, test.images)
    largest = max((cell.k for cell in cells if cell.k is not None), default=None)
    factors = [compress(images, largest, dtype=dtype) for images in originals if largest is not None]
    for (k, normalisation), group in itertools.groupby(cells, lambda cell: (cell.k, cell.normalisation)):
        images = originals if k is None else [part.truncate(k).reconstruct() for part in factors]
        # each set under its own statistics, as in the source
        design, test_design = (
            design_matrix(part, normalisation=normalisation, dtype=dtype) for part in images
        )
        for batch, grouped in itertools.groupby(group, lambda cell: cell.batch):
            column = list(grouped)
            rates = [cell.learning_rate for cell in column]
            outcome = train(
                design, training.targets, schedules[batch], rates, epochs=epochs, stopping=stopping, blas_threads=blas_threads
            )  # fmt: skip
            for i, cell in enumerate(column):
                prediction = predict(test_design, test.targets, outcome.best_weights(i))
                accuracy, curves = outcome.printed_validation_accuracy(i), outcome.curves(i)
                yield SettingResult(cell, accuracy, outcome.epochs_run[i], curves, prediction)
