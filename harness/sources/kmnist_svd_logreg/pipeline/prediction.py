"""Predictions on a test set, as labels and losses; grading them is the caller's job."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .arrays import Array, like, namespace, to_numpy
from .training import cross_entropy

Bytes: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
Losses: TypeAlias = np.ndarray[Any, np.dtype[np.float32] | np.dtype[np.float64]]


class Prediction(NamedTuple):
    """What one model says about a test set, on the host, in the order of the images."""

    labels: Bytes
    """(images,), 0 or 1: first or second class of the pair."""
    losses: Losses
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
