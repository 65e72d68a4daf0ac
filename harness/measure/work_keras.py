"""Work that Keras does on any backend: optimiser steps and samples of `fit` and `train_on_batch`."""

from __future__ import annotations

import functools
import inspect
import math
import typing

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import keras

    Rows = Callable[[dict[str, typing.Any], typing.Any, int], int | None]

SCOPE = "Keras: steps and samples outside fit and train_on_batch are not counted"
METHODS = ("fit", "train_on_batch")


class KerasWork:
    """Counts from its creation until it is closed, by wrapping two methods of `keras.Model`.

    Steps are what the optimiser's own count of iterations grows by. Samples are the rows of a batch, or in `fit` those of
    the training array times the epochs, if the steps agree with that.
    """

    def __init__(self) -> None:
        import keras

        self._model = keras.Model
        self._before = {name: self._model.__dict__.get(name) for name in METHODS}
        self._steps = self._samples = self._unseen = 0
        self.active = False
        """Whether a counted method is running: what happens inside is counted once, here."""
        readers: tuple[Rows, ...] = (_rows_of_fit, lambda arguments, _result, _steps: _rows(arguments["x"]))
        for name, rows in zip(METHODS, readers, strict=True):
            setattr(self._model, name, self._counting(getattr(self._model, name), rows))

    def read(self) -> dict[str, int]:
        """Return optimiser steps and samples so far."""
        return {"optimiser_steps": self._steps, "samples": self._samples}

    def uncounted(self) -> list[str]:
        """Say what the wrappers do not see."""
        unseen = f"Keras samples: those of {self._unseen} calls of fit are not known (no array, or another number of steps)"
        return [SCOPE, *([unseen] if self._unseen else [])]

    def close(self) -> None:
        """Put the methods back."""
        for name, method in self._before.items():
            if method is None:
                delattr(self._model, name)
            else:
                setattr(self._model, name, method)

    def _counting(self, method: Callable[..., typing.Any], rows: Rows) -> Callable[..., typing.Any]:
        signature = inspect.signature(method)

        @functools.wraps(method)
        def counted(model: keras.Model, *positional: typing.Any, **named: typing.Any) -> typing.Any:  # noqa: ANN401 - Keras's own
            if self.active:
                return method(model, *positional, **named)
            before = _iterations(model)
            self.active = True
            try:
                result = method(model, *positional, **named)
            finally:
                self.active = False
            given = signature.bind(model, *positional, **named)
            given.apply_defaults()
            steps = _iterations(model) - before
            seen = rows(given.arguments, result, steps)
            self._steps += steps
            self._samples += seen or 0
            self._unseen += seen is None
            return result

        return counted


def _iterations(model: keras.Model) -> int:
    import keras

    optimiser = getattr(model, "optimizer", None)
    return 0 if optimiser is None else int(keras.ops.convert_to_tensor(optimiser.iterations))


def _rows(x: object) -> int | None:
    """Return how many samples an input holds; None if it does not say, as a generator."""
    import keras

    first = next(iter(keras.tree.flatten(x)), None)
    shape: Sequence[int] = getattr(first, "shape", ())
    return int(shape[0]) if len(shape) else None


def _rows_of_fit(arguments: dict[str, typing.Any], history: typing.Any, steps: int) -> int | None:  # noqa: ANN401 - Keras's own
    rows, split = _rows(arguments["x"]), arguments["validation_split"]
    if rows is None:
        return None
    if split and arguments["validation_data"] is None:
        rows = math.floor(rows * (1 - split))
    epochs = len(history.epoch)
    return rows * epochs if steps == epochs * math.ceil(rows / (arguments["batch_size"] or 32)) else None
