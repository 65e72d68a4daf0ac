"""The autoencoder, cached features against the frozen encoder, both stages and the sweep."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

from harness.sources.keras import fits, steps
from harness.sources.mnist_autoencoder import pipeline

if typing.TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

pytestmark = [
    pytest.mark.keras,
    # Keras's own conversion of torch tensors under NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
SMALL = pipeline.Settings(autoencoder_epochs=2, autoencoder_batch=32)
SHORT = pipeline.Settings(autoencoder_epochs=1, frozen_epochs=3, tuning_epochs=2, batch=32)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the first 320 of scikit-learn's digits at 28x28."""
    from sklearn.datasets import load_digits

    data = load_digits()
    images = np.pad(np.kron(data.images, np.ones((3, 3))) * 255 / 16, ((0, 0), (2, 2), (2, 2)))
    return images[:320].astype(np.uint8), data.target[:320].astype(np.int64)


@pytest.fixture(scope="module")
def data(digits: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> pipeline.Labelled:
    """Return 240 of them, 192 to train and 48 to validate."""
    return pipeline.divide(digits[0][:240], digits[1][:240], seed=0)


@pytest.fixture(scope="module")
def trained(data: pipeline.Labelled) -> pipeline.Autoencoder:
    """Return an autoencoder after one epoch: its batch statistics are no longer the initial ones."""
    rng = steps.seed_everything(0)
    model = pipeline.build_autoencoder()
    pipeline.train_autoencoder(model, data, SHORT, rng=rng)
    return model


@pytest.fixture(scope="module")
def features(trained: pipeline.Autoencoder, data: pipeline.Labelled) -> NDArray[np.floating]:
    """Return the float32 features of all 240."""
    return pipeline.encode(trained.encoder, data.images)


@pytest.fixture(scope="module")
def whole_run(digits: tuple[NDArray[np.uint8], NDArray[np.int64]]) -> pipeline.Run:
    """Return a run of both stages, 240 images to train on and 80 to test."""
    images, labels = digits
    return pipeline.run(images[:240], labels[:240], images[240:], labels[240:], SHORT, seed=1)


def test_layers_are_as_printed() -> None:
    """Five convolutions, each with batch normalisation, end in 7x7x256 features; the decoder mirrors them."""
    model = pipeline.build_autoencoder()
    kinds = [layer.__class__.__name__ for layer in model.encoder.layers]
    pair = ["Conv2D", "BatchNormalization"]
    assert kinds == [*pair * 2, "MaxPooling2D", *pair, "MaxPooling2D", *pair * 2]
    filters = [layer.filters for layer in model.encoder.layers if hasattr(layer, "filters")]
    mirrored = [layer.filters for layer in model.whole.layers[1].layers if hasattr(layer, "filters")]
    assert filters == [32, 32, 64, 128, 256]
    assert mirrored == [*filters[::-1], 1]
    assert model.encoder.output_shape == (None, 7, 7, 256)
    assert model.whole.output_shape == (None, 28, 28, 1)


def test_momentum_reaches_every_running_average() -> None:
    """Encoder and decoder follow the weights at the pace that was named; Keras's default otherwise."""
    for model, wanted in (
        (pipeline.build_autoencoder(momentum=0.5), 0.5),
        (pipeline.build_autoencoder(), 0.99),
    ):
        layers = [layer for half in model.whole.layers for layer in half.layers]
        found = [layer.momentum for layer in layers if layer.__class__.__name__ == "BatchNormalization"]
        assert found == [wanted] * 10


def test_split_is_80_to_20(data: pipeline.Labelled) -> None:
    """Training and validation indices are disjoint and cover every image."""
    assert (len(data.train), len(data.validation)) == (192, 48)
    assert np.array_equal(np.sort(np.concatenate([data.train, data.validation])), np.arange(240))


def test_autoencoder_learns_to_reproduce(data: pipeline.Labelled) -> None:
    """Two epochs of small batches bring the training error below half of the first step's."""
    rng = steps.seed_everything(0)
    model = pipeline.build_autoencoder()
    history = pipeline.train_autoencoder(model, data, SMALL, rng=rng)
    assert history.loss.shape == history.val_loss.shape == (2,)
    assert history.loss[-1] < 0.5 * history.steps[0].column("loss")[0]
    output = pipeline.reconstruct(model, data.images[:5])
    assert output.shape == (5, 28, 28)
    assert output.min() >= 0.0
    assert output.max() <= 1.0


def start_alike(classifier: pipeline.Classifier, weights: list[NDArray[np.float32]]) -> None:
    """Give the head the same initial weights on both ways."""
    classifier.head.set_weights(weights)


def test_cached_features_train_the_head_as_the_frozen_encoder_does(
    trained: pipeline.Autoencoder, data: pipeline.Labelled, features: NDArray[np.floating]
) -> None:
    """Same start and orders, three epochs: head weights agree to 1e-4, and the encoder's have not moved."""
    classifier = pipeline.build_classifier(trained.encoder, dense=32)
    encoder_before = trained.encoder.get_weights()
    start = classifier.head.get_weights()
    through = pipeline.train_through_encoder(
        classifier, data, epochs=3, batch=64, rng=np.random.default_rng(7)
    )
    expected = classifier.head.get_weights()
    assert all(
        np.array_equal(a, b) for a, b in zip(trained.encoder.get_weights(), encoder_before, strict=True)
    )
    fresh = pipeline.build_classifier(trained.encoder, dense=32)
    start_alike(fresh, start)
    cached = pipeline.train_head(fresh.head, features, data, epochs=3, batch=64, rng=np.random.default_rng(7))
    assert np.abs(expected[0] - start[0]).max() > 1e-3
    for found, wanted in zip(fresh.head.get_weights(), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-4, rtol=0)
    np.testing.assert_allclose(cached.val_loss, through.val_loss, rtol=1e-3)


def test_half_precision_features_are_widened_to_the_same_numbers(
    trained: pipeline.Autoencoder, data: pipeline.Labelled, features: NDArray[np.floating]
) -> None:
    """A head trained on float16 features ends with the very weights of one trained on the same numbers in float32."""
    kept = features.astype(np.float16)
    heads = [pipeline.build_classifier(trained.encoder, dense=32).head for _ in range(2)]
    heads[1].set_weights(heads[0].get_weights())
    both: list[NDArray[np.floating]] = [kept, kept.astype(np.float32)]
    for head, given in zip(heads, both, strict=True):
        pipeline.train_head(head, given, data, epochs=2, batch=64, rng=np.random.default_rng(7))
    for found, wanted in zip(*(head.get_weights() for head in heads), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_features_have_exactly_the_bytes_they_claim(
    trained: pipeline.Autoencoder,
    data: pipeline.Labelled,
    features: NDArray[np.floating],
    tmp_path: Path,
    dtype: str,
) -> None:
    """In memory and in a file: n x 12,544 values, the same numbers to the precision of the dtype."""
    path = tmp_path / "features.npy"
    kept = pipeline.encode(trained.encoder, data.images[:100], dtype, batch_size=30)
    mapped = pipeline.encode(trained.encoder, data.images[:100], dtype, path=path, batch_size=30)
    assert kept.nbytes == mapped.nbytes == pipeline.feature_bytes(100, dtype)
    assert path.stat().st_size == pipeline.feature_bytes(100, dtype) + 128
    assert [entry.name for entry in tmp_path.iterdir()] == ["features.npy"]
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(kept, mapped)
    tolerance = 1e-3 if dtype == "float16" else 1e-4
    np.testing.assert_allclose(kept, features[:100], rtol=tolerance, atol=tolerance)


def test_half_precision_features_of_mnist_stay_under_the_limit() -> None:
    """60,000 images take 1.505 GB as float16, under 1.6 GB; as float32 they would take twice that."""
    assert pipeline.feature_bytes(60_000, "float16") == 1_505_280_000
    assert pipeline.feature_bytes(60_000, "float32") == 3_010_560_000


def test_head_trains_from_a_half_precision_file(
    trained: pipeline.Autoencoder, data: pipeline.Labelled, tmp_path: Path
) -> None:
    """A memory-mapped float16 file feeds the head, and it learns."""
    mapped = pipeline.encode(trained.encoder, data.images, "float16", path=tmp_path / "features.npy")
    steps.seed_everything(0)
    head = pipeline.build_head(64)
    history = pipeline.train_head(head, mapped, data, epochs=15, batch=32, rng=np.random.default_rng(0))
    assert history.accuracy[-1] > 0.8
    assert history.loss[-1] < history.loss[0]


def test_feature_too_large_for_half_precision_is_named(
    trained: pipeline.Autoencoder, data: pipeline.Labelled, tmp_path: Path
) -> None:
    """Overflow is an error that says what to do, and no half-written file stays."""
    import keras

    loud = keras.Sequential([keras.layers.Input((28, 28, 1)), trained.encoder, keras.layers.Rescaling(1e8)])
    with pytest.raises(ValueError, match="too large for float16; keep features as float32"):
        pipeline.encode(loud, data.images[:10], "float16", path=tmp_path / "features.npy")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_run_returns_predictions_with_their_labels(
    whole_run: pipeline.Run, digits: tuple[NDArray[np.uint8], NDArray[np.int64]]
) -> None:
    """Test labels are in the order given, in both stages, beside probabilities, losses and histories."""
    for outcome in (whole_run.frozen_outcome, whole_run.outcome):
        assert np.array_equal(outcome.labels, digits[1][240:])
        assert np.array_equal(outcome.predicted, outcome.probabilities.argmax(axis=1))
        own = outcome.probabilities[np.arange(80), outcome.labels].astype(np.float64)
        np.testing.assert_allclose(outcome.losses, -np.log(own), atol=1e-3)
    assert whole_run.frozen.loss.shape == (3,)
    assert 1 <= len(whole_run.tuning.loss) <= 2
    assert whole_run.reconstructions.shape == (9, 28, 28)
    assert whole_run.feature_bytes == pipeline.feature_bytes(240)


def test_second_stage_moves_the_encoder(trained: pipeline.Autoencoder, data: pipeline.Labelled) -> None:
    """Fine-tuning changes the encoder's weights, which the first stage left alone."""
    classifier = pipeline.build_classifier(clone(trained.encoder), dense=16)
    before = classifier.encoder.get_weights()[0]
    pipeline.fine_tune(classifier, data, epochs=1, batch=64, rng=np.random.default_rng(0))
    assert np.abs(classifier.encoder.get_weights()[0] - before).max() > 1e-4


def clone(model: keras.Model) -> keras.Model:
    """Copy a model with its weights, so that a test may train it."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


def test_first_indices_follow_the_test_order() -> None:
    """The first nine right and wrong images are found in order, fewer if there are fewer."""
    labels = np.arange(20) % 10
    predicted = np.where(np.arange(20) % 4 == 0, (labels + 1) % 10, labels)
    outcome = pipeline.Outcome(labels, predicted, np.zeros((20, 10), np.float32), np.zeros(20))
    assert pipeline.first_indices(outcome, right=False).tolist() == [0, 4, 8, 12, 16]
    assert pipeline.first_indices(outcome, right=True).tolist() == [1, 2, 3, 5, 6, 7, 9, 10, 11]


def test_stopped_sweep_goes_on_with_the_same_numbers(
    features: NDArray[np.floating], data: pipeline.Labelled
) -> None:
    """A sweep of what is left after its first point gives what the unbroken one gives: no setting depends on those before it."""
    settings = [pipeline.Setting(dense, 2, batch) for dense, batch in ((8, 64), (16, 64), (16, 32))]
    unbroken = {point.setting: point for point in pipeline.sweep(features, data, settings, seed=0)}
    first = next(pipeline.sweep(features, data, settings, seed=0))
    rest = list(pipeline.sweep(features, data, settings[1:], seed=0))
    assert [point.setting for point in rest] == settings[1:]
    for point in (first, *rest):
        twin = unbroken[point.setting]
        np.testing.assert_allclose(point.history.loss, twin.history.loss, rtol=1e-4)
        assert np.array_equal(point.outcome.labels, data.labels[data.validation])


def test_early_stopping_returns_to_the_best_weights() -> None:
    """When the held-out loss rises after epoch two, training ends `patience` later on its weights."""
    rng = steps.seed_everything(0)
    head = pipeline.build_head(4)
    inputs = rng.normal(size=(8, 7, 7, 256)).astype(np.float32)
    targets = steps.one_hot(np.arange(8))
    seen: list[list[NDArray[np.float32]]] = []

    def held_out() -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.integer]]:
        seen.append(head.get_weights())
        loss = [3.0, 1.0, 2.0, 2.0, 2.0, 0.0][len(seen) - 1]
        return np.zeros((1, 10), np.float32), np.array([loss]), np.array([0])

    history = fits.fit(head, lambda: [(inputs, targets)], 6, held_out, patience=3)
    assert history.val_loss.tolist() == [3.0, 1.0, 2.0, 2.0, 2.0]
    assert history.best_epoch == 1
    for found, wanted in zip(head.get_weights(), seen[1], strict=True):
        assert np.array_equal(found, wanted)


@pytest.mark.slow
def test_bfloat16_keeps_float32_weights_and_output(
    digits: tuple[NDArray[np.uint8], NDArray[np.int64]],
) -> None:
    """The mixed policy computes in bfloat16, yet weights and outputs are float32, and training works."""
    data, small = (
        pipeline.divide(digits[0][:64], digits[1][:64], seed=0),
        dataclasses.replace(SMALL, autoencoder_batch=16),
    )
    rng = steps.seed_everything(0)
    model = pipeline.build_autoencoder("mixed_bfloat16")
    history = pipeline.train_autoencoder(model, data, small, rng=rng)
    assert model.encoder.layers[0].compute_dtype == "bfloat16"
    assert {str(weight.dtype) for weight in model.encoder.weights} == {"float32"}
    assert pipeline.reconstruct(model, data.images[:2]).dtype == np.float32
    assert pipeline.encode(model.encoder, data.images[:2]).dtype == np.float32
    assert history.loss[1] < history.loss[0]


def test_unknown_words_are_named(trained: pipeline.Autoencoder, data: pipeline.Labelled) -> None:
    """A policy, feature dtype, dense size or number of epochs that does not exist is one error each."""
    with pytest.raises(ValueError, match="policy must be one of"):
        pipeline.build_autoencoder("float8")
    with pytest.raises(ValueError, match="kept as float32 or float16"):
        pipeline.encode(trained.encoder, data.images, "int8")
    with pytest.raises(ValueError, match="at least one unit"):
        pipeline.build_head(0)
    with pytest.raises(ValueError, match="epochs must be at least 1"):
        pipeline.train_head(
            pipeline.build_head(4),
            np.zeros((240, 7, 7, 256)),
            data,
            epochs=0,
            batch=8,
            rng=np.random.default_rng(0),
        )
