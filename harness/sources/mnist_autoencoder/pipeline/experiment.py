"""Train the autoencoder, then the classifier in two stages, then predict (sections 3 and 4).

Not printed, so assumed: early stopping watches the validation loss with a patience of 5 and goes back to the
best weights; each stage starts with a fresh Adam.
"""

from __future__ import annotations

import functools
import typing
from dataclasses import dataclass

import numpy as np

from harness.sources.keras import fits, states
from harness.sources.keras import steps as keras_steps
from harness.sources.keras.states import NOTHING
from harness.sources.mnist_autoencoder.pipeline import network
from harness.sources.mnist_autoencoder.pipeline.features import encode, normalise

if typing.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

    from harness.sources.keras.states import Arrays, Keeper
    from harness.sources.mnist_autoencoder.pipeline.network import Autoencoder, Classifier

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


@dataclass(frozen=True, slots=True)
class ReconstructionHistory:
    """Training of the autoencoder, one row an epoch (figure 4)."""

    loss: NDArray[np.float64]
    """(epochs,) mean squared error on training images."""
    val_loss: NDArray[np.float64]
    """(epochs,) mean squared error on validation images."""
    steps: tuple[keras_steps.Steps, ...]
    """Every training step, one entry an epoch."""


@dataclass(frozen=True, slots=True)
class Outcome:
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
class Run:
    """All that one run of the source leaves."""

    outcome: Outcome
    """Test predictions after both stages."""
    frozen_outcome: Outcome
    """Test predictions after the first stage."""
    autoencoder: ReconstructionHistory
    """Training of the autoencoder."""
    frozen: fits.Epochs
    """First stage: head on cached features."""
    tuning: fits.Epochs
    """Second stage: all layers until early stopping."""
    feature_bytes: int
    """Bytes of the cached features."""
    reconstructions: NDArray[np.float32]
    """(nine or fewer, 28, 28) first test images through the autoencoder, before tuning."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One point of the sweeps behind figures 10 to 15."""

    dense: int = 128
    epochs: int = 100
    batch: int = 256


@dataclass(frozen=True, slots=True)
class Point:
    """What one setting of a sweep gave."""

    setting: Setting
    """The setting."""
    history: fits.Epochs
    """Training of its head."""
    outcome: Outcome
    """Predictions of the validation images, in the order of `Labelled.validation`."""
    head: keras.Model
    """The trained head, to predict further features with."""


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


def train_autoencoder(
    model: Autoencoder,
    data: Labelled,
    settings: Settings,
    *,
    rng: np.random.Generator,
    keeper: Keeper = NOTHING,
) -> ReconstructionHistory:
    """Train to reproduce the training images; changes `model` in place.

    What `keeper` has of an earlier call with the same arguments is not trained again.
    """
    steps, losses = _begun(model.whole, rng, keeper)
    rows = data.train[: settings.autoencoder_images]
    held_out = normalise(data.images[data.validation[: settings.autoencoder_images]])  # (n_val, 28, 28, 1)
    while len(steps) < settings.autoencoder_epochs:
        picks = keras_steps.index_batches(len(rows), settings.autoencoder_batch, 1, rng)
        inputs = (normalise(data.images[rows[pick]]) for pick in picks)
        steps.append(keras_steps.train(model.whole, ((batch, batch) for batch in inputs)))
        losses.append(float(model.whole.evaluate(held_out, held_out, batch_size=256, verbose=0)))
        keeper.put(functools.partial(_so_far, model.whole, rng, steps, losses))
    return ReconstructionHistory(np.array([s.mean("loss") for s in steps]), np.array(losses), tuple(steps))


def _so_far(
    model: keras.Model, rng: np.random.Generator, steps: list[keras_steps.Steps], losses: list[float]
) -> Arrays:
    state = states.of_training(model, rng)
    return {**state, **states.of_steps(steps), "val_loss": np.array(losses)}


def _begun(
    model: keras.Model, rng: np.random.Generator, keeper: Keeper
) -> tuple[list[keras_steps.Steps], list[float]]:
    found = keeper.get()
    if found is None:
        return [], []
    states.restore_training(model, rng, found)
    return states.to_steps(found), found["val_loss"].tolist()


def reconstruct(model: Autoencoder, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Send images (n, 28, 28) through the autoencoder: (n, 28, 28) float32 in [0, 1]."""
    return keras_steps.predict(model.whole, images, prepare=normalise)[..., 0].astype(np.float32)


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
        From `encode`, in the order of ``data.images``; float16 is widened within each step, a memory map is
        read batch by batch.
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
    prepare: typing.Callable[[NDArray[np.generic]], NDArray[np.floating]],
    data: Labelled,
    *,
    epochs: int,
    batch: int,
    rng: np.random.Generator,
    patience: int | None = None,
    keeper: Keeper = NOTHING,
) -> fits.Epochs:
    targets = keras_steps.one_hot(data.labels)  # (n, 10)

    def batches() -> Iterator[tuple[NDArray[np.floating], NDArray[np.float32]]]:
        for pick in keras_steps.index_batches(len(data.train), batch, 1, rng):
            rows = data.train[pick]
            yield prepare(inputs[rows]), targets[rows]

    def held_out() -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.integer]]:
        rows = data.validation
        # rows are looked up chunk by chunk: taking them at once would copy a fifth of the features
        labels = data.labels[rows]
        found = keras_steps.classify(model, rows, labels, prepare=lambda chunk: prepare(inputs[chunk]))
        return (*found, labels)

    return fits.fit(model, batches, epochs, held_out, patience=patience, rng=rng, keeper=keeper)


def evaluate(classifier: Classifier, images: NDArray[np.uint8], labels: NDArray[np.integer]) -> Outcome:
    """Predict images (n, 28, 28); scoring is left to whoever reads the result (tables 1 and 2)."""
    keras_steps.check_digits(images, labels)
    return _outcome(labels, *keras_steps.classify(classifier.whole, images, labels, prepare=normalise))


def _outcome(
    labels: NDArray[np.integer], probabilities: NDArray[np.float32], losses: NDArray[np.float64]
) -> Outcome:
    return Outcome(labels.astype(np.int64), probabilities.argmax(axis=1), probabilities, losses)


def first_indices(outcome: Outcome, *, right: bool, count: int = 9) -> NDArray[np.int64]:
    """Positions of the first images predicted rightly or wrongly: at most `count` (figures 16 and 17)."""
    return np.flatnonzero((outcome.predicted == outcome.labels) == right)[:count]


def run(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    test_images: NDArray[np.uint8],
    test_labels: NDArray[np.integer],
    settings: Settings,
    *,
    seed: int,
    feature_path: Path | None = None,
) -> Run:
    """Run the source from images to predictions; the seed decides split, initial weights and orders."""
    data = divide(images, labels, seed=seed)
    rng = keras_steps.seed_everything(seed)
    model = network.build_autoencoder(settings.policy, settings.momentum)
    reconstruction = train_autoencoder(model, data, settings, rng=rng)
    reconstructions = reconstruct(model, test_images[:9])
    features = encode(model.encoder, images, settings.feature_dtype, path=feature_path)
    classifier = network.build_classifier(model.encoder, settings.dense)
    network.freeze(classifier, frozen=True)
    frozen = train_head(
        classifier.head, features, data, epochs=settings.frozen_epochs, batch=settings.batch, rng=rng
    )
    frozen_outcome = evaluate(classifier, test_images, test_labels)
    tuning = fine_tune(classifier, data, epochs=settings.tuning_epochs, batch=settings.batch, rng=rng)
    outcome = evaluate(classifier, test_images, test_labels)
    return Run(outcome, frozen_outcome, reconstruction, frozen, tuning, features.nbytes, reconstructions)


def sweep(
    features: NDArray[np.floating], data: Labelled, settings: Iterable[Setting], *, seed: int
) -> Iterator[Point]:
    """Train one new head a setting on cached features; every setting starts from the same seed.

    Yields each point when it is finished, so the caller can keep it; a sweep that was stopped goes on when it
    is called with the settings that are left. Only the first stage is swept: the second would train the
    encoder, and there would be nothing to cache.
    """
    for setting in settings:
        rng = keras_steps.seed_everything(seed)
        head = network.build_head(setting.dense)
        history = train_head(head, features, data, epochs=setting.epochs, batch=setting.batch, rng=rng)
        labels = data.labels[data.validation]
        found = keras_steps.classify(head, data.validation, labels, prepare=lambda chunk: features[chunk])
        yield Point(setting, history, _outcome(labels, *found), head)
