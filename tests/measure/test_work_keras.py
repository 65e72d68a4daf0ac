"""Work that Keras does: steps and samples of fit and train_on_batch, the same on every backend and never twice."""

from __future__ import annotations

import dataclasses
import importlib.util
import typing

import numpy as np
import pytest

from harness.judging import probes
from harness.measure.work_keras import KerasWork
from harness.records import RunRequest
from harness.running import executors
from harness.sources import catalogue
from tests.conftest import HEAD, SMALLER

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import keras

    from harness.records import RunResult

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def model() -> keras.Model:
    """Return a small compiled model."""
    import keras

    found = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    found.compile("sgd", "mse")
    return found


def data(count: int) -> tuple[typing.Any, typing.Any]:
    """Return inputs (count, 4) and targets (count, 2)."""
    return np.ones((count, 4), np.float32), np.zeros((count, 2), np.float32)


def count(action: Callable[[], object]) -> tuple[int, int, list[str]]:
    """Return steps, samples and what was not counted."""
    work = KerasWork()
    try:
        action()
    finally:
        work.close()
    found = work.read()
    return found["optimiser_steps"], found["samples"], work.uncounted()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"batch_size": 4, "epochs": 2}, (6, 20)),
        ({}, (1, 10)),
        ({"batch_size": 4, "validation_split": 0.4}, (2, 6)),
        ({"batch_size": 4, "validation_data": data(9)}, (3, 10)),
    ],
)
def test_fit_counts_what_it_trains_on(
    model: keras.Model, options: dict[str, typing.Any], expected: tuple[int, int]
) -> None:
    """Epochs times training images, held-out images apart, and one step a batch."""
    assert count(lambda: model.fit(*data(10), verbose=0, **options))[:2] == expected


def test_fit_on_what_has_no_length_says_so(model: keras.Model) -> None:
    """Steps of a generator are counted; its samples cannot be, and that is said."""

    def batches() -> Iterator[tuple[typing.Any, typing.Any]]:
        for _ in range(3):
            yield data(5)

    steps, samples, told = count(lambda: model.fit(batches(), steps_per_epoch=3, shuffle=False, verbose=0))
    assert (steps, samples) == (3, 0)
    assert any("those of 1 calls of fit are not known" in line for line in told)


def test_training_within_training_counts_once(model: keras.Model) -> None:
    """A callback that trains once more within fit adds one step, not two; whose samples they were is then not known."""
    import keras

    def more(epoch: int, logs: object) -> None:
        del epoch, logs
        model.train_on_batch(*data(6))

    callback = keras.callbacks.LambdaCallback(on_epoch_end=more)
    steps, samples, told = count(lambda: model.fit(*data(6), callbacks=[callback], verbose=0))
    assert (steps, samples) == (2, 0)
    assert any("another number of steps" in line for line in told)


def test_batches_count_until_the_methods_are_put_back(model: keras.Model) -> None:
    """Batches count as they are, prediction and evaluation do not; after the end Keras's class is what it was, and nothing counts."""
    import keras

    def action() -> None:
        for rows in (5, 5, 3):
            model.train_on_batch(*data(rows))
        model.predict_on_batch(data(7)[0])
        model.test_on_batch(*data(7))

    assert count(action)[:2] == (3, 13)

    before = {name: getattr(keras.Model, name) for name in ("fit", "train_on_batch")}
    work = KerasWork()
    assert keras.Model.fit is not before["fit"]
    work.close()
    assert {name: getattr(keras.Model, name) for name in before} == before
    model.train_on_batch(*data(5))
    assert work.read() == {"optimiser_steps": 0, "samples": 0}


SCENARIO = """
def measure(run):
    import keras
    from harness.sources.keras import steps as keras_steps

    keras_steps.seed_everything(run.seed)
    with run.stage("train"):
        model = keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Conv2D(2, 3), keras.layers.Flatten(),
                                  keras.layers.Dropout(0.5), keras.layers.Dense(10)])
        model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        x, y = np.ones((10, 8, 8, 1), "float32"), np.arange(10)
        for rows in (6, 4):
            model.train_on_batch(x[:rows], y[:rows])
        model.fit(x, y, batch_size=4, epochs=2, verbose=0, validation_data=(x, y))
    with run.stage("test"):
        run.predictions(y, model.predict_on_batch(x).argmax(1))

SCENARIO = declare(measure, needs=("keras",), backends=("tensorflow", "torch", "jax"))
"""


def counted(folder: Path, wanted: list[RunRequest], paths: list[str]) -> list[RunResult]:
    """Do counting runs, each in a worker of its own."""
    found = list(executors.run_all(executors.Local(), wanted, catalogue.load_all(paths), folder))
    assert [run.error for run in found] == [""] * len(wanted)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "torch", "jax"])
def test_every_backend_takes_the_same_steps(tmp_path: Path, backend: str) -> None:
    """TensorFlow, torch and JAX count the same steps and samples for one program; only torch has FLOPs, the others say so."""
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"NOT TESTED: {backend} is not installed")
    path = tmp_path / "probe.py"
    path.write_text(HEAD + SCENARIO)
    asked = [
        RunRequest(
            scenario="probe", variant="default", tier="smoke", seed=0, backend=backend, purpose="count", threads=1,
            scenario_paths=(str(path),),
        )
    ]  # fmt: skip
    for run in counted(tmp_path, asked, [str(path)]):
        found = {name: measured.value for name, measured in probes.counts(run).items()}
        assert (found["work.train.optimiser_steps"], found["work.train.samples"]) == (2 + 6, 10 + 20)
        assert (found["work.test.optimiser_steps"], found["work.test.samples"]) == (0, 0)
        assert ("work.total.flops" in found) == (run.request.backend == "torch")
        assert run.measurement is not None
        told = [line for line in run.measurement.uncounted if "FLOPs are not counted" in line]
        names = {"tensorflow": ["TensorFlow"], "torch": [], "jax": ["JAX"]}[run.request.backend]
        assert [line.partition(":")[0] for line in told] == names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "runs"), [("mnist_interpolation", 2), ("digits1000_cnn", 1), ("smaller", 2)]
)
def test_the_built_in_keras_scenarios_count_alike_twice(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, runs: int
) -> None:
    """Two counting runs agree in every count and every bit, and with the steps that the pipeline notes; the planted suite counts digits twice."""
    (tmp_path / "smaller.py").write_text(SMALLER)
    paths = [str(tmp_path / "smaller.py")]
    monkeypatch.setenv("HARNESS_CACHE", str(cache))
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    scenario = catalogue.load_all(paths)[name]
    asked = RunRequest(
        scenario=name, variant=scenario.variants[0].name, tier="smoke", seed=0, backend=scenario.backends[0],
        scenario_paths=tuple(paths),
    )  # fmt: skip
    wanted = [dataclasses.replace(one, threads=1) for one in probes.requests([asked], {name: scenario})]
    first, *again = counted(tmp_path, wanted[:runs], paths)
    assert [probes.compare(first, second, tmp_path).differing for second in again] == [()] * (runs - 1)
    counts = {key: float(np.asarray(count.value)) for key, count in probes.counts(first).items()}
    # what the pipeline notes are the classifier's steps
    autoencoder = counts.get("work.autoencoder.optimiser_steps", 0.0)
    noted = [m.value for key, m in first.metrics.items() if key in {"optimiser_steps", "steps"}]
    assert noted == [counts["work.total.optimiser_steps"] - autoencoder]
