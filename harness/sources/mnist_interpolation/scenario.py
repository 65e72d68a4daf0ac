"""Scenario: a Keras CNN on pooled and interpolated MNIST (L. Buell).

A run is one repeat: its own split, initial weights and order. Where the text is silent the author's code is followed: 'valid' convolutions,
Adam's defaults, batches of 32, one epoch, and a scaler fitted before the split; ``*-train-scaler`` fits it on training images only.
"""

from __future__ import annotations

import typing

from harness.records import Metric, Scenario, Variant
from harness.records.metrics import facts
from harness.sources.keras.metrics import KERAS_METRICS
from harness.sources.mnist_interpolation.published import EXPECTATIONS, SOURCE
from harness.sources.published import ACROSS

if typing.TYPE_CHECKING:
    from harness.measure.run import Run
    from harness.records import Tier

PROTOCOL = {"epochs": 1, "stored_uint8": False, "fit_on_train_only": False}
TIERS: dict[Tier, dict[str, typing.Any]] = {
    "smoke": {**PROTOCOL, "dataset": "mnist-excerpt", "epochs": 3},
    "short": {**PROTOCOL, "dataset": "mnist"},
    "paper": {**PROTOCOL, "dataset": "mnist"},
}


def measure(run: Run) -> None:
    """Bring the whole set through one case, split it, train one repeat, predict the test part."""
    from harness.sources.keras import stages as keras_stages
    from harness.sources.keras import steps
    from harness.sources.mnist_interpolation import pipeline, stages

    options, data = run.options, run.dataset(run.options["dataset"])
    case, (images, labels) = stages.case_of(options["case"]), stages.whole_set(data)
    with keras_stages.placed(run):
        rng = steps.seed_everything(run.seed)
        with run.stage("resample", images=len(images)):
            resampled = pipeline.resample(images, case, stored_uint8=options["stored_uint8"])
        with run.stage("prepare", images=len(images)):
            split = pipeline.split(
                resampled, labels, seed=run.seed, fit_on_train_only=options["fit_on_train_only"]
            )
        del resampled
        model = pipeline.build()
        with run.stage("train", images=split.train * options["epochs"]):
            history = pipeline.train(model, split, rng=rng, epochs=options["epochs"])
        with run.stage("test", images=len(labels) - split.train):
            repeat = pipeline.evaluate(model, split, history)
        stages.results(run, repeat, model, images)
        keras_stages.predict_given(run, model, lambda: pipeline.evaluate(model, split, history).predicted)
    stages.facts(run, images, len(data.classes), case, model, split)
    stages.identity(run, images, case)
    stages.examples_figure(run, images, labels)
    stages.history_figures(run, repeat)


SCENARIO = Scenario(
    name="mnist_interpolation",
    version=1,
    source=SOURCE,
    measure=measure,
    variants=(
        Variant(name="case4", doc="3 x 3 pooling, step 2: 13 x 13 stored, the strongest compression", options={"case": "case4"}),
        Variant(name="baseline", doc="original images", options={"case": "baseline"}),
        Variant(name="case1", doc="2 x 2 pooling, step 1: 27 x 27 stored", options={"case": "case1"}),
        Variant(name="case2", doc="2 x 2 pooling, step 2: 14 x 14 stored", options={"case": "case2"}),
        Variant(name="case3", doc="3 x 3 pooling, step 1: 26 x 26 stored", options={"case": "case3"}),
        Variant(
            name="case4-uint8", doc="case 4 with pooled values rounded to bytes: the claim on size made true in bytes",
            options={"case": "case4", "stored_uint8": True},
        ),
        Variant(
            name="case4-train-scaler", doc="case 4 with the scaler fitted on training images only",
            options={"case": "case4", "fit_on_train_only": True},
        ),
        Variant(name=ACROSS, doc="what the source says of several cases together; judged by the ledger", tiers=()),
    ),
    tiers=TIERS,
    gated=("accuracy", "f1_macro", "loss", "total.above_imports_bytes", "train.seconds"),
    metrics=(
        Metric("stored.bytes", kind="size", unit="B", better="lower", gated=True),
        Metric("stored.byte_share", kind="size", better="lower"),
        Metric("stored.share", kind="size", better="lower"),
        Metric("stored.pixels", kind="size", unit="pixels", better="lower"),
        Metric("stored.side", kind="size", unit="pixels", better="lower"),
        Metric("training_objective", unit="nat", better="lower"),
        *facts("dense", "filters", "kernel", "pool", "input_shape", "output_shape"),
        *facts("pooling.step", "pooling.window", "train_share", "test_share"),
        *facts("data.classes", "data.image_shape", "data.images"),
        *KERAS_METRICS,
    ),
    expectations=EXPECTATIONS,
    needs=("keras",),
    backends=("tensorflow", "torch", "jax"),
    devices=("cpu", "cuda"),
)  # fmt: skip
