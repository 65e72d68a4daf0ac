"""The kernels: a fast way, the plain way of doing the same, and a check that both give the same result.

A kernel's factory does the set-up once and returns a `Pair`; asv (`benchmarks.asv_kernels`), pytest-benchmark
(``pytest benchmarks/``) and ``python -m benchmarks`` share these bodies. Factories take the data, so that asv loads it once.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import os
import typing
from pathlib import Path

import numpy as np

from benchmarks.pairs import Data, Pair
from harness.errors import MissingExtraError

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    import keras

    from benchmarks.pairs import Result


def stacked_logreg(data: Data, plain_dtype: str = "float64", wanted: float = 20.0) -> Pair:
    """Mini-batch SGD of 10 folds and 3 learning rates: stacked float32 products against one model after the other.

    The plain loop runs in float64, the dtype of the source's NumPy code, or in float32 to show what of the gain is stacking alone.
    """
    from harness.sources.kmnist_svd_logreg import pipeline
    from harness.sources.kmnist_svd_logreg.pipeline.plain import train_fold

    pair = pipeline.select_pair(data.images, data.labels, 0, 6)
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
        return _gap(fast().weights[0, 0], plain()[0])

    name = f"logistic regression, per model and epoch (plain loop in {plain_dtype})"
    what = f"{data.name} 0 and 6, {len(design):,} images, batch 32, 10 folds x 3 rates"
    return Pair(name, what, fast, plain, difference, allowed=1e-5, work=(30.0, 1.0), wanted=wanted)


def batched_svd(data: Data, count: int = 4000) -> Pair:
    """Rank-8 factors of every image: one batched decomposition against NumPy's SVD in a loop."""
    from harness.sources.kmnist_svd_logreg import pipeline

    chosen = data.images[:count]

    def fast() -> Result:
        return pipeline.compress(chosen, 8).reconstruct()

    def plain() -> Result:
        rebuilt = []
        for image in chosen.astype(np.float64):
            u, s, vt = np.linalg.svd(image, full_matrices=False)
            rebuilt.append((u[:, :8] * s[:8]) @ vt[:8])
        return np.stack(rebuilt)

    what = f"{data.name}, {len(chosen):,} images, k = 8"
    return Pair(
        "truncated SVD of every image", what, fast, plain, lambda: _gap(fast(), plain()), allowed=1e-2
    )


def tinyconvnet_epoch(data: Data, count: int = 60_000) -> Pair:
    """One training epoch on tensors held in memory against torchvision's dataset with a DataLoader."""
    from harness.sources.tinyconvnet_svd import pipeline
    from harness.sources.tinyconvnet_svd.pipeline.plain import train_plain

    images, labels = data.images, data.labels
    # ten test images: the evaluation after the epoch is no part of what is compared
    many = (images[:count], labels[:count], images[:10], labels[:10])
    few = (images[:640], labels[:640], images[:10], labels[:10])

    def difference() -> float:
        ours = pipeline.train(*few, epochs=1, seed=0, device="cpu")
        theirs = train_plain(*few, epochs=1, seed=0)
        return _gap(ours.weights.conv1, theirs.weights.conv1)

    fast = functools.partial(pipeline.train, *many, epochs=1, seed=0, device="cpu")
    plain = functools.partial(train_plain, *many, epochs=1, seed=0)
    what = f"{data.name}, {len(many[0]):,} images, batch 64"
    return Pair("TinyConvNet, one epoch", what, fast, plain, difference, allowed=1e-5, wanted=2.0)


def interpolation_operator(data: Data, count: int = 4000) -> Pair:
    """Pooling and interpolation as one linear operator against SciPy's spline per image."""
    from harness.sources.mnist_interpolation.pipeline import CASES, plain, resample

    chosen = data.images[:count]

    def fast() -> Result:
        return resample(chosen, CASES[2])

    def plainly() -> Result:
        return plain.resample(chosen, 2, 2)

    name, what = "average-pool down, interpolate up", f"{data.name}, {len(chosen):,} images, window 2, step 2"
    return Pair(name, what, fast, plainly, lambda: _gap(fast(), plainly()), allowed=1e-3, wanted=10.0)


def cached_head(data: Data, count: int = 4000) -> Pair:
    """One epoch of the classifier's head on cached features against the same epoch through the frozen encoder."""
    from harness.sources.mnist_autoencoder import pipeline

    chosen = data.images[:count]
    divided = pipeline.divide(chosen, data.labels[:count], seed=0)
    encoder = pipeline.build_autoencoder().encoder
    features = pipeline.encode(encoder, chosen)
    pairs = [pipeline.build_classifier(encoder) for _ in range(2)]
    pairs[1].head.set_weights(pairs[0].head.get_weights())

    def fast() -> Result:
        return pipeline.train_head(
            pairs[0].head, features, divided, epochs=1, batch=256, rng=np.random.default_rng(0)
        )

    def plain() -> Result:
        return pipeline.train_through_encoder(
            pairs[1], divided, epochs=1, batch=256, rng=np.random.default_rng(0)
        )

    def difference() -> float:
        fast(), plain()
        ours, theirs = (pair.head.get_weights() for pair in pairs)
        return max(map(_gap, ours, theirs))

    name = "classifier head, one epoch with the encoder frozen"
    what = f"{data.name}, {len(chosen):,} images, batch 256, float32 features"
    return Pair(name, what, fast, plain, difference, allowed=1e-4, wanted=3.0)


def half_features(data: Data, count: int = 8000) -> Pair:
    """One epoch of the classifier's head on float16 features: widened within the training step against by NumPy before it."""
    from harness.sources.keras import steps
    from harness.sources.mnist_autoencoder import pipeline

    chosen = data.images[:count]
    divided = pipeline.divide(chosen, data.labels[:count], seed=0)
    encoder = pipeline.build_autoencoder().encoder
    features = pipeline.encode(encoder, chosen, "float16")
    targets = steps.one_hot(divided.labels)
    heads = [pipeline.build_classifier(encoder).head for _ in range(2)]
    heads[1].set_weights(heads[0].get_weights())

    def epoch(head: keras.Model, dtype: str) -> Result:
        picks = steps.index_batches(len(divided.train), 256, 1, np.random.default_rng(0))
        rows = (divided.train[pick] for pick in picks)
        return steps.train(head, ((np.asarray(features[row], dtype), targets[row]) for row in rows))

    def fast() -> Result:
        return epoch(heads[0], "float16")

    def plain() -> Result:
        return epoch(heads[1], "float32")

    def difference() -> float:
        fast(), plain()
        ours, theirs = (head.get_weights() for head in heads)
        return max(map(_gap, ours, theirs))

    name = "classifier head, one epoch on float16 features (plain: widened by NumPy)"
    return Pair(name, f"{data.name}, {len(chosen):,} images, batch 256", fast, plain, difference)


def im2col(data: Data, count: int = 500) -> Pair:
    """Every 3x3 patch as a column: one strided view against a loop over places."""
    from harness.sources.tinyconvnet_svd.pipeline import images

    features = images.normalise(data.images[:count])  # (n, 1, 28, 28)

    def fast() -> Result:
        return images.im2col(features)

    def plain() -> Result:
        n, channels, height, width = features.shape
        places = [(row, column) for row in range(height - 2) for column in range(width - 2)]
        columns = np.empty((n, 9 * channels, len(places)), features.dtype)
        for index, (row, column) in enumerate(places):
            columns[:, :, index] = features[:, :, row : row + 3, column : column + 3].reshape(n, -1)
        return columns  # (n, 9 c, places)

    name, what = "every 3x3 patch as a column (im2col)", f"{data.name}, {len(features):,} images"
    return Pair(name, what, fast, plain, lambda: _gap(fast(), plain()))


def _gap(one: Result, other: Result) -> float:
    return float(np.abs(one - other).max())


FACTORIES: dict[str, Callable[[Data], Pair]] = {
    "stacked_logreg": stacked_logreg,
    "stacked_logreg_float32": functools.partial(stacked_logreg, plain_dtype="float32", wanted=1.0),
    "batched_svd": batched_svd,
    "im2col": im2col,
    "tinyconvnet_epoch": tinyconvnet_epoch,
    "interpolation_operator": interpolation_operator,
    "cached_head": cached_head,
    "half_features": half_features,
}
JUDGING = ("decision",)
"""Kernels of `benchmarks.judging`, imported when asked for: an older commit whose harness has no gate can still be measured."""
NAMES = (*FACTORIES, *JUDGING)
FRAMEWORKS = {"tinyconvnet_epoch": "torch", "cached_head": "keras", "half_features": "keras"}
"""What a kernel imports; no process may hold kernels of two."""
ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "GOMP_SPINCOUNT": "20000"}
"""Variables that a process which measures kernels needs before it imports a framework."""


def make(name: str, data: Data) -> Pair:
    """Set up a kernel in this process.

    Raises
    ------
    MissingExtraError
        If its framework is not installed.
    """
    for variable, value in ENVIRONMENT.items():
        os.environ.setdefault(variable, value)
    framework = FRAMEWORKS.get(name)
    if framework and importlib.util.find_spec(framework) is None:
        step = f"Type: python -m pip install 'report-harness[{framework}]'"
        raise MissingExtraError(f"kernel {name} needs {framework}, which is not installed", step)
    factory = (
        getattr(importlib.import_module("benchmarks.judging"), name) if name in JUDGING else FACTORIES[name]
    )
    return typing.cast("Pair", factory(data))


def body(name: str) -> str:
    """Return the source text that decides what a kernel does."""
    if name in JUDGING:
        return Path(__file__).with_name("judging.py").read_text(encoding="utf-8")
    factory = FACTORIES[name]
    return inspect.getsource(getattr(factory, "func", factory))
