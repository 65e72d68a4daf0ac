"""The kernels: a fast way, the plain way of doing the same, and a check that both give the same result.

A kernel's factory does the set-up once and returns a `Pair`; asv, pytest-benchmark and `python -m benchmarks` share these bodies.
"""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np

from harness import datasets
from harness.errors import DataError

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Result = typing.Any


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two ways of doing the same."""

    name: str
    """What is done."""
    data: str
    """On which data."""
    fast: Callable[[], Result]
    """The way the harness does it."""
    plain: Callable[[], Result]
    """The plain way."""
    difference: Callable[[], float]
    """Largest difference between both results, at a size where rounding has no steps to grow over."""
    allowed: float
    """Largest difference that counts as the same result."""
    fast_units: float
    """Units of work that one call of `fast` does."""
    plain_units: float
    """Units of work that one call of `plain` does."""
    unit: str
    """What a unit of work is."""
    wanted: float
    """Ratio that the project asks for."""


def images_and_labels(name: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8], str]:
    """Load a data set's training half, or the embedded digits where it is not here."""
    try:
        data = datasets.load(name)
    except DataError:
        data = datasets.load("digits")
    return np.asarray(data.train.images), np.asarray(data.train.labels), data.name


def stacked_logreg(plain_dtype: str = "float64", wanted: float = 20.0) -> Pair:
    """Mini-batch SGD of 10 folds and 3 learning rates: stacked float32 products against one model after the other.

    The plain loop runs in float64, the dtype of the source's NumPy code, or in float32 to show what of the gain is stacking alone.
    """
    from harness.pipelines import kmnist_svd_logreg as pipeline
    from harness.pipelines.kmnist_svd_logreg.plain import train_fold

    images, labels, name = images_and_labels("mnist")
    pair = pipeline.select_pair(images, labels, 0, 6)
    design = pipeline.design_matrix(pair.images, normalisation="z-score")
    theirs = design.astype(plain_dtype)
    schedule = pipeline.Schedule(pipeline.split_folds(len(design), 10, seed=0), 32, 0)
    # orders are drawn once and shared by a grid's 90 settings; drawing them is no part of a training step
    epochs, rates = 5, (0.1, 0.01, 0.001)
    for epoch in range(epochs):
        schedule.windows(epoch)

    def fast() -> Result:
        return pipeline.train(
            design, pair.targets, schedule, rates, epochs=epochs, stopping="fixed", blas_threads=2
        )

    def plain() -> Result:
        return train_fold(theirs, pair.targets, schedule, rates[0], 0, epochs, "fixed")

    def difference() -> float:
        return float(np.abs(fast().weights[0, 0] - plain()[0]).max())

    return Pair(
        name=f"logistic regression, per model and epoch (plain loop in {plain_dtype})",
        data=f"{name} 0 and 6, {len(design):,} images, batch 32, 10 folds x 3 rates",
        fast=fast,
        plain=plain,
        difference=difference,
        allowed=1e-5,
        fast_units=30.0 * epochs,
        plain_units=1.0 * epochs,
        unit="model-epoch",
        wanted=wanted,
    )


def batched_svd(count: int = 4000) -> Pair:
    """Rank-8 factors of every image: one batched decomposition against NumPy's SVD in a loop."""
    from harness.pipelines import kmnist_svd_logreg as pipeline

    images, _, name = images_and_labels("mnist")
    chosen = images[:count]

    def fast() -> Result:
        return pipeline.compress(chosen, 8, method="gram").reconstruct()

    def plain() -> Result:
        rebuilt = []
        for image in chosen.astype(np.float64):
            u, s, vt = np.linalg.svd(image, full_matrices=False)
            rebuilt.append((u[:, :8] * s[:8]) @ vt[:8])
        return np.stack(rebuilt)

    return Pair(
        name="truncated SVD of every image",
        data=f"{name}, {len(chosen):,} images, k = 8",
        fast=fast,
        plain=plain,
        difference=lambda: float(np.abs(fast() - plain()).max()),
        allowed=1e-2,
        fast_units=float(len(chosen)),
        plain_units=float(len(chosen)),
        unit="image",
        wanted=1.0,
    )


def tinyconvnet_epoch(count: int = 60_000) -> Pair:
    """One training epoch on tensors held in memory against torchvision's dataset with a DataLoader."""
    from harness.pipelines import tinyconvnet_svd as pipeline
    from harness.pipelines.tinyconvnet_svd.plain import train_plain

    images, labels, name = images_and_labels("mnist")
    # ten test images: the evaluation after the epoch is no part of what is compared
    data = (images[:count], labels[:count], images[:10], labels[:10])

    few = (images[:640], labels[:640], images[:10], labels[:10])

    def difference() -> float:
        ours = pipeline.train(*few, epochs=1, seed=0, device="cpu")
        theirs = train_plain(*few, epochs=1, seed=0)
        return float(np.abs(ours.weights.conv1 - theirs.weights.conv1).max())

    return Pair(
        name="TinyConvNet, one epoch",
        data=f"{name}, {len(data[0]):,} images, batch 64",
        fast=functools.partial(pipeline.train, *data, epochs=1, seed=0, device="cpu"),
        plain=functools.partial(train_plain, *data, epochs=1, seed=0),
        difference=difference,
        allowed=1e-5,
        fast_units=1.0,
        plain_units=1.0,
        unit="epoch",
        wanted=2.0,
    )


def interpolation_operator(count: int = 4000) -> Pair:
    """Pooling and interpolation as one linear operator against SciPy's spline per image."""
    from harness.pipelines.mnist_interpolation import CASES, plain, resample

    images, _, name = images_and_labels("mnist")
    chosen = images[:count]

    def fast() -> Result:
        return resample(chosen, CASES[2])

    def plainly() -> Result:
        return plain.resample(chosen, 2, 2)

    return Pair(
        name="average-pool down, interpolate up",
        data=f"{name}, {len(chosen):,} images, window 2, step 2",
        fast=fast,
        plain=plainly,
        difference=lambda: float(np.abs(fast() - plainly()).max()),
        allowed=1e-3,
        fast_units=float(len(chosen)),
        plain_units=float(len(chosen)),
        unit="image",
        wanted=10.0,
    )


def cached_head(count: int = 4000) -> Pair:
    """One epoch of the classifier's head on cached features against the same epoch through the frozen encoder."""
    from harness.pipelines import mnist_autoencoder as pipeline

    images, labels, name = images_and_labels("mnist")
    data = pipeline.divide(images[:count], labels[:count], seed=0)
    encoder = pipeline.build_autoencoder().encoder
    features = pipeline.encode(encoder, images[:count])
    pairs = [pipeline.build_classifier(encoder) for _ in range(2)]
    pairs[1].head.set_weights(pairs[0].head.get_weights())

    def fast() -> Result:
        return pipeline.train_head(
            pairs[0].head, features, data, epochs=1, batch=256, rng=np.random.default_rng(0)
        )

    def plain() -> Result:
        return pipeline.train_through_encoder(
            pairs[1], data, epochs=1, batch=256, rng=np.random.default_rng(0)
        )

    def difference() -> float:
        fast(), plain()
        ours, theirs = (pair.head.get_weights() for pair in pairs)
        return float(max(np.abs(a - b).max() for a, b in zip(ours, theirs, strict=True)))

    return Pair(
        name="classifier head, one epoch with the encoder frozen",
        data=f"{name}, {len(images[:count]):,} images, batch 256, float32 features",
        fast=fast,
        plain=plain,
        difference=difference,
        allowed=1e-4,
        fast_units=1.0,
        plain_units=1.0,
        unit="epoch",
        wanted=3.0,
    )


FACTORIES: dict[str, Callable[[], Pair]] = {
    "stacked_logreg": stacked_logreg,
    "stacked_logreg_float32": functools.partial(stacked_logreg, "float32", 1.0),
    "batched_svd": batched_svd,
    "tinyconvnet_epoch": tinyconvnet_epoch,
    "interpolation_operator": interpolation_operator,
    "cached_head": cached_head,
}
