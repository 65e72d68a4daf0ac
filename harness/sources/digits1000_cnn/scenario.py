"""Scenario: a Keras CNN on 1,000 digit images in class folders (L. Ravinthiran, J. L. Quinones Gonzalez).

Which images were drawn is not printed: a seed draws 100 a class from MNIST's training images. The smoke tier draws once for all seeds, from the
excerpt that travels in the package, and is the paper's protocol otherwise. Ranges of the augmentation are assumed
(`harness.sources.digits1000_cnn.pipeline.ASSUMED`). The first three confusion matrices of the source set predictions of a shuffled pass beside labels
in file order; the variants ``misaligned*`` repeat that, and the identities ``test.alignment`` and ``test.reported_accuracy`` fail on them by design.
"""

from __future__ import annotations

import typing

from harness.records import Metric, Scenario, Variant
from harness.records.metrics import facts
from harness.sources.digits1000_cnn.published import EXPECTATIONS, SOURCE
from harness.sources.keras.metrics import KERAS_METRICS
from harness.sources.published import ACROSS

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.measure.run import Run
    from harness.records import Tier, Value

TIERS: dict[Tier, dict[str, typing.Any]] = {
    "smoke": {"dataset": "mnist-excerpt", "misaligned": False, "draw": 0},
    "short": {"dataset": "mnist", "misaligned": False},
    "paper": {"dataset": "mnist", "misaligned": False},
}


def measure(run: Run) -> None:
    """Draw the images, read their files, train one variant, predict; then save, load and predict single files."""
    from harness.sources.digits1000_cnn import pipeline, stages
    from harness.sources.keras import stages as keras_stages
    from harness.sources.keras import steps

    data, variant = run.dataset(run.options["dataset"]), stages.variant_of(run.options["variant"])
    folder = stages.class_folders(run, data)
    with keras_stages.placed(run):
        rng = steps.seed_everything(run.seed)
        training, testing = stages.read(run, folder, data)
        model = pipeline.build(variant)
        with run.stage("train", images=len(training.labels) * variant.epochs):
            history = pipeline.train(model, variant, training, testing, rng=rng)
        with run.stage("test", images=len(testing.labels)):
            outcome = pipeline.evaluate(model, testing, history)
        if run.options["misaligned"]:
            stages.mistaken(run, model, outcome, testing)
        else:
            stages.aligned(run, model, outcome, testing)
            keras_stages.predict_given(
                run, model, lambda: pipeline.evaluate(model, testing, history).predicted
            )
        stages.model_file(run, model, testing)
    stages.facts(run, variant, model, training, testing)
    stages.training(run, history)


def derive(values: Mapping[str, Value]) -> dict[str, Value]:
    """Give every class's recall a name of its own, for the claim that class 3 is the hardest."""
    from harness.measure.scores import by_class  # NumPy: what only lists scenarios does without it

    return by_class(values, "recall")


def _mistaken(suffix: str, variant: str) -> Variant:
    return Variant(
        name=f"misaligned{suffix}", options={"variant": variant, "misaligned": True},
        doc=f"{variant} with the source's shuffled-iterator mistake",
        fails="labels are set beside predictions of another order, as the source does",
    )  # fmt: skip


SCENARIO = Scenario(
    name="digits1000_cnn",
    version=1,
    source=SOURCE,
    measure=measure,
    variants=(
        Variant(name="final", doc="12 epochs, sorted batches: the source's final model", options={"variant": "final"}),
        Variant(name="baseline", doc="8 epochs", options={"variant": "baseline"}),
        Variant(name="dropout", doc="8 epochs, dropout 0.2 after each convolution", options={"variant": "dropout"}),
        Variant(
            name="augmentation", options={"variant": "augmentation"},
            doc="8 epochs, twice the filters; flips, turns to 10 degrees, shifts to 0.1 of the side (no range is printed: assumed)",
        ),
        _mistaken("", "baseline"),
        _mistaken("-dropout", "dropout"),
        _mistaken("-augmentation", "augmentation"),
        Variant(name=ACROSS, doc="what the source says of several variants together; judged by the ledger", tiers=()),
    ),
    tiers=TIERS,
    gated=(
        "accuracy",
        "f1_macro",
        "loss",
        "train.above_imports_bytes",
        "total.above_imports_bytes",
        "train.seconds",
    ),
    metrics=(
        Metric("reported_accuracy", better="higher"),
        Metric("train_accuracy", better="higher"),
        Metric("recall.class*", better="higher"),
        Metric("model.bytes", kind="size", unit="B", better="lower"),
        *facts("image_shape", "input_shape", "filters", "kernel", "pool", "dense_size", "dropout_rate"),
        *facts("batch_size", "train_share", "test_share", "data.classes", "data.images", "data.per_class"),
        *facts("data.train_per_class", "data.test_per_class"),
        *KERAS_METRICS,
    ),
    expectations=EXPECTATIONS,
    derive=derive,
    needs=("keras",),
    backends=("tensorflow", "torch", "jax"),
    devices=("cpu", "cuda"),
)  # fmt: skip
