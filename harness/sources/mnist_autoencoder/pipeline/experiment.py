"""Train the autoencoder, then the classifier in two stages, then predict (sections 3 and 4).

Not printed, so assumed: early stopping watches the validation loss with a patience of 5 and goes back to the
best weights; each stage starts with a fresh Adam.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np

from harness.sources.keras import fits
from harness.sources.keras import steps as keras_steps
from harness.sources.keras.fits import NOTHING
from harness.sources.mnist_autoencoder.pipeline import network

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import keras
    from numpy.typing import NDArray

    from harness.sources.keras.fits import Keeper
    from harness.sources.mnist_autoencoder.pipeline.network import Autoencoder, Classifier

    Pair = tuple[NDArray[np.generic], NDArray[np.generic]]

TRAIN_SHARE = 0.8
PATIENCE = 5


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a run can change; the defaults are the source's best."""

    autoencoder_epochs: int = 40
    autoencoder_batch: int = 64
    autoencoder_images: int | None = None
    """Training images that an epoch of the autoencoder sees, and as many held-out ones at most; None for all."""
    dense: int = 128
    batch: int = 256
    frozen_epochs: int = 100
    tuning_epochs: int = 100
    """At most; early stopping ends it (after 21 in the source)."""
    policy: str = "float32"
    """Or ``"mixed_bfloat16"``."""
    momentum: float = network.MOMENTUM
    """Of batch normalisation's running averages."""
    feature_dtype: str = "float32"
    """Or ``"float16"``."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images with their labels and a division into training and validation."""

    images: NDArray[np.uint8]
    """(n, 28, 28)."""
    labels: NDArray[np.int64]
    """(n,)."""
    train: NDArray[np.int64]
    """Indices of 80% of them."""
    validation: NDArray[np.int64]
    """Indices of the others."""


class Outcome(typing.NamedTuple):
    """Predictions of the test set with the labels they belong to."""

    labels: NDArray[np.int64]
    """(n_test,) true classes, in the order given."""
    predicted: NDArray[np.int64]
    """(n_test,) predicted classes in that order."""
    probabilities: NDArray[np.float32]
    """(n_test, 10) softmax outputs in that order."""
    losses: NDArray[np.float64]
    """(n_test,) cross-entropy of each image."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the sweeps behind figures 10 to 15."""

    dense: int = 128
    epochs: int = 100
    batch: int = 256


def divide(images: NDArray[np.uint8], labels: NDArray[np.integer], *, seed: int) -> Labelled:
    """Split 80/20 at random (sections 3.1.2 and 3.2.3).

    Raises
    ------
    TypeError, ValueError
        If images or labels are not 28x28 uint8 digits, or there are fewer than 3.
    """
    keras_steps.check_digits(images, labels)
    train = round(TRAIN_SHARE * len(images))
    if not 0 < train < len(images):
        raise ValueError(f"{len(images)} images cannot be divided 80/20; give at least 3.")
    order = np.random.default_rng(seed).permutation(len(images))
    return Labelled(images, labels.astype(np.int64), np.sort(order[:train]), np.sort(order[train:]))


def normalise(images: NDArray[np.generic]) -> NDArray[np.float32]:
    """Bring uint8 images (n, 28, 28) to [0, 1]: (n, 28, 28, 1) float32 (section 3.1.2, step 3)."""
    return (images.astype(np.float32) / 255.0)[..., np.newaxis]  # (n, 28, 28, 1)


def train_autoencoder(
    model: Autoencoder,
    data: Labelled,
    settings: Settings,
    *,
    rng: np.random.Generator,
    keeper: Keeper = NOTHING,
) -> fits.Epochs:
    """Train to reproduce the training images (figure 4, mean squared errors); changes `model` in place.

    What `keeper` has of an earlier call with the same arguments is not trained again.
    """
    rows = data.train[: settings.autoencoder_images]
    held_out = normalise(data.images[data.validation[: settings.autoencoder_images]])  # (n_val, 28, 28, 1)

    def batches() -> Iterator[Pair]:
        for pick in keras_steps.index_batches(len(rows), settings.autoencoder_batch, 1, rng):
            inputs = normalise(data.images[rows[pick]])
            yield inputs, inputs

    def loss() -> tuple[float, float]:
        return float(model.whole.evaluate(held_out, held_out, batch_size=256, verbose=0)), np.nan

    return fits.fit(model.whole, batches, settings.autoencoder_epochs, loss, rng=rng, keeper=keeper)


def reconstruct(model: Autoencoder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Send images (n, 28, 28) through the autoencoder: (n, 28, 28) float32 in [0, 1]."""
    return keras_steps.predict(model.whole, images, prepare=normalise)[..., 0].astype(np.float32)


def encode(
    encoder: keras.Model, images: NDArray[np.uint8], dtype: str = "float32", *, batch_size: int = 256
) -> NDArray[np.floating]:
    """Run the encoder once over all images (n, 28, 28), chunk by chunk, batch normalisation in inference mode.

    Returns
    -------
    (n, 7, 7, 256) array of `dtype`
        ``"float32"``, or ``"float16"`` for half the bytes.

    Raises
    ------
    ValueError
        If `dtype` is another word, or a feature is too large for it.
    """
    if dtype not in {"float32", "float16"}:
        raise ValueError(f"Features are kept as float32 or float16, not '{dtype}'.")
    if not encoder.compiled:
        # an uncompiled model would pick its own compiler for prediction
        encoder.compile(jit_compile=keras_steps.compile_jit())
    try:
        with np.errstate(over="raise"):
            return keras_steps.predict(encoder, images, batch_size=batch_size, prepare=normalise, dtype=dtype)
    except FloatingPointError as error:
        raise ValueError(f"A feature is too large for {dtype}; keep features as float32.") from error


def train_head(
    head: keras.Model,
    features: NDArray[np.floating],
    data: Labelled,
    *,
    epochs: int,
    batch: int,
    rng: np.random.Generator,
    keeper: Keeper = NOTHING,
) -> fits.Epochs:
    """First stage on cached features: the same steps as through the frozen encoder, without running it.

    Parameters
    ----------
    head : keras.Model
        Changed in place.
    features : (n, 7, 7, 256) array
        From `encode`, in the order of ``data.images``; float16 is widened within each step.
    """
    # widened by NumPy before the step, float16 makes an epoch take twice as long (benchmarks: half_features)
    return _train_classes(
        head, features, np.asarray, data, epochs=epochs, batch=batch, rng=rng, keeper=keeper
    )


def train_through_encoder(
    classifier: Classifier, data: Labelled, *, epochs: int, batch: int, rng: np.random.Generator
) -> fits.Epochs:
    """First stage the source's way, through the frozen encoder: the reference for `train_head`."""
    network.freeze(classifier, frozen=True)
    return _train_classes(classifier.whole, data.images, normalise, data, epochs=epochs, batch=batch, rng=rng)


def fine_tune(
    classifier: Classifier,
    data: Labelled,
    *,
    epochs: int,
    batch: int,
    rng: np.random.Generator,
    keeper: Keeper = NOTHING,
) -> fits.Epochs:
    """Second stage: all layers, until the validation loss has not fallen for `PATIENCE` epochs."""
    network.freeze(classifier, frozen=False)
    return _train_classes(
        classifier.whole, data.images, normalise, data,
        epochs=epochs, batch=batch, rng=rng, patience=PATIENCE, keeper=keeper,
    )  # fmt: skip


def _train_classes(
    model: keras.Model,
    inputs: NDArray[np.generic],
    prepare: Callable[[NDArray[np.generic]], NDArray[np.floating]],
    data: Labelled,
    *,
    epochs: int,
    batch: int,
    rng: np.random.Generator,
    patience: int | None = None,
    keeper: Keeper = NOTHING,
) -> fits.Epochs:
    targets = keras_steps.one_hot(data.labels)  # (n, 10)

    def batches() -> Iterator[Pair]:
        for pick in keras_steps.index_batches(len(data.train), batch, 1, rng):
            rows = data.train[pick]
            yield prepare(inputs[rows]), targets[rows]

    def held_out() -> tuple[float, float]:
        # rows are looked up chunk by chunk: taking them at once would copy a fifth of the features
        labels = data.labels[data.validation]
        found = keras_steps.classify(
            model, data.validation, labels, prepare=lambda chunk: prepare(inputs[chunk])
        )
        return fits.graded(*found, labels)

    return fits.fit(model, batches, epochs, held_out, patience=patience, rng=rng, keeper=keeper)


def evaluate(classifier: Classifier, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Outcome:
    """Predict images (n, 28, 28); scoring is left to whoever reads the result (tables 1 and 2)."""
    keras_steps.check_digits(images, labels)
    probabilities, losses = keras_steps.classify(classifier.whole, images, labels, prepare=normalise)
    return Outcome(labels.astype(np.int64), probabilities.argmax(axis=1), probabilities, losses)


def fit_setting(
    features: NDArray[np.floating], data: Labelled, setting: Setting, *, seed: int
) -> tuple[keras.Model, fits.Epochs]:
    """Train a new head on cached features, from the seed alone, and return it with its history.

    Only the first stage is swept: the second would train the encoder, and there would be nothing to cache.
    """
    rng = keras_steps.seed_everything(seed)
    head = network.build_head(setting.dense)
    return head, train_head(head, features, data, epochs=setting.epochs, batch=setting.batch, rng=rng)
