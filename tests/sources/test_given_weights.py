"""Real scenarios predict with the weights that another run of theirs kept."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from harness.measure import given
from harness.measure.accelerators import NoAccelerator
from harness.measure.run import Run
from harness.records import RunRequest
from harness.sources.keras import stages

if typing.TYPE_CHECKING:
    from pathlib import Path

    import keras

    from tests.conftest import Harness


class Model:
    """What a Keras model does with weights."""

    def __init__(self) -> None:
        self.weights = [np.zeros(3)]

    def get_weights(self) -> list[np.ndarray[typing.Any, typing.Any]]:
        """Return them."""
        return self.weights

    def set_weights(self, weights: list[np.ndarray[typing.Any, typing.Any]]) -> None:
        """Take others."""
        self.weights = weights


def test_a_keras_model_gets_its_own_weights_back(tmp_path: Path) -> None:
    """It predicts with the other run's, and goes on with its own, also where predicting fails."""
    request = RunRequest(
        scenario="probe", variant="default", tier="smoke", seed=0, weights=str(tmp_path / given.FILE)
    )
    np.savez(tmp_path / given.FILE, **{"test/0000": np.ones(3)})  # type: ignore[arg-type]
    run, model, labels = Run(request, {}, lambda name: name, NoAccelerator()), Model(), np.arange(3)
    run.predictions(labels, labels, weights=model.get_weights())
    fake = typing.cast("keras.Model", model)

    def failing() -> np.ndarray[typing.Any, typing.Any]:
        raise MemoryError

    with pytest.raises(MemoryError):
        stages.predict_given(run, fake, failing)
    assert model.weights[0].tolist() == [0, 0, 0]
    stages.predict_given(run, fake, lambda: labels + model.weights[0].astype(int))
    assert run.prediction_sets["test-given"]["predicted"].tolist() == [1, 2, 3]
    assert model.weights[0].tolist() == [0, 0, 0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sets"),
    [
        ("kmnist_svd_logreg:su-ma", {"test", "uncompressed"}),
        pytest.param("tinyconvnet_svd:one-epoch", {"test"}, marks=pytest.mark.torch),
    ],
)
def test_the_same_program_predicts_the_same_labels(harness: Harness, name: str, sets: set[str]) -> None:
    """With the weights of the same seed of another job every label is the same; nothing else of the run differs."""
    words = ("run", name, "--no-count", "--out")
    kept = harness(*words, "a", "--keep-weights")
    assert kept.code == 0, kept.out + kept.err
    again = harness(*words, "b", "--weights", "a")
    assert again.code == 0, again.out + again.err
    (a,), (b,) = (harness.job(out)["results"] for out in "ab")
    ours, theirs = a["measurement"]["weights"], b["measurement"]["weights"]
    assert set(ours) == sets
    assert theirs == {**ours, **{f"{one}-given": ours[one] for one in sets}}
    assert set(b["metrics"]) > set(a["metrics"])
    assert b["metrics"]["test-given.accuracy"] == a["metrics"]["accuracy"]
    done = harness("compare", "a", "b")
    assert "same weights: set test, the reference's weights on b, 1 run, " in done.out
    assert done.out.count("zero labels changed") == 2
