"""Callbacks for trainers that own the loop: a stage for each call, and the first losses of the training."""

from __future__ import annotations

import contextlib
import typing
from collections.abc import Mapping

if typing.TYPE_CHECKING:
    from harness.measure.run import Run


class _Stages:
    """Stages that one call of a trainer opens and another one closes; within an open stage there is no other.

    Parameters
    ----------
    run : Run
        The run.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._open: list[contextlib.AbstractContextManager[object]] = []

    def begin(self, name: str) -> None:
        """Open a stage, unless one is open: validation within a training is part of it."""
        self._open.append(contextlib.nullcontext() if self._run.within else self._run.stage(name))
        self._open[-1].__enter__()

    def end(self) -> None:
        """Close what was opened last."""
        self._open.pop().__exit__(None, None, None)


def keras_callback(run: Run, name: str = "train", *, dtype: str = "float32") -> typing.Any:  # noqa: ANN401 - a class of Keras
    """Return a callback for ``model.fit``, ``predict`` and ``evaluate``: it measures each as a stage and follows the losses.

    Parameters
    ----------
    run : Run
        The run in progress.
    name : str
        Stage and trajectory of ``fit``; the stages of the others are ``predict`` and ``evaluate``. Within a stage of yours none is opened.
    dtype : str
        Precision that the training is meant to compute in; see `Run.trajectory`.

    Returns
    -------
    keras.callbacks.Callback
        Its losses are those of Keras's logs: means over the batches of the epoch so far.
    """
    import keras

    stages = _Stages(run)

    class Callback(keras.callbacks.Callback):  # type: ignore[misc]
        def on_train_begin(self, logs: object = None) -> None:
            del logs
            stages.begin(name)

        def on_train_batch_end(self, batch: int, logs: typing.Any = None) -> None:  # noqa: ANN401 - Keras's own
            del batch
            run.trajectory(logs["loss"], name, dtype=dtype)

        def on_train_end(self, logs: object = None) -> None:
            del logs
            stages.end()

        def on_predict_begin(self, logs: object = None) -> None:
            del logs
            stages.begin("predict")

        def on_predict_end(self, logs: object = None) -> None:
            del logs
            stages.end()

        def on_test_begin(self, logs: object = None) -> None:
            del logs
            stages.begin("evaluate")

        def on_test_end(self, logs: object = None) -> None:
            del logs
            stages.end()

    return Callback()


def lightning_callback(run: Run, name: str = "train", *, dtype: str = "float32") -> typing.Any:  # noqa: ANN401 - a class of Lightning
    """Return a callback for Lightning's ``Trainer``: it measures ``fit``, ``predict`` and ``test`` as stages and follows the losses.

    Parameters
    ----------
    run, name, dtype
        See `keras_callback`; the stages of the others are ``predict`` and ``test``.

    Returns
    -------
    lightning.pytorch.Callback
        Its losses are those that the training step returned, divided by the batches that gradients are accumulated over.
    """
    from lightning.pytorch import Callback as Base

    stages = _Stages(run)

    class Callback(Base):  # type: ignore[misc]
        def on_train_start(self, trainer: object, pl_module: object) -> None:
            del trainer, pl_module
            stages.begin(name)

        def on_train_batch_end(
            self, trainer: object, pl_module: object, outputs: typing.Any, batch: object, batch_idx: int  # noqa: ANN401 - Lightning's own
        ) -> None:  # fmt: skip
            del trainer, pl_module, batch, batch_idx
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            if loss is not None:  # a training step may skip its batch
                run.trajectory(loss, name, dtype=dtype)

        def on_train_end(self, trainer: object, pl_module: object) -> None:
            del trainer, pl_module
            stages.end()

        def on_predict_start(self, trainer: object, pl_module: object) -> None:
            del trainer, pl_module
            stages.begin("predict")

        def on_predict_end(self, trainer: object, pl_module: object) -> None:
            del trainer, pl_module
            stages.end()

        def on_test_start(self, trainer: object, pl_module: object) -> None:
            del trainer, pl_module
            stages.begin("test")

        def on_test_end(self, trainer: object, pl_module: object) -> None:
            del trainer, pl_module
            stages.end()

    return Callback()
