"""Splitting, scaling and one repeat of the network on scikit-learn's digits."""

from __future__ import annotations

import typing

import numpy as np
import pytest

from harness.sources.keras import steps
from harness.sources.mnist_interpolation import pipeline
from harness.sources.mnist_interpolation.pipeline import experiment
from tests.sources import made

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [
    pytest.mark.keras,
    # Keras's own conversion of torch tensors under NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
Digits = tuple["NDArray[np.uint8]", "NDArray[np.int64]"]


@pytest.fixture(scope="module")
def digits() -> Digits:
    """Return scikit-learn's 1,797 digits."""
    return made.digits()


@pytest.fixture(scope="module")
def repeat(digits: Digits) -> pipeline.Repeat:
    """One repeat of case 2, six epochs: 270 steps."""
    rng = steps.seed_everything(3)
    data = pipeline.split(pipeline.resample(digits[0], pipeline.CASES[2]), digits[1], seed=3)
    model = pipeline.build()
    return pipeline.evaluate(model, data, pipeline.train(model, data, rng=rng, epochs=6))


def test_network_has_the_printed_layers() -> None:
    """Section IV.B's chain with 'valid' convolutions ends in 4x4x32 and has 68,522 weights."""
    model = pipeline.build()
    shapes = [tuple(layer.output.shape[1:]) for layer in model.layers]
    assert shapes.pop() == (10,)
    assert shapes[:6] == [(26, 26, 32), (24, 24, 32), (12, 12, 32), (10, 10, 32), (8, 8, 32), (4, 4, 32)]
    assert [shape[0] for shape in shapes[6:]] == [512, 64, 64, 32, 32, 10]
    dense = 512 * 64 + 64 + 64 * 64 + 64 + 64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10
    assert model.count_params() == 320 + 3 * 9248 + dense


def test_repeat_learns(repeat: pipeline.Repeat) -> None:
    """Six epochs on 1,438 images suffice for 85% of the 359 test images, and the loss falls."""
    assert np.mean(repeat.predicted == repeat.labels) > 0.85
    loss = repeat.history.column("loss")
    assert len(loss) == 6 * 45
    assert loss[-45:].mean() < 0.5 * loss[:45].mean()


def test_predictions_travel_with_their_labels(repeat: pipeline.Repeat, digits: Digits) -> None:
    """Labels, predictions, probabilities and losses are in the order of `test_indices`."""
    assert np.array_equal(digits[1][repeat.test_indices], repeat.labels)
    assert len(np.unique(repeat.test_indices)) == len(repeat.labels) == 359
    assert repeat.probabilities.shape == (359, 10)
    np.testing.assert_allclose(repeat.probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert np.array_equal(repeat.probabilities.argmax(axis=1), repeat.predicted)
    assert repeat.losses == pytest.approx(
        -np.log(repeat.probabilities[np.arange(359), repeat.labels]), abs=1e-4
    )


def test_history_holds_each_batch_alone(repeat: pipeline.Repeat) -> None:
    """An accuracy is a multiple of one image of its batch: the history holds no running mean."""
    accuracy = repeat.history.column("accuracy").reshape(6, 45)  # (epochs, steps)
    hits = accuracy[:, :-1] * 32
    np.testing.assert_allclose(hits, np.rint(hits), atol=1e-4)
    last = accuracy[:, -1] * (1438 - 44 * 32)
    np.testing.assert_allclose(last, np.rint(last), atol=1e-4)
    scores = pipeline.f1(repeat.history)
    assert scores.min() >= 0.0
    assert scores[-45:].mean() > scores[:45].mean()


def test_same_seed_splits_alike(digits: Digits, repeat: pipeline.Repeat) -> None:
    """The split follows from the seed alone, and another seed gives another one."""
    images = digits[0].astype(np.float32)
    again = pipeline.split(images, digits[1], seed=3)
    other = pipeline.split(images, digits[1], seed=4)
    assert np.array_equal(again.order[again.train :], repeat.test_indices)
    assert not np.array_equal(again.order, other.order)


def test_scaling_gives_mean_zero_and_variance_one(digits: Digits) -> None:
    """Each pixel that varies is standard over the whole set; a constant pixel becomes 0, not NaN."""
    data = pipeline.split(digits[0].astype(np.float32), digits[1], seed=0)
    pixels = data.images.reshape(len(data.images), -1)
    assert np.isfinite(pixels).all()
    np.testing.assert_allclose(pixels.mean(axis=0), 0.0, atol=1e-4)
    deviation = pixels.std(axis=0)
    constant = np.ptp(digits[0].reshape(len(digits[0]), -1), axis=0) == 0
    assert constant.any()
    assert not deviation[constant].any()
    np.testing.assert_allclose(deviation[~constant], 1.0, atol=1e-3)


def test_scaler_fitted_on_training_part_sees_no_test_pixel(digits: Digits) -> None:
    """Changing the test images moves the training pixels only when the whole set was fitted."""
    images = digits[0].astype(np.float32)
    order = pipeline.split(images, digits[1], seed=0).order
    changed = images.copy()
    changed[order[1438:]] += 50.0
    for train_only in (False, True):
        before, after = (
            pipeline.split(i, digits[1], seed=0, fit_on_train_only=train_only) for i in (images, changed)
        )
        same = np.array_equal(before.images[:1438], after.images[:1438])
        assert same is train_only


def test_input_arrays_are_left_alone(digits: Digits) -> None:
    """Splitting scales a copy, never the caller's images; a single image cannot be divided."""
    images = digits[0].astype(np.float32)
    pipeline.split(images, digits[1], seed=0)
    assert np.array_equal(images, digits[0])
    with pytest.raises(ValueError, match="cannot be divided"):
        pipeline.split(images[:1], digits[1][:1], seed=0)


def test_batch_precision_and_recall_equal_keras() -> None:
    """The two functions give, for one batch, what Keras's own metrics give for the softmax of its logits."""
    import keras

    rng = np.random.default_rng(0)
    logits = (rng.normal(size=(64, 10)) * 3).astype(np.float32)
    targets = steps.one_hot(rng.integers(0, 10, 64))
    for function, metric in (
        (experiment.precision, keras.metrics.Precision()),
        (experiment.recall, keras.metrics.Recall()),
    ):
        metric.update_state(targets, np.exp(steps.log_softmax(logits)))
        found = function(keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(logits))
        assert float(found) == pytest.approx(float(metric.result()), abs=1e-6)


def test_losses_are_not_clipped() -> None:
    """A hopeless logit costs its full cross-entropy, where a clipped probability would stop at 16."""
    logs = steps.log_softmax(np.array([[1000.0, 0.0], [3.0, 3.0]], np.float32))
    np.testing.assert_allclose(logs, [[0.0, -1000.0], [-np.log(2)] * 2])
