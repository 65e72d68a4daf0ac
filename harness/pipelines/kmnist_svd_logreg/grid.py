"""The whole grid of one pair: 72 compressed settings beside the 18 uncompressed ones (source, section 5)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .compression import Factors, compress
from .folds import Schedule, Split, split_folds
from .outcome import Curves, Floats, Training
from .prediction import Prediction, predict
from .preparation import NORMALISATIONS, Pair, design_matrix
from .training import train

if TYPE_CHECKING:
    import numpy as np

    from .arrays import Array

LEARNING_RATES = (0.1, 0.01, 0.001)
BATCHES = (32, 64, 128)
RANKS = (3, 5, 8, 13)
FOLDS = 10
EPOCHS = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """One cell of the grid."""

    learning_rate: float
    """Step size."""
    batch: int
    """Images per mini-batch."""
    normalisation: str
    """``'z-score'`` or ``'min-max'``."""
    k: int | None
    """Singular triplets kept; None for the uncompressed model."""


@dataclass(frozen=True, slots=True)
class SettingResult:
    """What one setting gave, without a grade on the test set."""

    setting: Setting
    """Which cell."""
    printed_validation_accuracy: float
    """As Tables 1 and 2 define it: minimum over folds of the mean over recorded epochs."""
    final_validation_accuracies: Floats
    """Per fold with its final weights, (folds,)."""
    epochs_run: np.ndarray[Any, np.dtype[np.int64]]
    """Epochs per fold, (folds,)."""
    steps: int
    """Optimiser steps per epoch of one fold."""
    curves: Curves
    """Training and validation loss per epoch, (epochs,)."""
    best_fold: int
    """The fold whose weights were tested."""
    prediction: Prediction
    """Labels and losses on the test set."""


Progress: TypeAlias = Callable[[int, int, Setting], None]
"""Called after each setting with how many are done, how many there are, and which one it was."""


def settings(
    *,
    learning_rates: Sequence[float] = LEARNING_RATES,
    batches: Sequence[int] = BATCHES,
    normalisations: Sequence[str] = NORMALISATIONS,
    ranks: Sequence[int | None] = (*RANKS, None),
) -> list[Setting]:
    """List the cells in the order in which they are trained: by default 90, of which 72 compressed."""
    order = itertools.product(ranks, normalisations, batches, learning_rates)
    return [Setting(rate, batch, normalisation, k) for k, normalisation, batch, rate in order]


def iter_grid(
    training: Pair,
    test: Pair,
    *,
    seed: int,
    cells: Sequence[Setting] | None = None,
    folds: int = FOLDS,
    epochs: int = EPOCHS,
    stopping: str = "rise",
    shuffle: str = "interleaved",
    method: str = "gram",
    dtype: str = "float32",
) -> Iterator[SettingResult]:
    """Train and test cell after cell, yielding each as soon as it is known.

    Cells that differ in the learning rate alone are trained together; every cell has the same folds and, at equal
    mini-batch size, the same orders. Images are decomposed once, at the largest rank.

    Parameters
    ----------
    training, test : Pair
        Images and binary targets; their library and device are those of everything.
    seed : int
        Of the folds and orders.
    cells : sequence of Setting, optional
        Which cells; all 90 by default.
    folds, epochs, stopping, shuffle, method, dtype
        As in `split_folds`, `train`, `Schedule` and `compress`.

    Raises
    ------
    ValueError
        As raised by the functions named above; before the first result where they concern no data.
    """
    wanted = settings() if cells is None else list(cells)
    split = split_folds(training.images.shape[0], folds, seed=seed)
    schedules = {batch: Schedule(split, batch, seed, shuffle) for batch in dict.fromkeys(c.batch for c in wanted)}
    images = _Images(training.images, test.images, _largest(wanted), method, dtype)
    for (k, normalisation), group in itertools.groupby(wanted, lambda cell: (cell.k, cell.normalisation)):
        design, test_design = images.designs(k, normalisation)
        for batch, column in itertools.groupby(group, lambda cell: cell.batch):
            same = list(column)
            rates = [cell.learning_rate for cell in same]
            outcome = train(design, training.targets, schedules[batch], rates, epochs=epochs, stopping=stopping)
            for i, cell in enumerate(same):
                yield _result(cell, outcome, i, predict(test_design, test.targets, outcome.best_weights(i)))


def grid(training: Pair, test: Pair, *, progress: Progress | None = None, **options: Any) -> list[SettingResult]:  # noqa: ANN401 - passed on
    """Collect `iter_grid`, whose options these are, reporting progress after each cell."""
    total = len(options.get("cells") or settings())
    results = []
    for result in iter_grid(training, test, **options):
        results.append(result)
        if progress is not None:
            progress(len(results), total, result.setting)
    return results


def _largest(cells: Sequence[Setting]) -> int | None:
    return max((cell.k for cell in cells if cell.k is not None), default=None)


def _result(cell: Setting, outcome: Training, rate: int, prediction: Prediction) -> SettingResult:
    return SettingResult(
        setting=cell,
        printed_validation_accuracy=outcome.printed_validation_accuracy(rate),
        final_validation_accuracies=outcome.final_validation_accuracies(rate),
        epochs_run=outcome.epochs_run[rate],
        steps=outcome.steps,
        curves=outcome.curves(rate),
        best_fold=outcome.best_fold(rate),
        prediction=prediction,
    )


class _Images:
    """Training and test images at any rank, decomposed once."""

    def __init__(self, training: Array, test: Array, largest: int | None, method: str, dtype: str) -> None:
        self._originals = (training, test)
        self._dtype = dtype
        self._factors: tuple[Factors, ...] = ()
        if largest is not None:
            self._factors = tuple(compress(images, largest, method=method, dtype=dtype) for images in self._originals)

    def designs(self, k: int | None, normalisation: str) -> tuple[Array, Array]:
        """Build both design matrices, (images, 785) each, every set under its own statistics as in the source."""
        images = self._originals if k is None else [factors.truncate(k).reconstruct() for factors in self._factors]
        training, test = (design_matrix(part, normalisation=normalisation, dtype=self._dtype) for part in images)
        return training, test
