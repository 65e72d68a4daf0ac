"""The four variants: build, train, predict (section 3), and the shuffled-iterator mistake under its own name.

Not printed, so assumed: the ranges of augmentation (`ASSUMED`), no dropout beside augmentation,
and test images left unaugmented. Printed in the index: pixels stay 0 to 255 (rescale=1), Adam's defaults,
batch 64.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np

from harness.sources.keras import fits, steps

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    from numpy.typing import NDArray

    from harness.sources.digits1000_cnn.pipeline.folders import Part

BATCH_SIZE = 64


@dataclass(frozen=True, slots=True)
class Ranges:
    """How far an image may be changed."""

    flip: bool
    """Mirror left and right with probability one half."""
    degrees: float
    """Turn by up to this angle, either way."""
    shift: float
    """Shift rows and columns by up to this share of the side, either way."""


ASSUMED = Ranges(flip=True, degrees=10.0, shift=0.1)
"""Not printed by the source: an assumption."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One of the source's configurations."""

    name: str
    """Slug."""
    epochs: int
    """Passes over the training images."""
    filters: tuple[int, int, int] = (32, 64, 128)
    """Feature maps of the three convolutions."""
    padding: str = "valid"
    """Keras padding of the convolutions."""
    dropout: float = 0.0
    """Share of connections switched off after each convolution."""
    augmented: Ranges | None = None
    """How far training images are changed at random, each epoch anew; None leaves them."""
    shuffled: bool = True
    """Whether training order is drawn anew each epoch; else batches are sorted by class."""


VARIANTS = (
    Variant("baseline", epochs=8),
    Variant("dropout", epochs=8, dropout=0.2),
    Variant("augmentation", epochs=8, filters=(64, 128, 256), padding="same", augmented=ASSUMED),
    Variant("final", epochs=12, padding="same", shuffled=False),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Predictions of the test part with the labels and files they belong to."""

    labels: NDArray[np.int64]
    """(n_test,) true classes, in file order."""
    predicted: NDArray[np.int64]
    """(n_test,) predicted classes in that order."""
    probabilities: NDArray[np.float32]
    """(n_test, 10) softmax outputs in that order."""
    losses: NDArray[np.float64]
    """(n_test,) cross-entropy of each image."""
    history: fits.Epochs
    """One row an epoch (figures 3 to 5); held out is the test part, as in the source."""


@dataclass(frozen=True, slots=True)
class Misaligned:
    """What the source's first three variants set side by side: two arrays in different orders."""

    labels: NDArray[np.int64]
    """(n,) true classes in file order."""
    label_indices: NDArray[np.int64]
    """(n,) which image each label belongs to: 0 to n - 1."""
    predicted: NDArray[np.int64]
    """(n,) predicted classes in the order of the shuffled pass."""
    predicted_indices: NDArray[np.int64]
    """(n,) which image each prediction belongs to."""
    losses: NDArray[np.float64]
    """(n,) cross-entropy of each image from the pass where labels travel along: what validation reports."""
    hits: NDArray[np.bool_]
    """(n,) whether that pass was right; their mean is the accuracy printed beside the chance matrix."""


def build(variant: Variant) -> keras.Model:
    """Build the network of tables 1 and 2: 28x28x3 to 10 classes."""
    import keras
    from keras import layers

    stack: list[keras.Layer] = [layers.Input((28, 28, 3))]
    for filters in variant.filters:
        stack.append(layers.Conv2D(filters, 3, activation="relu", padding=variant.padding))
        stack.append(layers.MaxPooling2D(2))
        if variant.dropout:
            stack.append(layers.Dropout(variant.dropout))
    logits = layers.Dense(10, name=steps.LOGITS)
    head = [layers.Flatten(), layers.Dense(512, activation="relu"), logits, layers.Softmax()]
    return keras.Sequential([*stack, *head])


def train(
    model: keras.Model, variant: Variant, training: Part, testing: Part, *, rng: np.random.Generator
) -> fits.Epochs:
    """Train in place for the variant's epochs, looking at the test part after each, as the source does."""
    trainer = steps.trainer_of(model)
    return fits.fit(
        trainer,
        lambda: _batches(variant, training, rng),
        variant.epochs,
        lambda: fits.graded(*steps.classify(trainer, testing.images, testing.labels), testing.labels),
    )


def _batches(
    variant: Variant, part: Part, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    order = rng if variant.shuffled else None
    for picks in steps.index_batches(len(part.labels), BATCH_SIZE, 1, order):
        images = part.images[picks].astype(np.float32)  # (batch, 28, 28, 3)
        targets = steps.one_hot(part.labels[picks])  # (batch, 10)
        yield (augment(images, rng, variant.augmented) if variant.augmented else images), targets


def augment(
    images: NDArray[np.floating], rng: np.random.Generator, ranges: Ranges = ASSUMED
) -> NDArray[np.float32]:
    """Change each image at random, the same way on every backend: Keras 3 has no ``ImageDataGenerator``.

    The source names the kinds (horizontal flip, rotation, width and height shift). As in that class, values between pixels are interpolated
    linearly, and what enters from outside repeats the nearest edge pixel.

    Parameters
    ----------
    images : (n, side, side, channels) array
    rng : numpy.random.Generator
    ranges : Ranges

    Returns
    -------
    (n, side, side, channels) float32 array, within the range of values of each image
    """
    count, side = images.shape[:2]
    angles = np.deg2rad(rng.uniform(-ranges.degrees, ranges.degrees, count))
    shifts = rng.uniform(-ranges.shift, ranges.shift, (count, 2)) * side
    mirrored = np.logical_and(rng.random(count) < 0.5, ranges.flip)  # (n,)
    changed = np.empty(images.shape, np.float32)
    for row, image in enumerate(images):
        changed[row] = _move(image[:, ::-1] if mirrored[row] else image, angles[row], shifts[row])
    return changed


def _move(image: NDArray[np.floating], angle: float, shift: NDArray[np.floating]) -> NDArray[np.floating]:
    from scipy.ndimage import affine_transform

    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - turn @ centre + shift
    layers = np.moveaxis(image, -1, 0)  # (channels, side, side)
    channels = [affine_transform(layer, turn, offset, order=1, mode="nearest") for layer in layers]
    return np.stack(channels, axis=-1)  # (side, side, channels)


def evaluate(model: keras.Model, testing: Part, history: fits.Epochs) -> Outcome:
    """Predict the test part in file order; scoring is left to whoever reads the result."""
    trainer = steps.trainer_of(model)
    probabilities, losses = steps.classify(trainer, testing.images, testing.labels)
    return Outcome(
        labels=testing.labels,
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        losses=losses,
        history=history,
    )


def run(variant: Variant, training: Part, testing: Part, *, seed: int) -> tuple[keras.Model, Outcome]:
    """Train and predict one variant; the seed decides initial weights, orders and augmentation."""
    rng = steps.seed_everything(seed)
    model = build(variant)
    history = train(model, variant, training, testing, rng=rng)
    return model, evaluate(model, testing, history)


def misaligned(model: keras.Model, testing: Part, *, seed: int) -> Misaligned:
    """Repeat the source's mistake: predict over a shuffled iterator, then read the classes in file order.

    The returned labels and predictions do not belong together, by design: a score from them is chance, while
    the losses and hits of the same pass are fine. That is the contradiction of figures 3 and 4, between an
    accuracy of 0.8833 and a confusion matrix of 8 percent.
    """
    count = len(testing.labels)
    order = np.random.default_rng(seed).permutation(count)
    travelling = testing.labels[order]
    trainer = steps.trainer_of(model)
    probabilities, losses = steps.classify(trainer, testing.images[order], travelling)
    predicted = probabilities.argmax(axis=1)
    return Misaligned(
        labels=testing.labels,
        label_indices=np.arange(count),
        predicted=predicted,
        predicted_indices=order,
        losses=losses,
        hits=predicted == travelling,
    )
