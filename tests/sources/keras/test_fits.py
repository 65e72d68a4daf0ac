"""A training that was stopped goes on from what it kept, to the weights and history of an unbroken one."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from harness.sources.keras import fits
from harness.sources.keras import steps as keras_steps
from harness.sources.mnist_autoencoder import pipeline

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras
    from numpy.typing import NDArray

    from harness.sources.keras.fits import Arrays

pytestmark = [
    pytest.mark.keras,
    # Keras's own conversion of torch tensors under NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
SETTINGS = pipeline.Settings(autoencoder_epochs=3, autoencoder_batch=16)


class Memory:
    """A keeper that stops the training after some epochs, as a kill would."""

    def __init__(self, stop_after: int = 0) -> None:
        self.kept: Arrays | None = None
        self.stop_after = stop_after
        self.written = 0

    def get(self) -> Arrays | None:
        """Return what was kept last."""
        return self.kept

    def put(self, arrays: Callable[[], Arrays]) -> None:
        """Keep a copy, then stop if it is time to."""
        self.kept = {name: np.array(value) for name, value in arrays().items()}
        self.written += 1
        if self.written == self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def data() -> pipeline.Labelled:
    """Return 64 random images of 28x28 with labels."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (64, 28, 28)).astype(np.uint8)
    return pipeline.divide(images, np.arange(64) % 10, seed=0)


def same(ours: list[NDArray[np.float32]], theirs: list[NDArray[np.float32]]) -> None:
    """Hold two lists of weights against each other."""
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_the_autoencoder_goes_on(data: pipeline.Labelled) -> None:
    """Stopped after its first epoch and begun anew in a new model, it ends where the unbroken one ends."""

    def train(keeper: fits.Keeper) -> tuple[keras.Model, fits.Epochs]:
        rng = keras_steps.seed_everything(3)
        model = pipeline.build_autoencoder()
        return model.whole, pipeline.train_autoencoder(model, data, SETTINGS, rng=rng, keeper=keeper)

    memory = Memory(stop_after=1)
    with pytest.raises(KeyboardInterrupt):
        train(memory)
    model, history = train(memory)
    unbroken, whole = train(fits.NOTHING)
    assert memory.written == SETTINGS.autoencoder_epochs
    same(model.get_weights(), unbroken.get_weights())
    np.testing.assert_allclose(history.loss, whole.loss, rtol=1e-5)
    np.testing.assert_allclose(history.val_loss, whole.val_loss, rtol=1e-5)
    assert [len(each.sizes) for each in history.steps] == [len(each.sizes) for each in whole.steps]


@pytest.mark.parametrize("stop_after", [2, 4])
def test_a_fit_goes_on(stop_after: int) -> None:
    """Stopped before or after the best epoch, early stopping still ends at the unbroken fit's epoch and weights."""
    inputs = np.random.default_rng(0).normal(size=(32, 7, 7, 256)).astype(np.float32)
    targets = keras_steps.one_hot(np.arange(32) % 10)
    losses = [5.0, 3.0, 1.0, 2.0, 2.0, 2.0, 0.0]
    seen: list[list[NDArray[np.float32]]] = []

    def fit(keeper: fits.Keeper, begun: int = 0) -> tuple[keras.Model, fits.Epochs]:
        rng = keras_steps.seed_everything(0)
        head = pipeline.build_head(8)
        found = iter(losses[begun:])

        def batches() -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
            for pick in keras_steps.index_batches(32, 8, 1, rng):
                yield inputs[pick], targets[pick]

        def held_out() -> tuple[float, float]:
            seen.append(head.get_weights())
            return next(found), 0.0

        return head, fits.fit(head, batches, 7, held_out, patience=3, rng=rng, keeper=keeper)

    memory = Memory(stop_after)
    with pytest.raises(KeyboardInterrupt):
        fit(memory)
    head, history = fit(memory, begun=stop_after)
    seen.clear()
    unbroken, whole = fit(fits.NOTHING)
    assert history.val_loss.tolist() == whole.val_loss.tolist() == losses[:6]
    same(unbroken.get_weights(), seen[2])
    same(head.get_weights(), unbroken.get_weights())
    np.testing.assert_allclose(history.loss, whole.loss, rtol=1e-5)


def test_a_history_survives_as_arrays() -> None:
    """Epochs of unequal length come back step by step."""
    rng = np.random.default_rng(1)
    steps = tuple(
        keras_steps.Steps(("accuracy", "loss"), rng.random((n, 2)), np.full(n, 8), rng.random(n), float(n))
        for n in (3, 1, 2)
    )
    before = fits.Epochs(steps, np.array([3.0, 1.0, 2.0]), np.array([0.1, 0.3, 0.2]))
    after = fits.Epochs.of(before.arrays())
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()
    for one, other in zip(after.steps, steps, strict=True):
        assert (one.names, one.wall_seconds) == (other.names, other.wall_seconds)
        for name in ("values", "sizes", "seconds"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


def test_a_training_needs_an_epoch_and_a_batch() -> None:
    """No epoch, and an empty stream of batches, are no training, and say so."""
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        fits.fit(pipeline.build_head(4), list, 0, lambda: (0.0, 0.0))
    with pytest.raises(ValueError, match="no batch"):
        fits.fit(pipeline.build_head(4), list, 1, lambda: (0.0, 0.0))
