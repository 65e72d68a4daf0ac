"""One case: preprocess, scale, split, train the CNN for one epoch, predict (sections II, IV and V).

Where text and author's code differ or the text is silent, the code is followed: 'valid' convolutions, Adam's
defaults, batch 32, one epoch a repeat. The figures' precision and recall while learning are not defined in
print; they are taken as Keras's own metrics (threshold 0.5, pooled over classes), here of each batch alone.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np

from harness.sources.keras import steps

if typing.TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

TRAIN_SHARE = 0.8
BATCH_SIZE = 32
EPOCHS = 1


@dataclass(frozen=True, slots=True)
class Split:
    """Scaled images in one order, and where the test part begins."""

    images: NDArray[np.float32]
    """(n, 28, 28, 1), standard-scaled per pixel; training images first."""
    labels: NDArray[np.int64]
    """(n,), in the same order."""
    order: NDArray[np.int64]
    """(n,) positions in the set as given."""
    train: int
    """How many of them are for training."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """What one repeat leaves: predictions with the labels they belong to, and its history."""

    test_indices: NDArray[np.int64]
    """(n_test,) positions of the test images in the set as given."""
    labels: NDArray[np.int64]
    """(n_test,) true classes in that order."""
    predicted: NDArray[np.int64]
    """(n_test,) predicted classes in that order."""
    probabilities: NDArray[np.float32]
    """(n_test, 10) softmax outputs in that order."""
    losses: NDArray[np.float64]
    """(n_test,) categorical cross-entropy of each test image."""
    history: steps.Steps
    """accuracy, loss, precision and recall of each training batch; f1 by `f1`."""


def split(
    images: NDArray[np.floating],
    labels: NDArray[np.integer],
    *,
    seed: int,
    fit_on_train_only: bool = False,
) -> Split:
    """Shuffle, divide 80/20 and scale each pixel to mean 0 and variance 1.

    Constant pixels are only centred. The source scales the whole set before the split, which lets test pixels
    into the statistics; `fit_on_train_only` shows the difference.

    Parameters
    ----------
    images : (n, 28, 28) float array
    labels : (n,) integer array
    seed : int
    fit_on_train_only : bool

    Raises
    ------
    ValueError
        If a part of the split would be empty.
    """
    from sklearn.preprocessing import StandardScaler

    train = round(TRAIN_SHARE * len(images))
    if not 0 < train < len(images):
        raise ValueError(f"{len(images)} images cannot be divided 80/20; give at least 3.")
    order = np.random.default_rng(seed).permutation(len(images))
    # indexing copies, so the caller's images stay as they are
    pixels = images.reshape(len(images), -1).astype(np.float32, copy=False)[order]  # (n, 784)
    scaler = StandardScaler(copy=False).fit(pixels[:train] if fit_on_train_only else pixels)
    scaled = scaler.transform(pixels).reshape(-1, 28, 28, 1)  # (n, 28, 28, 1)
    return Split(scaled, labels[order].astype(np.int64), order, train)


def build() -> keras.Model:
    """Build the network of section IV.B: 28x28x1 to 10 classes, 68,522 weights."""
    import keras
    from keras import layers

    def pair() -> list[keras.Layer]:
        convolutions = [layers.Conv2D(32, 3, activation="relu") for _ in range(2)]
        return [*convolutions, layers.MaxPooling2D(2)]

    dense = [layers.Dense(units, activation="relu") for units in (64, 64, 32, 32)]
    head = [layers.Flatten(), *dense, layers.Dense(10, name=steps.LOGITS), layers.Softmax()]
    return keras.Sequential([layers.Input((28, 28, 1)), *pair(), *pair(), *head])


def precision(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Share of a batch's outputs above one half that are right, 0 if there is none."""
    from keras import ops

    chosen = ops.cast(ops.softmax(logits) > 0.5, "float32")  # (batch, 10)
    return ops.sum(ops.multiply(chosen, targets)) / ops.maximum(ops.sum(chosen), 1.0)


def recall(targets: keras.KerasTensor, logits: keras.KerasTensor) -> keras.KerasTensor:
    """Share of a batch's images whose own class has an output above one half."""
    from keras import ops

    chosen = ops.cast(ops.softmax(logits) > 0.5, "float32")  # (batch, 10)
    return ops.sum(ops.multiply(chosen, targets)) / ops.sum(targets)


def train(
    model: keras.Model,
    data: Split,
    *,
    rng: np.random.Generator,
    epochs: int = EPOCHS,
) -> steps.Steps:
    """Train on the first part of `data`, each epoch in a new order from `rng`."""
    targets = steps.one_hot(data.labels)  # (n, 10)
    picks = steps.index_batches(data.train, BATCH_SIZE, epochs, rng)
    trainer = steps.trainer_of(model, (precision, recall))
    return steps.train(trainer, ((data.images[pick], targets[pick]) for pick in picks))


def evaluate(model: keras.Model, data: Split, history: steps.Steps) -> Repeat:
    """Predict the test part of `data`; scoring is left to whoever reads the result."""
    labels = data.labels[data.train :]
    trainer = steps.trainer_of(model)
    probabilities, losses = steps.classify(trainer, data.images[data.train :], labels)
    return Repeat(
        test_indices=data.order[data.train :],
        labels=labels,
        predicted=probabilities.argmax(axis=1),
        probabilities=probabilities,
        losses=losses,
        history=history,
    )


def f1(history: steps.Steps) -> NDArray[np.float64]:
    """F1 of each training batch from its precision and recall, 0 where both are: (steps,) (figure 9)."""
    precision, recall = history.column("precision"), history.column("recall")
    total = precision + recall
    return np.divide(2.0 * precision * recall, total, out=np.zeros_like(total), where=total > 0)
