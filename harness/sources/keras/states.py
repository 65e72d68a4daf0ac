"""The state of a Keras training between two epochs as plain arrays, so that one of hours can go on where it was stopped.

What a pipeline is given to keep arrays with is a `Keeper`; nothing here writes a file.
"""

from __future__ import annotations

import json
import typing

import numpy as np

from harness.sources.keras.steps import Steps

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import keras
    from numpy.typing import NDArray

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


def of_training(model: keras.Model, rng: np.random.Generator) -> dict[str, NDArray[typing.Any]]:
    """Return weights, optimiser and generator as arrays.

    Parameters
    ----------
    model : keras.Model
        Compiled.
    rng : Generator
        Whatever orders its batches.
    """
    variables = [variable.numpy() for variable in _optimiser(model)]
    order = json.dumps(rng.bit_generator.state).encode()
    return {
        **{f"weight{index}": np.asarray(value) for index, value in enumerate(model.get_weights())},
        **{f"optimiser{index}": np.asarray(value) for index, value in enumerate(variables)},
        "order": np.frombuffer(order, np.uint8),
    }


def restore_training(model: keras.Model, rng: np.random.Generator, arrays: Arrays) -> None:
    """Put a model, its optimiser and a generator back into the state of `of_training`.

    Raises
    ------
    KeyError, ValueError
        If the arrays are another model's.
    """
    model.set_weights([arrays[f"weight{index}"] for index in range(len(model.get_weights()))])
    for index, variable in enumerate(_optimiser(model)):
        variable.assign(arrays[f"optimiser{index}"])
    rng.bit_generator.state = json.loads(arrays["order"].tobytes())


def _optimiser(model: keras.Model) -> list[typing.Any]:
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return list(model.optimizer.variables)


def of_steps(steps: Sequence[Steps]) -> dict[str, NDArray[typing.Any]]:
    """Return a training history as arrays; at least one epoch."""
    return {
        "steps.names": np.array(steps[0].names),
        "steps.values": np.concatenate([each.values for each in steps]),  # (all steps, names)
        "steps.sizes": np.concatenate([each.sizes for each in steps]),  # (all steps,)
        "steps.seconds": np.concatenate([each.seconds for each in steps]),  # (all steps,)
        "steps.epochs": np.array([len(each.sizes) for each in steps]),  # (epochs,)
        "steps.wall_seconds": np.array([each.wall_seconds for each in steps]),  # (epochs,)
    }


def to_steps(arrays: Arrays) -> list[Steps]:
    """Return the training history of `of_steps`."""
    ends = np.cumsum(arrays["steps.epochs"])[:-1]
    names = tuple(str(name) for name in arrays["steps.names"])
    parts = (np.split(arrays[f"steps.{name}"], ends) for name in ("values", "sizes", "seconds"))
    walls = arrays["steps.wall_seconds"].tolist()
    return [Steps(names, *each) for each in zip(*parts, walls, strict=True)]
