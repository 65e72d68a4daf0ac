"""Metrics, identities and figures of the scenario `mnist_autoencoder`; imported in the worker only."""

from __future__ import annotations

import dataclasses
import itertools
import typing

import numpy as np

from harness.measure.bounds import SAFETY, gamma
from harness.records import IdentityCheck
from harness.sources.keras import fits, stages
from harness.sources.keras import steps as keras_steps
from harness.sources.mnist_autoencoder import pipeline
from harness.sources.mnist_autoencoder.published import SWEEP_BATCHES, SWEEP_DENSE, SWEEP_EPOCHS

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.data import Dataset, Split
    from harness.measure.run import Run

    Images = NDArray[np.uint8]

SHOWN = 10
"""Test images that are drawn with their reconstructions."""
RECONSTRUCTED = 1000
"""Test images over which the reconstruction error is taken, unless a tier takes fewer."""
FIGURES = {"dense": (10, 11), "epochs": (12, 13), "batch": (14, 15)}
"""Numbers of the source's figures of loss and accuracy, by what is swept."""
KEEP_SECONDS = 60.0
"""A training keeps its state when it has run for so long since the last time: 16 MB after an epoch of minutes, nothing in short tiers."""
AXES = {"dense": "neurons of the dense layer", "epochs": "epochs", "batch": "images a batch"}
"""What is swept, in words."""


def settings_of(options: Mapping[str, typing.Any]) -> pipeline.Settings:
    """Take the pipeline's settings out of a run's options."""
    names = {field.name for field in dataclasses.fields(pipeline.Settings)}
    return pipeline.Settings(**{name: value for name, value in options.items() if name in names})


def encoder(
    run: Run, data: pipeline.Labelled, test: Images, settings: pipeline.Settings, rng: np.random.Generator
) -> tuple[pipeline.Autoencoder, NDArray[np.floating]]:
    """Train the autoencoder, reconstruct some test images, and compute the features once; three stages."""
    model = pipeline.build_autoencoder(settings.policy, settings.momentum)
    shown = min(len(data.train), settings.autoencoder_images or len(data.train))
    with run.stage("autoencoder", images=shown * settings.autoencoder_epochs):
        history = pipeline.train_autoencoder(
            model, data, settings, rng=rng, keeper=run.keeper("autoencoder", KEEP_SECONDS)
        )
    test = np.asarray(test[: run.options.get("reconstructed", RECONSTRUCTED)])
    with run.stage("reconstruct", images=len(test)):
        restored = pipeline.reconstruct(model, test)
    with run.stage("features", images=len(data.images)):
        features = pipeline.encode(model.encoder, data.images, settings.feature_dtype)
    check_features(run, model, features, data.images, settings.policy)
    run.record("features.bytes", features.nbytes)
    squares = (restored - test.astype(np.float32) / 255) ** 2  # (n, 28, 28)
    run.record("reconstruction_error", squares.mean(dtype=np.float64))
    run.record("autoencoder.validation_loss", history.val_loss[-1])
    stages.step_times(run, history.steps, "autoencoder")
    stages.first_losses(run, history.steps, "autoencoder", settings.policy.removeprefix("mixed_"))
    stages.sizes(
        run,
        {
            "autoencoder.batch_size": settings.autoencoder_batch,
            "autoencoder.filters": stages.layers_of(model.encoder).filters,
            "kernel": stages.layers_of(model.encoder).kernel,
            "validation_share": len(data.validation) / len(data.images),
        },
    )
    run.record("autoencoder.epochs_run", len(history.loss))
    _reconstruction_figures(run, history, test, restored)
    return model, features


def _reconstruction_figures(
    run: Run, history: fits.Epochs, test: Images, restored: NDArray[np.float32]
) -> None:
    epochs = np.arange(1, len(history.loss) + 1)
    losses = {
        "training": np.stack([epochs, history.loss]),
        "validation": np.stack([epochs, history.val_loss]),
    }
    run.figure(
        "autoencoder_loss", "lines", losses, title="Loss of the autoencoder", x="epoch", y="mean squared error of pixels in [0, 1]",
        caption="The source's Figure 4.",
    )  # fmt: skip
    shown = np.stack([test[:SHOWN], np.rint(restored[:SHOWN] * 255).astype(np.uint8)])
    run.figure(
        "reconstructions", "images", {"grey level": shown}, title="Reconstructed test images",
        caption="The first test images, and what the autoencoder makes of them before any label was seen.",
        rows=["original", "reconstruction"], columns=[str(i + 1) for i in range(shown.shape[1])],
    )  # fmt: skip


def check_features(run: Run, model: pipeline.Autoencoder, features: NDArray[np.floating], images: Images, policy: str) -> None:  # fmt: skip
    """Hold cached features against the encoder run anew on 64 images spread over the set, in batches of another size.

    Each of the encoder's convolutions sums up to 9 x 128 products in float32 and rounds to the policy's dtype; storing
    rounds once more. Errors are relative to the largest feature.
    """
    rows = np.linspace(0, len(images) - 1, min(64, len(images))).astype(np.int64)
    cached = features[rows].astype(np.float64)
    anew = pipeline.encode(model.encoder, np.asarray(images[rows]), batch_size=len(rows)).astype(np.float64)
    layers = stages.layers_of(model.encoder)
    single, stored = float(np.finfo(np.float32).eps) / 2, float(np.finfo(features.dtype).eps) / 2
    computed = 2.0**-8 if policy == "mixed_bfloat16" else single
    terms = int(np.prod(layers.kernel)) * max(layers.filters[:-1])
    share = SAFETY * (len(layers.filters) * (gamma(terms, single) + computed) + stored)
    error, tolerance = float(np.abs(cached - anew).max()), share * float(np.abs(anew).max())
    detail = f"{len(rows)} images; {policy}, u = {computed:.2g}, kept as {features.dtype}, u = {stored:.2g}"
    run.identity(IdentityCheck("features.cached", error, tolerance, "features[i] = encoder(image i)", detail))


def classifier(
    run: Run, model: pipeline.Autoencoder, features: NDArray[np.floating], data: pipeline.Labelled, test: Split, *,
    settings: pipeline.Settings, rng: np.random.Generator,
) -> None:  # fmt: skip
    """Train the head on the cached features, then everything; predict the test images after each."""
    images, labels = np.asarray(test.images), np.asarray(test.labels)
    whole = pipeline.build_classifier(model.encoder, settings.dense)
    pipeline.freeze(whole, frozen=True)
    with run.stage("head", images=len(data.train) * settings.frozen_epochs):
        frozen = pipeline.train_head(
            whole.head, features, data,
            epochs=settings.frozen_epochs, batch=settings.batch, rng=rng, keeper=run.keeper("head", KEEP_SECONDS),
        )  # fmt: skip
    with run.stage("test_head", images=len(labels)):
        first = pipeline.evaluate(whole, images, labels)
    # stored before the second fit changes the weights
    _store(run, whole, first, images, "head")
    with run.stage("finetune") as handle:
        tuning = pipeline.fine_tune(
            whole, data,
            epochs=settings.tuning_epochs, batch=settings.batch, rng=rng, keeper=run.keeper("finetune", KEEP_SECONDS),
        )  # fmt: skip
        handle.images = len(data.train) * len(tuning.loss)
    with run.stage("test", images=len(labels)):
        outcome = pipeline.evaluate(whole, images, labels)
    _store(run, whole, outcome, images, "test")
    stages.predict_given(run, whole.whole, lambda: pipeline.evaluate(whole, images, labels).predicted)
    _training(run, frozen, tuning, settings)
    right, wrong = stages.right_and_wrong(
        run, images, outcome.predicted, outcome.labels, "The source's Figures 16 and 17."
    )
    dense = stages.layers_of(whole.head).dense[0]
    stages.sizes(run, {"dense_size": dense, "shown.right": right, "shown.wrong": wrong})


def _store(
    run: Run, model: pipeline.Classifier, outcome: pipeline.Outcome, images: Images, name: str
) -> None:
    run.predictions(
        outcome.labels, outcome.predicted, probabilities=outcome.probabilities, name=name, images=images,
        weights=model.whole.get_weights(),
    )  # fmt: skip


def _training(run: Run, frozen: fits.Epochs, tuning: fits.Epochs, settings: pipeline.Settings) -> None:
    """Record and draw both fits of the classifier (figures 7 and 8)."""
    run.record("train_accuracy", tuning.accuracy[-1])
    run.record("validation_accuracy", tuning.val_accuracy[-1])
    run.record("head.epochs_run", len(frozen.loss))
    run.record("finetune.epochs_run", len(tuning.loss))
    run.record("epochs_run", len(frozen.loss) + len(tuning.loss))
    stages.sizes(run, {"finetune.epochs_allowed": settings.tuning_epochs, "batch_size": settings.batch})
    for name, history, title in (
        ("head", frozen, "encoder frozen"),
        ("finetune", tuning, "all layers, early stopping"),
    ):
        stages.step_times(run, history.steps, name)
        stages.class_curves(run, history, "validation", f"The source's Figures 7 and 8: {title}.", name=name)
    stages.share_outside(run, (*frozen.steps, *tuning.steps))
    stages.optimiser_steps(run, (*frozen.steps, *tuning.steps))


def facts(run: Run, data: Dataset) -> None:
    """Record what the source states of the data."""
    stages.sizes(
        run,
        {
            "data.train_images": len(data.train),
            "data.test_images": len(data.test),
            "data.classes": len(data.classes),
            "data.image_shape": data.train.images.shape[1:],
        },
    )


# -- sweeps -----------------------------------------------------------------------------------------------------------


def sweep(
    run: Run, model: pipeline.Autoencoder, features: NDArray[np.floating], data: pipeline.Labelled, test: Split
) -> None:  # fmt: skip
    """Train a head of its own for every setting of the three sweeps; predict the test images with each.

    Only the first fit is swept: the second changes the encoder, and every setting would need it anew. A setting that
    an earlier attempt at the run had finished is not trained again.
    """
    with run.stage("test_features", images=len(test)):
        test_features = pipeline.encode(model.encoder, np.asarray(test.images), str(features.dtype))
    default = pipeline.Setting(epochs=run.options["sweep_epochs"])
    axes = {
        "dense": {size: dataclasses.replace(default, dense=size) for size in SWEEP_DENSE},
        "epochs": {count: dataclasses.replace(default, epochs=count) for count in SWEEP_EPOCHS},
        "batch": {size: dataclasses.replace(default, batch=size) for size in SWEEP_BATCHES},
    }
    wanted = list(dict.fromkeys((default, *itertools.chain(*(axis.values() for axis in axes.values())))))
    found = {setting: _fitted(run, features, data, test_features, setting) for setting in wanted}
    labels = np.asarray(test.labels)
    sets = {f"epochs{count}": setting for count, setting in axes["epochs"].items()}
    for name, setting in {**sets, "test": default, "head": default}.items():
        _, probabilities = found[setting]
        run.predictions(labels, probabilities.argmax(axis=1), probabilities=probabilities, name=name)
    for axis, settings in axes.items():
        _record(run, axis, {value: found[setting][0] for value, setting in settings.items()})


def _fitted(
    run: Run, features: NDArray[np.floating], data: pipeline.Labelled, test_features: NDArray[np.floating],
    setting: pipeline.Setting,
) -> tuple[fits.Epochs, NDArray[np.float32]]:  # fmt: skip
    """Return the training of one setting's head, and its predictions of the test images, (n_test, 10)."""
    name = f"fit_dense{setting.dense}_epochs{setting.epochs}_batch{setting.batch}"
    keeper = run.keeper(name)
    kept = keeper.get()
    if kept is None:
        with run.stage(name, images=setting.epochs * len(data.train)):
            head, history = pipeline.fit_setting(features, data, setting, seed=run.seed)
        logits = keras_steps.predict(head, test_features, prepare=lambda chunk: chunk.astype(np.float32))
        probabilities = np.exp(keras_steps.log_softmax(logits)).astype(np.float32)  # (n_test, 10)
        kept = {**history.arrays(), "probabilities": probabilities}
        keeper.put(lambda: kept)
    return fits.Epochs.of(kept), kept["probabilities"]


def _record(run: Run, axis: str, histories: Mapping[int, fits.Epochs]) -> None:
    """Record the last epoch of every setting on one axis, and draw both figures of it."""
    for value, history in histories.items():
        seconds = [steps.wall_seconds for steps in history.steps]
        of = f"{axis}{value}"
        run.record(f"{of}.training_loss", history.loss[-1])
        run.record(f"{of}.validation_loss", history.val_loss[-1])
        run.record(f"{of}.validation_accuracy", history.val_accuracy[-1])
        run.record(f"{of}.training_seconds", sum(seconds))
        run.record(f"{of}.epoch_seconds", np.mean(seconds))
    values = np.array(list(histories))
    drawn = (
        ("loss", "cross-entropy (nat per image)", "loss", "val_loss"),
        ("accuracy", "share of images", "accuracy", "val_accuracy"),
    )
    for (what, unit, training, validation), number in zip(drawn, FIGURES[axis], strict=True):
        series = {
            name: np.stack([values, [getattr(history, field)[-1] for history in histories.values()]])
            for name, field in (("training", training), ("validation", validation))
        }
        run.figure(
            f"sweep_{axis}_{what}", "lines", series, title=f"{what.capitalize()} by {AXES[axis]}", x=AXES[axis], y=unit,
            caption=f"The source's Figure {number}: last epoch of the first fit, all else as in its best model.",
        )  # fmt: skip
