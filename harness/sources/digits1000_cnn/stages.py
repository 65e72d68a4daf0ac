"""Metrics, identities and figures of the scenario `digits1000_cnn`; imported in the worker only."""

from __future__ import annotations

import contextlib
import io
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness.data.cache import cache_folder
from harness.errors import StorageError
from harness.records import IdentityCheck
from harness.sources.digits1000_cnn import pipeline
from harness.sources.digits1000_cnn.pipeline import predict
from harness.sources.digits1000_cnn.pipeline.experiment import BATCH_SIZE
from harness.sources.digits1000_cnn.pipeline.folders import CLASSES
from harness.sources.keras import fits, stages, steps

if typing.TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from harness.data import Dataset
    from harness.measure.run import Run

    Labels = NDArray[np.int64]


def draw_of(run: Run) -> int:
    """Return the seed that draws the images: the run's own, unless its tier draws once for all."""
    return int(run.options.get("draw", run.seed))


def class_folders(run: Run, data: Dataset) -> Path:
    """Return the folder of the drawn images, written on first use; no stage, or the first run would differ."""
    return pipeline.write_folders(
        np.asarray(data.train.images), np.asarray(data.train.labels), cache_folder() / "digits1000", seed=draw_of(run)
    )  # fmt: skip


def read(run: Run, folder: Path, data: Dataset) -> tuple[pipeline.Part, pipeline.Part]:
    """Read the training and the test part, as a stage, and compare them with the images that are drawn.

    Raises
    ------
    StorageError
        If cached files were lost or changed since they were written, with how they are written again.
    """
    step = f"Delete '{folder}'; the next run writes it again"
    with run.stage("read") as handle:
        try:
            parts = pipeline.read_folder(folder / "train"), pipeline.read_folder(folder / "test")
        except ValueError as error:
            why = str(error).rstrip(".")
            raise StorageError(f"the class folders in the cache are damaged: {why}", step) from error
        handle.images = sum(len(part.labels) for part in parts)
    images, labels = np.asarray(data.train.images), np.asarray(data.train.labels)
    for part, drawn in zip(parts, pipeline.draw(labels, seed=draw_of(run)), strict=True):
        expected = images[np.sort(drawn, axis=1).ravel()]  # (n, 28, 28), in the order of the files' names
        if not np.array_equal(part.images[..., 0], expected):
            held = f"'{part.paths[0].parents[1]}' holds {len(part.labels)} images"
            why = f"{held}, not the {len(expected)} that seed {draw_of(run)} draws"
            raise StorageError(f"the class folders in the cache are damaged: {why}", step)
    return parts


def variant_of(name: str) -> pipeline.Variant:
    """Return the pipeline's variant called `name`; KeyError if there is none."""
    return {variant.name: variant for variant in pipeline.VARIANTS}[name]


def facts(run: Run, variant: pipeline.Variant, model: keras.Model, training: pipeline.Part, testing: pipeline.Part) -> None:  # fmt: skip
    """Record what the source states of data and network, read from files and from what was built."""
    layers, images = stages.layers_of(model), len(training.labels) + len(testing.labels)
    per_class = [int(np.bincount(part.labels, minlength=len(CLASSES)).min()) for part in (training, testing)]
    stages.sizes(
        run,
        {
            "image_shape": training.images.shape[1:3],
            "input_shape": model.input_shape[1:],
            "filters": layers.filters,
            "kernel": layers.kernel,
            "pool": layers.pool,
            "dense_size": layers.dense[0],
            "dropout_rate": layers.dropout,
            "batch_size": BATCH_SIZE,
            "data.classes": layers.dense[-1],
            "data.images": images,
            "data.per_class": sum(per_class),
            "data.train_per_class": per_class[0],
            "data.test_per_class": per_class[1],
            "train_share": len(training.labels) / images,
            "test_share": len(testing.labels) / images,
        },
    )
    run.record("epochs_run", variant.epochs)


def training(run: Run, history: fits.Epochs) -> None:
    """Record and draw the training (figures 3 to 5)."""
    run.record("train_accuracy", history.accuracy[-1])
    stages.step_times(run, history.steps)
    stages.first_losses(run, history.steps)
    stages.optimiser_steps(run, history.steps)
    stages.class_curves(
        run, history, "test", "The source's Figures 3 to 5. Its validation images are the test images."
    )


def model_file(run: Run, model: keras.Model, testing: pipeline.Part) -> None:
    """Save and load the model, and run the prediction program on one image file a class.

    The loaded model must give the very logits of the one saved, and the program the digits that were predicted
    for the same images among all others.
    """
    chosen = stages.first_of_each_class(testing.labels)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        with run.stage("save"):
            pipeline.save(model, path)
        with run.stage("load"):
            loaded = pipeline.load(path)
        run.record("model.bytes", path.stat().st_size)
        with run.stage("predict_files", images=len(chosen)):
            digits = _program(path, [testing.paths[row] for row in chosen])
    before, after = (steps.predict(steps.trainer_of(network), testing.images) for network in (model, loaded))
    changed, wrong = np.abs(before - after).max(), (before[chosen].argmax(axis=1) != digits).sum()
    _same(run, "model_file", changed, "load(save(model))(x) = model(x)", "logits of all test images")
    _same(run, "single_files", wrong, "program(file i) = argmax(model(images))[i]", f"{len(chosen)} files")
    run.predictions(testing.labels[chosen], digits, name="samples")


def _same(run: Run, name: str, error: float, formula: str, detail: str) -> None:
    run.identity(IdentityCheck(name, float(error), 0.0, formula, f"{detail}; must agree exactly"))


def _program(model: Path, images: list[Path]) -> list[int]:
    """Run the source's second program and read the digits that it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = predict.main([str(model), *map(str, images)])
    if code:
        raise RuntimeError(f"the prediction program ended with code {code}")
    return [int(line.partition("\t")[0]) for line in printed.getvalue().splitlines()]


def aligned(run: Run, model: keras.Model, outcome: pipeline.Outcome, testing: pipeline.Part) -> None:
    """Store predictions in file order beside labels in file order, and draw the first right and wrong ones."""
    order = np.arange(len(testing.labels))
    run.predictions(
        outcome.labels, outcome.predicted, probabilities=outcome.probabilities, indices=(order, order),
        images=testing.images[..., 0], weights=model.get_weights(),
    )  # fmt: skip
    _same_accuracy(run, outcome.history.val_accuracy[-1], outcome.labels, outcome.predicted)
    stages.right_and_wrong(
        run, testing.images[..., 0], outcome.predicted, outcome.labels, "In file order: class 0 first."
    )


def mistaken(run: Run, model: keras.Model, outcome: pipeline.Outcome, testing: pipeline.Part) -> None:
    """Store labels and predictions as the source paired them, the aligned pairs as the set ``aligned``.

    Loss and accuracy that the framework reports come from the pass where labels travel along with their images.
    """
    found = pipeline.misaligned(model, testing, seed=run.seed)
    run.predictions(found.labels, found.predicted, indices=(found.label_indices, found.predicted_indices))
    _same_accuracy(run, float(found.hits.mean()), found.labels, found.predicted)
    run.predictions(outcome.labels, outcome.predicted, probabilities=outcome.probabilities, name="aligned")
    run.record("reported_accuracy", found.hits.mean())
    run.record("loss", found.losses.mean())
    _contradiction(run, outcome, found)


def _same_accuracy(run: Run, reported: float, labels: Labels, predicted: Labels) -> None:
    """Hold the accuracy of a pass where labels travel with their images against that of the stored pairs."""
    travelling, stored = round(reported * len(labels)), int((labels == predicted).sum())
    formula = "images right while labels travel along = images right among stored pairs"
    detail = f"{travelling} and {stored} of {len(labels)}"
    _same(run, "test.reported_accuracy", abs(travelling - stored), formula, detail)


def _contradiction(run: Run, outcome: pipeline.Outcome, found: pipeline.Misaligned) -> None:
    from harness.measure.scores import confusion

    pairs = {
        "shuffled-iterator, as the source paired them": (found.labels, found.predicted),
        "label and prediction of one image": (outcome.labels, outcome.predicted),
    }
    run.figure(
        "contradiction", "heatmap", {name: confusion(*pair, len(CLASSES)).astype(float) for name, pair in pairs.items()},
        title="One network, two confusion matrices", x="predicted class", y="true class", rows=CLASSES, columns=CLASSES,
        caption="The same predictions, set beside labels in another order and beside their own. The source prints an "
        "accuracy of 0.8833 above a matrix like the first.",
    )  # fmt: skip
