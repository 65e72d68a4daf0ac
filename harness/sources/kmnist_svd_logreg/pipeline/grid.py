"""The whole grid of one pair: 72 compressed settings beside the 18 uncompressed ones (source, section 5)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .compression import Factors, compress
from .folds import Schedule, split_folds
from .prediction import Prediction, predict
from .preparation import NORMALISATIONS, Pair, design_matrix
from .training import train

if TYPE_CHECKING:
    import numpy as np

    from .arrays import Array
    from .outcome import Curves, Floats, Training

LEARNING_RATES = (0.1, 0.01, 0.001)
BATCHES = (32, 64, 128)
RANKS = (3, 5, 8, 13)


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


@dataclass(frozen=True, slots=True)
class Recipe:
    """What all cells of a grid share; the defaults follow the authors' code where the text differs."""

    folds: int = 10
    """Cross-validation folds."""
    epochs: int = 100
    """At most this many."""
    stopping: str = "rise"
    """``'rise'`` (authors' code) or ``'fixed'`` (text), as in `train`."""
    shuffle: str = "interleaved"
    """As in `Schedule`."""
    method: str = "svd"
    """As in `compress`."""
    blas_threads: int | None = 1
    """As in `train`."""
    dtype: str = "float32"
    """Of factors, design matrices and weights."""


def iter_grid(
    training: Pair,
    test: Pair,
    *,
    seed: int,
    cells: Sequence[Setting] | None = None,
    recipe: Recipe = Recipe(),
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
    cells : sequence of Setting, optional
        Which cells, all 90 by default.
    recipe : Recipe
        What the cells share.

    Raises
    ------
    ValueError
        As raised by `split_folds`, `Schedule`, `compress`, `design_matrix` and `train`.
    """
    wanted = settings() if cells is None else list(cells)
    split = split_folds(training.images.shape[0], recipe.folds, seed=seed)
    schedules = {batch: Schedule(split, batch, seed, recipe.shuffle) for batch in {c.batch for c in wanted}}
    images = _Images(training, test, _largest(wanted), recipe)
    for (k, normalisation), group in itertools.groupby(wanted, lambda cell: (cell.k, cell.normalisation)):
        designs = images.designs(k, normalisation)
        for batch, column in itertools.groupby(group, lambda cell: cell.batch):
            yield from _column(list(column), designs, (training, test), schedules[batch], recipe)


def grid(
    training: Pair,
    test: Pair,
    *,
    seed: int,
    cells: Sequence[Setting] | None = None,
    recipe: Recipe = Recipe(),
    progress: Progress | None = None,
) -> list[SettingResult]:
    """Collect `iter_grid` in the order of the cells, reporting progress after each of them."""
    total = len(settings() if cells is None else cells)
    results = []
    for result in iter_grid(training, test, seed=seed, cells=cells, recipe=recipe):
        results.append(result)
        if progress is not None:
            progress(len(results), total, result.setting)
    return results


def _column(
    cells: Sequence[Setting],
    designs: tuple[Array, Array],
    pairs: tuple[Pair, Pair],
    schedule: Schedule,
    recipe: Recipe,
) -> Iterator[SettingResult]:
    """Train cells that differ in the learning rate alone, and test each."""
    rates = [cell.learning_rate for cell in cells]
    outcome = train(
        designs[0],
        pairs[0].targets,
        schedule,
        rates,
        epochs=recipe.epochs,
        stopping=recipe.stopping,
        blas_threads=recipe.blas_threads,
    )
    for i, cell in enumerate(cells):
        yield _result(cell, outcome, i, predict(designs[1], pairs[1].targets, outcome.best_weights(i)))


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

    def __init__(self, training: Pair, test: Pair, largest: int | None, recipe: Recipe) -> None:
        self._originals = (training.images, test.images)
        self._dtype = recipe.dtype
        self._factors: tuple[Factors, ...] = ()
        if largest is not None:
            self._factors = tuple(
                compress(images, largest, method=recipe.method, dtype=recipe.dtype)
                for images in self._originals
            )

    def designs(self, k: int | None, normalisation: str) -> tuple[Array, Array]:
        """Build both design matrices, (images, 785), each set under its own statistics as in the source."""
        if k is None:
            images: tuple[Array, ...] = self._originals
        else:
            images = tuple(factors.truncate(k).reconstruct() for factors in self._factors)
        training, test = (
            design_matrix(part, normalisation=normalisation, dtype=self._dtype) for part in images
        )
        return training, test
