"""Training over epochs, with held-out images looked at after each, and early stopping; one that was stopped can go on.

What a pipeline is given to keep its state with between two epochs is a `Keeper`; nothing here writes a file.
"""

from __future__ import annotations

import json
import typing
from dataclasses import dataclass

import numpy as np

from harness.sources.keras import steps as keras_steps
from harness.sources.keras.steps import Steps

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import keras
    from numpy.typing import NDArray

    from harness.sources.keras.steps import Batches

    Arrays = Mapping[str, NDArray[typing.Any]]


class Keeper(typing.Protocol):
    """Keeps arrays beyond the life of this process."""

    def get(self) -> Arrays | None:
        """Return what was kept last, or None."""

    def put(self, arrays: Callable[[], Arrays]) -> None:
        """Keep what the callable gives, or leave it, as the keeper sees fit."""


class Nothing:
    """Keeps nothing."""

    def get(self) -> None:
        """Return None."""

    def put(self, arrays: Callable[[], Arrays]) -> None:
        """Leave it."""


NOTHING = Nothing()


@dataclass(frozen=True, slots=True)
class Epochs:
    """A training history with one row an epoch."""

    steps: tuple[Steps, ...]
    """Every training step, one entry an epoch; at least one."""
    val_loss: NDArray[np.float64]
    """(epochs,) loss on the held-out images after the epoch."""
    val_accuracy: NDArray[np.float64]
    """(epochs,) accuracy on the held-out images after the epoch; NaN where there is none."""

    @property
    def loss(self) -> NDArray[np.float64]:
        """(epochs,) mean training loss over the epoch's images, each under the weights of its step."""
        return np.array([step.mean("loss") for step in self.steps])

    @property
    def accuracy(self) -> NDArray[np.float64]:
        """(epochs,) training accuracy, likewise."""
        return np.array([step.mean("accuracy") for step in self.steps])

    def arrays(self) -> dict[str, NDArray[typing.Any]]:
        """Return the history as plain arrays, for `of`."""
        return {
            "val_loss": self.val_loss,
            "val_accuracy": self.val_accuracy,
            "steps.names": np.array(self.steps[0].names),
            "steps.values": np.concatenate([step.values for step in self.steps]),  # (all steps, names)
            "steps.sizes": np.concatenate([step.sizes for step in self.steps]),  # (all steps,)
            "steps.seconds": np.concatenate([step.seconds for step in self.steps]),  # (all steps,)
            "steps.epochs": np.array([len(step.sizes) for step in self.steps]),  # (epochs,)
            "steps.wall_seconds": np.array([step.wall_seconds for step in self.steps]),  # (epochs,)
        }

    @classmethod
    def of(cls, arrays: Arrays) -> Epochs:
        """Return the history of `arrays`."""
        ends = np.cumsum(arrays["steps.epochs"])[:-1]
        names = tuple(str(name) for name in arrays["steps.names"])
        parts = (np.split(arrays[f"steps.{name}"], ends) for name in ("values", "sizes", "seconds"))
        walls = arrays["steps.wall_seconds"].tolist()
        steps = tuple(Steps(names, *row) for row in zip(*parts, walls, strict=True))
        return cls(steps, arrays["val_loss"], arrays["val_accuracy"])


def graded(
    probabilities: NDArray[np.floating], losses: NDArray[np.floating], labels: NDArray[np.integer]
) -> tuple[float, float]:
    """Return mean loss and accuracy of classified images."""
    return float(losses.mean()), float(np.mean(probabilities.argmax(axis=1) == labels))


def fit(
    trainer: keras.Model,
    batches: Callable[[], Batches],
    epochs: int,
    held_out: Callable[[], tuple[float, float]],
    *,
    patience: int | None = None,
    rng: np.random.Generator | None = None,
    keeper: Keeper = NOTHING,
) -> Epochs:
    """Train for some epochs and look at held-out images after each.

    Parameters
    ----------
    trainer : keras.Model
        Compiled; changed in place.
    batches : callable
        Gives one epoch's batches.
    epochs : int
        At most this many.
    held_out : callable
        Gives loss and accuracy of the held-out images under the present weights.
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
    steps: list[Steps] = []
    losses: list[float] = []
    accuracies: list[float] = []
    best: list[NDArray[np.float32]] = []
    kept = keeper.get()
    if kept is not None and rng is not None:
        _restore(trainer, rng, kept)
        past = Epochs.of(kept)
        steps, losses, accuracies = list(past.steps), past.val_loss.tolist(), past.val_accuracy.tolist()
        best = [kept[f"best{index}"] for index in range(len(trainer.get_weights())) if "best0" in kept]

    def history() -> Epochs:
        return Epochs(tuple(steps), np.array(losses), np.array(accuracies))

    def state() -> Arrays:
        found = {f"best{index}": value for index, value in enumerate(best)}
        return {**_state(trainer, typing.cast("np.random.Generator", rng)), **history().arrays(), **found}

    while len(steps) < epochs and (
        patience is None or not losses or len(losses) - 1 - int(np.argmin(losses)) < patience
    ):
        steps.append(keras_steps.train(trainer, batches()))
        loss, accuracy = held_out()
        losses.append(loss)
        accuracies.append(accuracy)
        if patience is not None and int(np.argmin(losses)) == len(losses) - 1:
            best = trainer.get_weights()
        if rng is not None:
            keeper.put(state)
    if best:
        trainer.set_weights(best)
    return history()


def _state(model: keras.Model, rng: np.random.Generator) -> dict[str, NDArray[typing.Any]]:
    """Return weights, optimiser and the generator that orders the batches as arrays."""
    order = json.dumps(rng.bit_generator.state).encode()
    return {
        **{f"weight{index}": np.asarray(value) for index, value in enumerate(model.get_weights())},
        **{f"optimiser{index}": np.asarray(value.numpy()) for index, value in enumerate(_optimiser(model))},
        "order": np.frombuffer(order, np.uint8),
    }


def _restore(model: keras.Model, rng: np.random.Generator, arrays: Arrays) -> None:
    """Put a model, its optimiser and a generator back into the state of `_state`; KeyError or ValueError if it is another model's."""
    model.set_weights([arrays[f"weight{index}"] for index in range(len(model.get_weights()))])
    for index, variable in enumerate(_optimiser(model)):
        variable.assign(arrays[f"optimiser{index}"])
    rng.bit_generator.state = json.loads(arrays["order"].tobytes())


def _optimiser(model: keras.Model) -> list[typing.Any]:
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return list(model.optimizer.variables)
