"""Scenario: a Keras autoencoder, then a classifier on its encoder (V.-M. Panagakis).

Not printed: optimiser (Adam), patience (5 epochs, back to the best weights) and the swept settings beside the best. The first fit trains on features
computed once and kept as float16, half the bytes of the computation's float32 (`float32-features` shows what that changes).
"""

from __future__ import annotations

import typing

from harness.records import Metric, Scenario, Variant
from harness.records.metrics import facts
from harness.sources.keras.metrics import KERAS_METRICS
from harness.sources.mnist_autoencoder.published import EXPECTATIONS, SOURCE

if typing.TYPE_CHECKING:
    from harness.measure.run import Run
    from harness.records import Tier

MODEL = {
    "dataset": "mnist",
    "limit": None,
    "autoencoder_epochs": 40,
    "autoencoder_batch": 64,
    "dense": 128,
    "batch": 256,
    "frozen_epochs": 100,
    "tuning_epochs": 100,
    "policy": "float32",
    "feature_dtype": "float16",
    "sweep": False,
    "sweep_epochs": 100,
}
SMOKE = {
    "dataset": "mnist-excerpt",
    "limit": 2000,
    "autoencoder_epochs": 1,
    "autoencoder_batch": 16,
    "autoencoder_images": 320,
    "reconstructed": 100,
    "momentum": 0.9,
    "batch": 64,
    "frozen_epochs": 3,
    "tuning_epochs": 4,
    "sweep_epochs": 2,
}
"""20 steps of the autoencoder, 75 of the head and 100 of the whole: batch normalisation follows with a momentum of 0.9, not of 0.99.

Batches of 64 rather than twice as many of 32: the accuracy then spreads over seeds by 0.6 points rather than 1.6.
"""
SHORT = {
    "limit": 6000,
    "autoencoder_epochs": 1,
    "autoencoder_batch": 32,
    "batch": 32,
    "frozen_epochs": 5,
    "tuning_epochs": 4,
    "sweep_epochs": 20,
}
"""Small batches on a tenth of the images: enough steps for those averages."""
TIERS: dict[Tier, dict[str, typing.Any]] = {
    "smoke": {**MODEL, **SMOKE},
    "short": {**MODEL, **SHORT},
    "paper": MODEL,
}


def measure(run: Run) -> None:
    """Train the autoencoder, cache its features, then train the classifier in two fits, or sweep the first."""
    from harness.sources.keras import stages as keras_stages
    from harness.sources.keras import steps
    from harness.sources.mnist_autoencoder import pipeline, stages

    dataset, settings = run.dataset(run.options["dataset"]), stages.settings_of(run.options)
    first = slice(run.options["limit"])
    data = pipeline.divide(dataset.train.images[first], dataset.train.labels[first], seed=run.seed)
    stages.facts(run, dataset)
    with keras_stages.placed(run):
        rng = steps.seed_everything(run.seed)
        model, features = stages.encoder(run, data, dataset.test.images, settings, rng)
        if run.options["sweep"]:
            stages.sweep(run, model, features, data, dataset.test)
        else:
            stages.classifier(run, model, features, data, dataset.test, settings=settings, rng=rng)


SCENARIO = Scenario(
    name="mnist_autoencoder",
    version=1,
    source=SOURCE,
    measure=measure,
    variants=(
        Variant(name="default", doc="autoencoder, then the classifier in two fits, at the source's best settings"),
        Variant(name="float32-features", doc="features kept in full: twice the bytes", options={"feature_dtype": "float32"}),
        Variant(name="bfloat16", doc="computed in bfloat16, weights kept in float32", options={"policy": "mixed_bfloat16"}),
        Variant(name="sweep", doc="dense size, epochs and batch size of the first fit (figures 10 to 15)", options={"sweep": True}),
    ),
    tiers=TIERS,
    gated=(
        "accuracy",
        "head.accuracy",
        "loss",
        "autoencoder.above_imports_bytes",
        "total.above_imports_bytes",
        "autoencoder.seconds",
        "total.seconds",
    ),
    metrics=(
        Metric("features.bytes", kind="size", unit="B", better="lower", gated=True),
        Metric("train_accuracy", better="higher"),
        Metric("validation_accuracy", better="higher"),
        Metric("autoencoder.validation_loss", better="lower"),
        Metric("reconstruction_error", better="lower"),
        Metric("*.epochs_run", kind="work"),
        *facts("kernel", "batch_size", "dense_size", "validation_share", "finetune.epochs_allowed"),
        *facts("autoencoder.batch_size", "autoencoder.filters", "shown.right", "shown.wrong"),
        *facts("data.classes", "data.image_shape", "data.train_images", "data.test_images"),
        # of a sweep: one setting's last epoch
        Metric("*.training_loss", unit="nat", better="lower"),
        Metric("*.validation_loss", unit="nat", better="lower"),
        Metric("*.validation_accuracy", better="higher"),
        Metric("*.training_seconds", kind="runtime", unit="s", better="lower"),
        Metric("*.epoch_seconds", kind="runtime", unit="s", better="lower"),
        *KERAS_METRICS,
    ),
    expectations=EXPECTATIONS,
    needs=("keras",),
    backends=("tensorflow", "torch", "jax"),
    devices=("cpu", "cuda"),
)  # fmt: skip
