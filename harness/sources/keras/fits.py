"""Training a classifier over epochs, with held-out images looked at after each, and early stopping."""

from __future__ import annotations

import functools
import typing
from dataclasses import dataclass, field

import numpy as np

from harness.sources.keras import states
from harness.sources.keras import steps as keras_steps

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    import keras
    from numpy.typing import NDArray

    from harness.sources.keras.states import Arrays, Keeper
    from harness.sources.keras.steps import Batches, Steps

    HeldOut = Callable[[], tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.integer]]]


@dataclass(frozen=True, slots=True)
class Epochs:
    """A training history with one row an epoch."""

    loss: NDArray[np.float64]
    """(epochs,) mean training loss over the epoch's images, each under the weights of its step."""
    accuracy: NDArray[np.float64]
    """(epochs,) training accuracy, likewise."""
    val_loss: NDArray[np.float64]
    """(epochs,) loss on the held-out images after the epoch."""
    val_accuracy: NDArray[np.float64]
    """(epochs,) accuracy on the held-out images after the epoch."""
    best_epoch: int
    """Row of the lowest `val_loss`."""
    steps: tuple[Steps, ...]
    """Every training step, one entry an epoch."""


@dataclass(slots=True)
class _Progress:
    """What a fit has found so far."""

    steps: list[Steps] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    hits: list[float] = field(default_factory=list)
    best: list[NDArray[np.float32]] = field(default_factory=list)

    @property
    def lowest(self) -> int:
        """Epoch of the lowest loss on held-out images; -1 before the first."""
        return int(np.argmin(self.losses)) if self.losses else -1

    def state(self, model: keras.Model, rng: np.random.Generator) -> Arrays:
        """Return everything that the next epoch depends on, and what was found."""
        best = {f"best{index}": value for index, value in enumerate(self.best)}
        return {**states.of_training(model, rng), **history_arrays(self.history()), **best}

    @classmethod
    def begun(cls, model: keras.Model, rng: np.random.Generator | None, keeper: Keeper) -> _Progress:
        """Go on from what was kept, if anything was."""
        found = keeper.get()
        if found is None or rng is None:
            return cls()
        states.restore_training(model, rng, found)
        best = [found[f"best{index}"] for index in range(len(model.get_weights())) if "best0" in found]
        past = history_of(found)
        return cls(list(past.steps), past.val_loss.tolist(), past.val_accuracy.tolist(), best)

    def history(self) -> Epochs:
        """Return what was found; at least one epoch."""
        loss, accuracy = (np.array([step.mean(name) for step in self.steps]) for name in ("loss", "accuracy"))
        return Epochs(
            loss, accuracy, np.array(self.losses), np.array(self.hits), self.lowest, tuple(self.steps)
        )


def history_arrays(history: Epochs) -> dict[str, NDArray[typing.Any]]:
    """Return a training history as plain arrays."""
    held_out = {"val_loss": history.val_loss, "val_accuracy": history.val_accuracy}
    return {**states.of_steps(history.steps), **held_out}


def history_of(arrays: Arrays) -> Epochs:
    """Return the training history of `history_arrays`."""
    steps = states.to_steps(arrays)
    return _Progress(steps, arrays["val_loss"].tolist(), arrays["val_accuracy"].tolist()).history()


def fit(
    trainer: keras.Model,
    batches: Callable[[], Batches],
    epochs: int,
    held_out: HeldOut,
    *,
    patience: int | None = None,
    rng: np.random.Generator | None = None,
    keeper: Keeper = states.NOTHING,
) -> Epochs:
    """Train a classifier for some epochs and look at held-out images after each.

    Parameters
    ----------
    trainer : keras.Model
        From `keras_steps.compile_logits` or `keras_steps.trainer_of`; changed in place.
    batches : callable
        Gives one epoch's batches.
    epochs : int
        At most this many.
    held_out : callable
        Gives probabilities, losses and labels of the held-out images under the present weights.
    patience : int, optional
        Stop when the held-out loss has not fallen for this many epochs, and go back to the best weights.
        Without it all epochs run and the last weights stay.
    rng : Generator, optional
        What `batches` draws from; without it nothing is kept.
    keeper : Keeper
        Epochs that it has of an earlier call with the same arguments are not trained again.

    Raises
    ------
    ValueError
        If `epochs` is below 1.
    """
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, not {epochs}.")
    so_far = _Progress.begun(trainer, rng, keeper)
    while len(so_far.steps) < epochs and (
        patience is None or len(so_far.losses) - 1 - so_far.lowest < patience
    ):
        so_far.steps.append(keras_steps.train(trainer, batches()))
        probabilities, each, labels = held_out()
        so_far.losses.append(float(each.mean()))
        so_far.hits.append(float(np.mean(probabilities.argmax(axis=1) == labels)))
        if patience is not None and so_far.lowest == len(so_far.losses) - 1:
            so_far.best = trainer.get_weights()
        if rng is not None:
            keeper.put(functools.partial(so_far.state, trainer, rng))
    if so_far.best:
        trainer.set_weights(so_far.best)
    return so_far.history()
