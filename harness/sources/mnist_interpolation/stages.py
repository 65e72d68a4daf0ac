"""Metrics, identities and figures of the scenario `mnist_interpolation`; imported in the worker only."""

from __future__ import annotations

import typing

import numpy as np

from harness.measure.bounds import SAFETY, gamma
from harness.records import IdentityCheck
from harness.sources.keras import stages
from harness.sources.mnist_interpolation import pipeline
from harness.sources.mnist_interpolation.pipeline import plain

if typing.TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from harness.data import Dataset
    from harness.measure.run import Run

    Images = NDArray[np.uint8]

CHECKED = 64
"""Images that are held against SciPy's spline."""


def whole_set(data: Dataset) -> tuple[Images, NDArray[np.int64]]:
    """Join both halves, as the source does before it splits anew: (n, 28, 28) and (n,)."""
    images = np.concatenate([data.train.images, data.test.images])
    return images, np.concatenate([data.train.labels, data.test.labels]).astype(np.int64)


def case_of(name: str) -> pipeline.Case:
    """Return the case called `name`; KeyError if there is none."""
    return {case.name: case for case in pipeline.CASES}[name]


def results(run: Run, repeat: pipeline.Repeat, model: keras.Model, images: Images) -> None:
    """Store the test part's predictions, with the original images, and what the training tells."""
    run.predictions(
        repeat.labels, repeat.predicted, probabilities=repeat.probabilities, images=images[repeat.test_indices],
        weights=model.get_weights(),
    )  # fmt: skip
    run.record("training_objective", repeat.history.mean("loss"))
    stages.step_times(run, [repeat.history])
    stages.first_losses(run, [repeat.history])
    stages.optimiser_steps(run, [repeat.history])


def facts(run: Run, images: Images, classes: int, case: pipeline.Case, model: keras.Model, data: pipeline.Split) -> None:  # fmt: skip
    """Record what the source states of data, split, stored sizes and network, read from what was built."""
    layers, size, train = stages.layers_of(model), images.shape[-1], data.train / len(data.labels)
    # what the pooled images weigh when each value is kept in a byte
    side, small = case.side(size), pipeline.store(images, case)
    stages.sizes(
        run,
        {
            "data.images": len(images),
            "data.classes": classes,
            "data.image_shape": images.shape[1:],
            "pooling.window": (case.window, case.window),
            "pooling.step": (case.step, case.step),
            "input_shape": model.input_shape[1:3],
            "output_shape": (1, *model.output_shape[1:]),
            "filters": layers.filters,
            "kernel": layers.kernel,
            "pool": layers.pool,
            "dense": layers.dense,
            "train_share": train,
            "test_share": 1 - train,
            "stored.side": side,
            "stored.pixels": side**2,
            "stored.share": side**2 / size**2,
            "stored.bytes": small.nbytes,
            "stored.byte_share": small.nbytes / images.nbytes,
        },
    )


def identity(run: Run, images: Images, case: pipeline.Case) -> None:
    """Hold the one linear operator against pooling and SciPy's spline, image by image.

    Every row of both matrices is positive and sums to 1, so each of the two products of length `size` is off by
    at most ``gamma(size)`` of the brightest pixel, and forming the operator by as much again.
    """
    sample = images[:CHECKED]
    ours = pipeline.resample(sample, case).astype(np.float64)
    theirs = sample if case.is_baseline else plain.resample(sample, case.window, case.step)
    size, unit = images.shape[-1], float(np.finfo(np.float32).eps) / 2
    tolerance = SAFETY * 3 * gamma(size, unit) * float(sample.max())
    error, formula = float(np.abs(ours - theirs).max()), "M X M^T = spline(pool(X))"
    detail = f"{len(sample)} images, grey levels; float32, u = {unit:.2g}, three products of length {size}"
    run.identity(IdentityCheck(f"{case.name}.operator", error, tolerance, formula, detail))


def examples_figure(run: Run, images: Images, labels: NDArray[np.int64]) -> None:
    """Show one image of each class as it is, pooled, and interpolated back, by case (the source's section V)."""
    chosen = images[stages.first_of_each_class(labels)]
    size, rows, shown = images.shape[-1], ["original"], [chosen.astype(np.float64)]
    for case in pipeline.CASES[1:]:
        pooled = plain.pool_all(chosen, case.window, case.step)  # (classes, q, q)
        blank = np.zeros(chosen.shape)
        blank[:, : pooled.shape[1], : pooled.shape[2]] = pooled
        shown += [blank, pipeline.resample(chosen, case).astype(np.float64)]
        rows += [f"{case.name}: {case.side(size)} x {case.side(size)}", f"{case.name}: interpolated"]
    run.figure(
        "examples", "images", {"grey level": np.clip(np.rint(np.stack(shown)), 0, 255).astype(np.uint8)},
        title="Pooled and interpolated images", rows=rows, columns=[f"class {label}" for label in np.unique(labels)],
        caption="Pooled images stand in the upper left corner of their original's frame. The source interpolates back to 28 x 28.",
    )  # fmt: skip


def history_figures(run: Run, repeat: pipeline.Repeat) -> None:
    """Draw objective, precision, recall and F1 of each training batch (figures 6 to 9), and the accuracy beside."""
    history = repeat.history
    drawn = (
        ("loss", 6, "objective (nat per image)", history.column("loss")),
        ("precision", 7, "precision", history.column("precision")),
        ("recall", 8, "recall", history.column("recall")),
        ("f1", 9, "F1 score", pipeline.f1(history)),
        ("accuracy", None, "share of images", history.column("accuracy")),
    )
    for name, number, unit, values in drawn:
        smooth, batches = _running_mean(values), np.arange(1, len(values) + 1)
        before = len(values) - len(smooth)
        series = {
            "batch": np.stack([batches, values]),
            f"mean of {before + 1} batches": np.stack([batches[before:], smooth]),
        }
        source = f"The source's Figure {number}" if number else "Not drawn by the source"
        run.figure(
            f"history_{name}", "lines", series, title=f"{name.capitalize()} while learning", x="training batch", y=unit,
            caption=f"{source}. Each batch of 32 alone, before its step; precision and recall count outputs above one half.",
        )  # fmt: skip


def _running_mean(values: NDArray[np.float64], width: int = 25) -> NDArray[np.float64]:
    """Mean over each window of at most `width` batches that lies within: (n - width + 1,)."""
    width = min(width, len(values))
    return np.convolve(values, np.full(width, 1 / width), mode="valid")
