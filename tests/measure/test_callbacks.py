"""Callbacks open stages and follow losses: of Keras itself, and of a stand-in that calls Lightning's documented hooks."""

from __future__ import annotations

import sys
import types
import typing

import numpy as np
import pytest

import harness
from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.measure.work import Work
from harness.records import RunRequest


def begun(*, counted: bool) -> Run:
    """Begin a run, one that is measured or one that counts."""
    request = RunRequest(scenario="probe", variant="default", tier="smoke", seed=0)
    return Run(request, {}, lambda name: name, NoAccelerator(), Work() if counted else None)


@pytest.mark.keras
@pytest.mark.slow
def test_keras_tells_of_its_training() -> None:
    """Fit is one stage with its validation, predict and evaluate are others; the losses are Keras's own, and a measured run looks at none."""
    import keras

    keras.utils.set_random_seed(0)
    rows = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")
    for counted in (False, True):
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        run, seen = begun(counted=counted), list[float]()
        noting = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda _, logs, seen=seen: seen.append(logs["loss"])
        )
        given = {"callbacks": [harness.keras_callback(run), noting], "verbose": 0}
        model.fit(
            rows, rows[:, 0] > 0, batch_size=16, epochs=1, validation_data=(rows, rows[:, 0] > 0), **given
        )
        model.predict(rows, **given)
        with run.stage("mine"):
            model.evaluate(rows, rows[:, 0] > 0, **given)
        assert [stage.name for stage in run.stages] == ["train", "predict", "mine"]
        followed = run.trajectories.kept
        assert {name: list(found.values) for name, found in followed.items()} == (
            {"train": seen} if counted else {}
        )


class Trainer:
    """Calls a callback's hooks as Lightning documents them, and nothing else."""

    def __init__(self, callback: typing.Any) -> None:
        self._callback = callback

    def fit(self, losses: list[typing.Any]) -> None:
        """Train, a batch a loss."""
        self._callback.on_train_start(self, None)
        for index, outputs in enumerate(losses):
            self._callback.on_train_batch_end(self, None, outputs, None, index)
        self._callback.on_train_end(self, None)

    def call(self, name: str) -> None:
        """Predict or test."""
        getattr(self._callback, f"on_{name}_start")(self, None)
        getattr(self._callback, f"on_{name}_end")(self, None)


def test_lightning_tells_of_its_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fit, predict and test are stages; the losses are what training steps returned. Lightning is not installed: its hooks are called here."""
    stood_in = types.ModuleType("lightning.pytorch")
    stood_in.Callback = object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lightning", types.ModuleType("lightning"))
    monkeypatch.setitem(sys.modules, "lightning.pytorch", stood_in)
    run = begun(counted=True)
    trainer = Trainer(harness.lightning_callback(run, "fit", dtype="bfloat16"))
    trainer.fit([{"loss": 2.0}, None, 1.0, {}, {"loss": np.float32(0.5)}])
    trainer.call("predict")
    with run.stage("mine"):
        trainer.call("test")
    trainer.call("test")
    assert [stage.name for stage in run.stages] == ["fit", "predict", "mine", "test"]
    assert run.trajectories.kept["fit"].values == (2.0, 1.0, 0.5)
    assert run.trajectories.kept["fit"].dtype == "bfloat16"
