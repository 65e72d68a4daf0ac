"""What the stages of the three Keras scenarios share: device, layer facts, time outside steps, figures."""

from __future__ import annotations

import contextlib
import typing

import numpy as np

from harness.sources.keras import fits
from harness.sources.keras import steps as keras_steps

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    import keras
    from numpy.typing import NDArray

    from harness.measure.run import Run

    Images = NDArray[np.uint8]

SHOWN = 9
"""Right and wrong images that are drawn."""


class Layers(typing.NamedTuple):
    """What a built network's own layers say of it."""

    filters: tuple[int, ...]
    """Feature maps of each convolution, in order."""
    kernel: tuple[int, ...]
    """Kernel that all convolutions share; empty without any."""
    pool: tuple[int, ...]
    """Window that all poolings share; empty without any."""
    dense: tuple[int, ...]
    """Units of each dense layer, in order."""
    dropout: float
    """Largest dropout rate; 0 without such a layer."""


@contextlib.contextmanager
def placed(run: Run) -> Iterator[None]:
    """Fix the backend's threads, and build and run everything inside on the run's device."""
    keras_steps.set_threads(run.request.threads)
    with keras_steps.on_device(run.device):
        yield


def predict_given(run: Run, model: keras.Model, predict: Callable[[], NDArray[np.integer]]) -> None:
    """Predict the test images with another run's weights too, if some were given; the model's own are put back."""

    def with_them(weights: list[NDArray[np.floating]]) -> NDArray[np.integer]:
        own = model.get_weights()
        model.set_weights(weights)
        try:
            return predict()
        finally:
            model.set_weights(own)

    run.predict_given(with_them)


def layers_of(*models: keras.Model) -> Layers:
    """Read the layers of flat models; ValueError if convolutions, or poolings, differ in their windows."""
    layers = [layer for model in models for layer in model.layers]
    convolutions = [layer for layer in layers if hasattr(layer, "kernel_size")]
    kernels = {layer.kernel_size for layer in convolutions}
    pools = {layer.pool_size for layer in layers if hasattr(layer, "pool_size")}
    if max(len(kernels), len(pools)) > 1:
        raise ValueError(f"the network has several windows, where one is described: {kernels}, {pools}")
    return Layers(
        filters=tuple(layer.filters for layer in convolutions),
        kernel=next(iter(kernels), ()),
        pool=next(iter(pools), ()),
        dense=tuple(layer.units for layer in layers if hasattr(layer, "units")),
        dropout=max((layer.rate for layer in layers if hasattr(layer, "rate")), default=0.0),
    )


def share_outside(run: Run, steps: Iterable[keras_steps.Steps], stage: str = "train") -> None:
    """Record the share of a training loop's wall time that its steps did not take."""
    taken = list(steps)
    within = sum(float(part.seconds.sum()) for part in taken)
    run.record(f"{stage}.share_outside", 1 - within / sum(part.wall_seconds for part in taken))


def step_times(run: Run, steps: Iterable[keras_steps.Steps], stage: str = "train") -> None:
    """Record the share outside of steps, and how long the very first step, which compiles or traces, and a later one (median) took."""
    taken = list(steps)
    share_outside(run, taken, stage)
    seconds = np.concatenate([part.seconds for part in taken])  # (all steps,)
    run.record(f"{stage}.first_step_seconds", seconds[0])
    if len(seconds) > 1:
        run.record(f"{stage}.step_seconds", np.median(seconds[1:]))


def first_losses(
    run: Run, steps: Iterable[keras_steps.Steps], name: str = "train", dtype: str = "float32"
) -> None:
    """Follow a training by the loss of each step."""
    for taken in steps:
        run.trajectory(taken.column("loss"), name, dtype=dtype)


def optimiser_steps(run: Run, steps: Iterable[keras_steps.Steps]) -> None:
    """Record how many optimiser steps the training took."""
    run.record("optimiser_steps", float(sum(len(taken.seconds) for taken in steps)))


def sizes(run: Run, values: Mapping[str, float | tuple[float, ...]]) -> None:
    """Record counts and shapes, which are no results."""
    for name, value in values.items():
        run.record(name, value)


def class_curves(run: Run, history: fits.Epochs, held_out: str, caption: str, name: str = "") -> None:
    """Draw loss and accuracy over epochs, on training and held-out images."""
    epochs = np.arange(1, len(history.loss) + 1)
    prefix, of = (f"{name}_", f" ({name})") if name else ("", "")
    drawn = (
        ("loss", "cross-entropy (nat per image)", history.loss, history.val_loss),
        ("accuracy", "share of images", history.accuracy, history.val_accuracy),
    )
    for what, unit, training, other in drawn:
        series = {"training": np.stack([epochs, training]), held_out: np.stack([epochs, other])}
        run.figure(
            f"{prefix}{what}", "lines", series, title=f"{what.capitalize()} over epochs{of}", x="epoch", y=unit,
            caption=caption,
        )  # fmt: skip


def first_of_each_class(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the position of the first image of each class that occurs, by class: (classes,)."""
    first: NDArray[np.int64] = np.unique(labels, return_index=True)[1].astype(np.int64)
    return first


def right_and_wrong(
    run: Run, images: Images, predicted: NDArray[np.integer], labels: NDArray[np.integer], caption: str
) -> tuple[int, int]:
    """Draw the first nine images that were predicted rightly, and the first nine wrongly; return how many of each."""
    shown = []
    for title, chosen in (("rightly", predicted == labels), ("wrongly", predicted != labels)):
        rows = np.flatnonzero(chosen)[:SHOWN]
        shown.append(len(rows))
        if not len(rows):
            continue
        read = [
            f"{label} read as {guess}" for label, guess in zip(labels[rows], predicted[rows], strict=True)
        ]
        run.figure(
            f"predicted_{title}", "images", {"grey level": np.asarray(images[rows])[None]},
            title=f"First images predicted {title}", caption=caption, rows=[f"predicted {title}"], columns=read,
        )  # fmt: skip
    return shown[0], shown[1]
