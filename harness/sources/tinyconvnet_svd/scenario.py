"""Scenario: PyTorch's TinyConvNet, trained on MNIST and taken apart by SVD in the source's eight phases.

Optimiser and batch size are not printed: Adam at 0.001 and batches of 64 are assumed, with inputs normalised by (0.1307, 0.3081).
"""

from __future__ import annotations

import typing

from harness.records import Metric, Scenario, Variant
from harness.records.metrics import facts
from harness.sources.tinyconvnet_svd.published import EXPECTATIONS, SOURCE

if typing.TYPE_CHECKING:
    from harness.measure.run import Run
    from harness.records import Tier

TIERS: dict[Tier, dict[str, typing.Any]] = {
    "smoke": {"dataset": "mnist-excerpt", "epochs": 12, "batch_size": 32, "learning_rate": 0.001},
    "short": {"dataset": "mnist", "epochs": 3, "batch_size": 64, "learning_rate": 0.001},
    "paper": {"dataset": "mnist", "epochs": 20, "batch_size": 64, "learning_rate": 0.001},
}


def measure(run: Run) -> None:
    """Phase 1 trains; phases 2 to 8 take the trained network apart on the test images."""
    from harness.sources.tinyconvnet_svd import pipeline, stages

    options, data = run.options, run.dataset(run.options["dataset"])
    training_set = (data.train.images, data.train.labels)
    # round the stages too: what is recorded of a stage's settings is what holds at its end
    with pipeline.full_float32(), run.stage("train", images=len(data.train) * options["epochs"]):
        trained = pipeline.train(
            *training_set, data.test.images, data.test.labels, epochs=options["epochs"], seed=run.seed, device=run.device,
            batch_size=options["batch_size"], learning_rate=options["learning_rate"],
        )  # fmt: skip
    run.trajectory(trained.first_losses)
    with pipeline.full_float32(), run.stage("analyse", images=len(data.test)):
        analysis = pipeline.analyse(
            trained.weights, data.test.images, data.test.labels, seed=run.seed, device=run.device
        )
    stages.predictions(run, trained, analysis, data.test)
    stages.numbers(run, data, trained, analysis)
    stages.identities(run, trained, analysis)
    stages.figures(run, trained, analysis, data.test.labels)


SCENARIO = Scenario(
    name="tinyconvnet_svd",
    version=1,
    source=SOURCE,
    measure=measure,
    variants=(
        Variant(name="default", doc="train, decompose, verify, sweep ranks, ReLU regions, composition"),
        Variant(name="one-epoch", doc="the same after a single epoch", options={"epochs": 1}),
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
        *(
            Metric(f"layer*.{name}", kind="identity")
            for name in ("singular_values", "singular_values4", "energy", "rank*")
        ),
        *(
            Metric(f"layer*.{name}", kind="identity", better="lower")
            for name in ("reconstruction_error", "im2col_difference", "forward_difference")
        ),
        Metric("logit_difference", kind="identity", better="lower"),
        Metric("relu.masks", kind="identity"),
        Metric("train.first_step_seconds", kind="runtime", unit="s", better="lower"),
        Metric("train.step_seconds", kind="runtime", unit="s", better="lower"),
        Metric("epochs_run", kind="work"),
        *facts("layer*.singular_count", "shapes.*", "relu.masks_possible", "relu.patches"),
        *facts("data.classes", "data.train_images", "data.test_images"),
    ),
    expectations=EXPECTATIONS,
    needs=("torch",),
    backends=("torch",),
    devices=("cpu", "cuda"),
)
