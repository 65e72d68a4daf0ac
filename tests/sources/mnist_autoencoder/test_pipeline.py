"""The autoencoder, cached features against the frozen encoder, and both stages."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np
import pytest

from harness.sources.keras import steps
from harness.sources.mnist_autoencoder import pipeline
from tests.sources import made

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

pytestmark = [
    pytest.mark.keras,
    # Keras's own conversion of torch tensors under NumPy 2
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"),
]
SMALL = pipeline.Settings(autoencoder_epochs=2, autoencoder_batch=32)


@pytest.fixture(scope="module")
def data() -> pipeline.Labelled:
    """Return 240 of scikit-learn's digits, 192 to train and 48 to validate."""
    images, labels = made.digits()
    return pipeline.divide(images[:240], labels[:240], seed=0)


@pytest.fixture(scope="module")
def trained(data: pipeline.Labelled) -> pipeline.Autoencoder:
    """Return an autoencoder after one epoch: its batch statistics are no longer the initial ones."""
    rng = steps.seed_everything(0)
    model = pipeline.build_autoencoder()
    pipeline.train_autoencoder(model, data, dataclasses.replace(SMALL, autoencoder_epochs=1), rng=rng)
    return model


@pytest.fixture(scope="module")
def features(trained: pipeline.Autoencoder, data: pipeline.Labelled) -> NDArray[np.floating]:
    """Return the float32 features of all 240."""
    return pipeline.encode(trained.encoder, data.images)


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
    fresh.head.set_weights(start)
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
    trained: pipeline.Autoencoder, data: pipeline.Labelled, features: NDArray[np.floating], dtype: str
) -> None:
    """12,544 values an image, the same numbers to the precision of the dtype, whatever the chunks."""
    kept = pipeline.encode(trained.encoder, data.images[:100], dtype, batch_size=30)
    assert kept.nbytes == 100 * 12_544 * np.dtype(dtype).itemsize
    tolerance = 1e-3 if dtype == "float16" else 1e-4
    np.testing.assert_allclose(kept, features[:100], rtol=tolerance, atol=tolerance)


def test_feature_too_large_for_half_precision_is_named(
    trained: pipeline.Autoencoder, data: pipeline.Labelled
) -> None:
    """Overflow is an error that says what to do."""
    import keras

    loud = keras.Sequential([keras.layers.Input((28, 28, 1)), trained.encoder, keras.layers.Rescaling(1e8)])
    with pytest.raises(ValueError, match="too large for float16; keep features as float32"):
        pipeline.encode(loud, data.images[:10], "float16")


def test_second_stage_moves_the_encoder(trained: pipeline.Autoencoder, data: pipeline.Labelled) -> None:
    """Fine-tuning changes the encoder's weights, which the first stage left alone; predictions come with their labels."""
    import keras

    copy = keras.models.clone_model(trained.encoder)
    copy.set_weights(trained.encoder.get_weights())
    classifier = pipeline.build_classifier(copy, dense=16)
    before = classifier.encoder.get_weights()[0]
    pipeline.fine_tune(classifier, data, epochs=1, batch=64, rng=np.random.default_rng(0))
    assert np.abs(classifier.encoder.get_weights()[0] - before).max() > 1e-4
    outcome = pipeline.evaluate(classifier, data.images[:80], data.labels[:80])
    assert np.array_equal(outcome.labels, data.labels[:80])
    assert np.array_equal(outcome.predicted, outcome.probabilities.argmax(axis=1))
    own = outcome.probabilities[np.arange(80), outcome.labels].astype(np.float64)
    np.testing.assert_allclose(outcome.losses, -np.log(own), atol=1e-3)


def test_a_setting_depends_on_none_before_it(features: NDArray[np.floating], data: pipeline.Labelled) -> None:
    """A sweep that was stopped goes on with the same numbers, and its heads learn."""
    half = features.astype(np.float16)
    settings = [pipeline.Setting(dense, 15, 32) for dense in (64, 16)]
    unbroken = [pipeline.fit_setting(half, data, setting, seed=0)[1] for setting in settings]
    _, again = pipeline.fit_setting(half, data, settings[1], seed=0)
    np.testing.assert_allclose(again.loss, unbroken[1].loss, rtol=1e-4)
    assert unbroken[0].accuracy[-1] > 0.8


@pytest.mark.slow
def test_bfloat16_keeps_float32_weights_and_output() -> None:
    """The mixed policy computes in bfloat16, yet weights and outputs are float32, and training works."""
    images, labels = made.digits()
    data, small = (
        pipeline.divide(images[:64], labels[:64], seed=0),
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
    """A policy or feature dtype that does not exist is one error each, and so are images that are no digits."""
    with pytest.raises(ValueError, match="policy must be one of"):
        pipeline.build_autoencoder("float8")
    with pytest.raises(ValueError, match="kept as float32 or float16"):
        pipeline.encode(trained.encoder, data.images, "int8")
    for images, labels, error in (
        (data.images / 255, data.labels, TypeError),
        (data.images, data.labels / 1.0, TypeError),
        (data.images[:, 1:], data.labels, ValueError),
        (data.images, data.labels[1:], ValueError),
        (data.images, data.labels + 1, ValueError),
        (data.images[:1], data.labels[:1], ValueError),
    ):
        with pytest.raises(error, match=r"must be|must have|cannot be divided"):
            pipeline.divide(images, labels, seed=0)  # type: ignore[arg-type]
