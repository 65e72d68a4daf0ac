"""What the three Keras pipelines share: seeds, device, a timed training loop, prediction by chunks.

Keras reads ``KERAS_BACKEND`` when it is first imported, so the caller sets it before the process starts;
nothing here asks which backend runs except for the two choices that Keras leaves to its user, compilation and
threads.
"""

from __future__ import annotations

import contextlib
import sys
import time
import typing
from dataclasses import dataclass

import numpy as np

if typing.TYPE_CHECKING:
    import types
    from collections.abc import Callable, Iterable, Iterator, Sequence

    import keras
    from numpy.typing import NDArray

    Batches = Iterable[tuple[NDArray[np.generic], NDArray[np.generic]]]

LOGITS = "logits"
"""Name of the last layer before the softmax in every classifier here."""


@dataclass(frozen=True, slots=True)
class Steps:
    """A training history with one row a step."""

    names: tuple[str, ...]
    """Metric names, e.g. ``("accuracy", "loss")``."""
    values: NDArray[np.float64]
    """Metrics of each batch alone, not running means: (steps, names)."""
    sizes: NDArray[np.int64]
    """Images in each batch: (steps,)."""
    seconds: NDArray[np.float64]
    """Wall time of each training step: (steps,)."""
    wall_seconds: float
    """Wall time of the whole loop, batch preparation and bookkeeping included."""

    def column(self, name: str) -> NDArray[np.float64]:
        """Return one metric: (steps,)."""
        return self.values[:, self.names.index(name)]

    def mean(self, name: str) -> float:
        """Return one metric's mean over the images of all batches."""
        return float(np.average(self.column(name), weights=self.sizes))

    @property
    def share_outside(self) -> float:
        """Share of the wall time spent outside training steps, between 0 and 1."""
        return 1.0 - float(self.seconds.sum()) / self.wall_seconds


def seed_everything(seed: int) -> np.random.Generator:
    """Seed Keras (initial weights, dropout) and return an independent generator for splits and orders."""
    import keras

    with _without_tensorflow():
        keras.utils.set_random_seed(seed)
    return np.random.default_rng(np.random.SeedSequence(entropy=seed, spawn_key=(1,)))


@contextlib.contextmanager
def _without_tensorflow() -> Iterator[None]:
    """Hide TensorFlow from Keras on another backend, from the first seed on.

    Keras would import it only to seed it as well, and beside torch it aborts the process. What cannot be
    imported once, Keras takes as not installed from then on, when it saves and loads models too.
    """
    import keras

    hidden = keras.backend.backend() != "tensorflow" and "tensorflow" not in sys.modules
    if hidden:
        sys.modules["tensorflow"] = typing.cast("types.ModuleType", None)  # makes importing it fail
    try:
        yield
    finally:
        if hidden:
            del sys.modules["tensorflow"]


def set_threads(threads: int) -> None:
    """Fix the number of compute threads; call it before the first operation.

    JAX has no such switch: there the number of processor cores that the process may use decides.
    """
    import keras

    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    elif keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)


def on_device(device: str) -> contextlib.AbstractContextManager[object]:
    """Place what is built and run inside on ``"cpu"`` or ``"cuda"``."""
    import keras

    # torch takes "cpu:0" for another device than "cpu": every use of a weight would copy it and cut its gradient
    cpu = "cpu" if keras.backend.backend() == "torch" else "cpu:0"
    name = cpu if device == "cpu" else "gpu:0"
    return typing.cast("contextlib.AbstractContextManager[object]", keras.device(name))


def compile_jit() -> bool:
    """Say whether to compile through XLA: JAX needs it, TensorFlow takes half as long without on a CPU."""
    import keras

    return bool(keras.backend.backend() == "jax")


def trainer_of(model: keras.Model, metrics: Sequence[Callable[..., object]] = ()) -> keras.Model:
    """Compile the part of a classifier that ends before its softmax; it shares the weights.

    The sources train through the softmax. Keras on TensorFlow then finds the logits behind it; on torch and
    JAX it takes the logarithm of clipped probabilities, whose gradient is zero once the softmax saturates:
    with pixels from 0 to 255 those backends never left chance. Training on logits is what TensorFlow does, on
    every backend.
    """
    import keras

    trainer = keras.Model(model.inputs[0], model.get_layer(LOGITS).output)
    compile_logits(trainer, metrics)
    return trainer


def compile_logits(model: keras.Model, metrics: Sequence[Callable[..., object]] = ()) -> None:
    """Compile, in place, a model that ends in logits: Adam's defaults, categorical cross-entropy."""
    import keras

    loss = keras.losses.CategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy", *metrics], jit_compile=compile_jit())


def one_hot(labels: NDArray[np.integer]) -> NDArray[np.float32]:
    """Turn digits (n,) into float32 rows (n, 10)."""
    rows: NDArray[np.float32] = np.eye(10, dtype=np.float32)[labels]
    return rows


def index_batches(
    count: int, size: int, epochs: int, rng: np.random.Generator | None
) -> Iterator[NDArray[np.int64]]:
    """Yield index arrays of at most `size`, each epoch in a new order from `rng`, or ascending if None."""
    for _ in range(epochs):
        order = np.arange(count) if rng is None else rng.permutation(count)
        for start in range(0, count, size):
            yield order[start : start + size]


def train(model: keras.Model, batches: Batches) -> Steps:
    """Take one optimiser step a batch and record each batch's own metrics and time.

    Parameters
    ----------
    model : keras.Model
        Compiled model; it is changed in place.
    batches : iterable of (inputs, targets)
        Read lazily: what it costs to make a batch counts as time outside the step.

    Raises
    ------
    ValueError
        If there is no batch.
    """
    rows: list[dict[str, float]] = []
    seconds: list[float] = []
    sizes: list[int] = []
    begin = time.perf_counter()
    for inputs, targets in batches:
        before = time.perf_counter()
        rows.append(model.train_on_batch(inputs, targets, return_dict=True))
        seconds.append(time.perf_counter() - before)
        sizes.append(len(inputs))
    if not rows:
        raise ValueError("There is no batch to train on; give at least one image.")
    names = tuple(sorted(rows[0]))
    values = np.array([[float(row[name]) for name in names] for row in rows])  # (steps, names)
    return Steps(names, values, np.array(sizes), np.array(seconds), time.perf_counter() - begin)


def predict(
    model: keras.Model,
    inputs: NDArray[np.generic],
    *,
    batch_size: int = 256,
    prepare: Callable[[NDArray[np.generic]], NDArray[np.floating]] | None = None,
    dtype: str = "float32",
) -> NDArray[np.floating]:
    """Run the model in inference mode on (n, ...) inputs by chunks, each turned by `prepare` into what the model takes."""
    if not len(inputs):
        raise ValueError("There is no image to predict; give at least one.")
    outputs: NDArray[np.floating] | None = None
    for start in range(0, len(inputs), batch_size):
        chunk = inputs[start : start + batch_size]
        found = _predicted(model, chunk if prepare is None else prepare(chunk))
        if outputs is None:
            # filled in place: gathering the chunks first would hold the outputs twice
            outputs = np.empty((len(inputs), *found.shape[1:]), dtype)
        outputs[start : start + len(chunk)] = found
    return typing.cast("NDArray[np.floating]", outputs)


def _predicted(model: keras.Model, chunk: NDArray[np.generic]) -> NDArray[np.float32]:
    return np.asarray(model.predict_on_batch(chunk), dtype=np.float32)


def log_softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logarithms of the class probabilities, in float64 and without overflow: (n, 10)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)  # (n, 10)
    logs: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))  # (n, 10)
    return logs


def classify(
    trainer: keras.Model,
    images: NDArray[np.generic],
    labels: NDArray[np.integer],
    *,
    prepare: Callable[[NDArray[np.generic]], NDArray[np.floating]] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Predict images with a model of `trainer_of`.

    Returns
    -------
    probabilities : (n, 10) float32 array
    losses : (n,) float64 array
        Cross-entropy of each image from its logits, not clipped.
    """
    logs = log_softmax(predict(trainer, images, prepare=prepare))  # (n, 10)
    return np.exp(logs).astype(np.float32), -logs[np.arange(len(labels)), labels]


def check_digits(images: NDArray[np.generic], labels: NDArray[np.generic]) -> None:
    """Refuse anything but digits 0 to 9 with uint8 images of 28x28.

    Raises
    ------
    TypeError, ValueError
        If a dtype, or a shape, the number of labels or a label is wrong.
    """
    if images.dtype != np.uint8 or not np.issubdtype(labels.dtype, np.integer):
        raise TypeError(f"images must be uint8 and labels integers, not {images.dtype} and {labels.dtype}.")
    if images.ndim != 3 or images.shape[1:] != (28, 28) or labels.shape != (len(images),):
        raise ValueError(
            f"images and labels must have shapes (n, 28, 28) and (n,), not {images.shape} and {labels.shape}."
        )
    if not len(labels) or int(labels.min()) < 0 or int(labels.max()) > 9:
        raise ValueError("labels must be digits 0 to 9, and there must be at least one.")
