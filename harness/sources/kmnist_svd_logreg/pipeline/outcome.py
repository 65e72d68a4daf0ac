"""What training leaves behind: losses and validation accuracies per model and epoch, and the weights."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .arrays import Array

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]


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
