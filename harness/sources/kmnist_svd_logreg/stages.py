"""Stages and figures of the scenario `kmnist_svd_logreg`; imported in the worker only."""

from __future__ import annotations

import typing

import numpy as np

from harness.measure import identities as checks
from harness.measure.splits import disjoint, shared
from harness.records import IdentityCheck
from harness.sources.kmnist_svd_logreg import pipeline
from harness.sources.kmnist_svd_logreg.pipeline.grid import BATCHES, RANKS
from harness.sources.kmnist_svd_logreg.pipeline.grid import LEARNING_RATES as RATES
from harness.sources.kmnist_svd_logreg.published import setting

if typing.TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from harness.data import Dataset, Split
    from harness.measure.run import Run

    Images = NDArray[np.uint8]


def facts(run: Run, data: Dataset) -> None:
    """Record counts that the text states of data and protocol."""
    train, test = (np.unique(part.labels, return_counts=True)[1] for part in (data.train, data.test))
    counted = {
        "data.train_images": len(data.train),
        "data.test_images": len(data.test),
        "data.train_per_class": train.min(),
        "data.test_per_class": test.min(),
        "data.classes": len(train),
        "data.pixels": int(np.prod(data.train.images.shape[1:])),
        "folds": run.options["folds"],
        "validation_share": 1 / run.options["folds"],
    }
    for name, value in counted.items():
        run.record(name, float(value))
    for k in RANKS:
        run.record(f"k{k}.percent_size", pipeline.percent_size(k, *data.train.images.shape[1:]))


def pair_of(run: Run, part: Split, classes: tuple[int, int], limit: int | None) -> pipeline.Pair:
    """Select two classes among the first `limit` images (all if None), on the run's backend and device."""
    rows = slice(limit)
    pair = pipeline.select_pair(np.asarray(part.images[rows]), np.asarray(part.labels[rows]), *classes)
    images, targets = (pipeline.to_backend(array, backend=run.backend, device=run.device) for array in pair)
    return pipeline.Pair(images, targets)


def identities(run: Run, images: typing.Any) -> None:  # noqa: ANN401 - an array of either backend
    """Check the decomposition on a sample of images: all SVD identities, and rank k against the tail energy."""
    originals = pipeline.to_numpy(images).astype(np.float64)
    full = pipeline.compress(images, min(originals.shape[1:]), dtype="float64")
    u, sigma, right = (pipeline.to_numpy(part) for part in (full.u, full.s, full.vt))
    run.identity(*checks.svd_checks(originals, u, sigma, right, name="images"))
    for k in RANKS:
        kept = full.truncate(k)
        parts = (pipeline.to_numpy(part) for part in (kept.u, kept.s, kept.vt))
        run.identity(
            checks.eckart_young(
                originals, pipeline.to_numpy(kept.reconstruct()), sigma, rank=k, name=f"images k={k}"
            ),
            checks.storage(*parts, rank=k, name=f"images k={k}"),
        )


def model(
    run: Run, training: pipeline.Pair, test: pipeline.Pair, *, k: int | None, name: str, stage: str
) -> pipeline.Curves:
    """Compress, prepare, train and test one setting, each a stage; store its predictions under `name`."""
    options = run.options
    images = len(training.targets) + len(test.targets)
    if k is not None:
        with run.stage(f"{stage}_compress", images=images):
            parts = [pipeline.compress(part.images, k) for part in (training, test)]
            stored = [pipeline.quantise(part) for part in parts] if options["int8"] else parts
        _sizes(run, stored)
        check_stored(run, stored, k)
    elif name == "test":
        run.record("stored.bytes", float(images * 784))
    with run.stage(f"{stage}_prepare", images=images):
        pictures = (
            [part.reconstruct() for part in stored] if k is not None else [training.images, test.images]
        )
        design, test_design = (
            pipeline.design_matrix(part, normalisation=options["normalisation"]) for part in pictures
        )
    split = pipeline.split_folds(len(training.targets), options["folds"], seed=run.seed)
    schedule = pipeline.Schedule(split, options["batch"], run.seed)
    with run.stage(f"{stage}_train") as handle:
        trained = pipeline.train(
            design, training.targets, schedule, [options["learning_rate"]], epochs=options["epochs"],
            stopping=options["stopping"], blas_threads=options["blas_threads"],
        )  # fmt: skip
        handle.images = int(trained.epochs_run.sum()) * split.training_size
    run.trajectory(trained.first_losses.mean(axis=(0, 1)), stage)
    check_epoch(run, schedule, stage)
    with run.stage(f"{stage}_test", images=len(test.targets)):
        prediction = pipeline.predict(test_design, test.targets, trained.best_weights())
    targets = pipeline.to_numpy(test.targets).astype(np.int64)
    run.predictions(
        targets, prediction.labels, probabilities=_probabilities(targets, prediction), name=name,
        images=pipeline.to_numpy(test.images), weights=[pipeline.to_numpy(trained.best_weights())],
    )  # fmt: skip

    def predicted(given: list[NDArray[np.floating]]) -> NDArray[np.uint8]:
        weights = pipeline.to_backend(given[0], backend=run.backend, device=run.device)
        return pipeline.predict(test_design, test.targets, weights).labels

    run.predict_given(predicted, name)
    check_pairs(run, targets, prediction, name)
    prefix = "" if name == "test" else f"{name}."
    run.record(f"{prefix}validation_accuracy", trained.printed_validation_accuracy())
    run.record(f"{prefix}epochs_run", float(trained.epochs_run.max()))
    run.record(f"{prefix}optimiser_steps", float(trained.epochs_run.sum() * trained.steps))
    run.record("inputs", float(design.shape[1]))
    return trained.curves()


def check_stored(run: Run, stored: list[typing.Any], k: int) -> None:
    """Compare the factors that a run goes on with to the rank that was wanted."""
    for part, name in zip(stored, ("training", "test"), strict=True):
        factors = (pipeline.to_numpy(array) for array in (part.u, part.s, part.vt))
        run.identity(checks.storage(*factors, rank=k, name=f"stored {name} k={k}"))


def check_epoch(run: Run, schedule: pipeline.Schedule, name: str) -> None:
    """Hold the first epoch of a schedule against what cross-validation means; nothing may differ."""
    split, windows = schedule.split, schedule.windows(0)
    seen = np.zeros((split.size, split.folds), np.int64)
    np.add.at(seen, windows.positions.reshape(-1), windows.member.reshape(-1, split.folds).astype(np.int64))
    wanted = split.part_of(np.arange(split.size))[:, None] != np.arange(split.folds)  # (n, folds)
    twice = split.size - len(np.unique(split.rows))
    wrong = int((seen != wanted).sum()) + twice
    formula = "an epoch of a fold has each of its training images once, and no validation image"
    detail = f"{split.size} images in {split.folds} folds; {wrong} of them seen too often or not at all, in some fold"
    run.identity(IdentityCheck(f"{name}.epoch", float(wrong), 0.0, formula, detail))


def check_pairs(run: Run, targets: NDArray[np.int64], prediction: pipeline.Prediction, name: str) -> None:
    """Hold each predicted label against the loss of its image: of two classes the right one has a loss below ln 2."""
    right, losses = prediction.labels == targets, prediction.losses.astype(np.float64)
    clear = np.abs(losses - np.log(2)) > 8 * np.finfo(prediction.losses.dtype).eps
    wrong = int((clear & (right != (losses < np.log(2)))).sum())
    formula, detail = (
        "label i is right = loss i < ln 2",
        f"{wrong} of {len(targets)} images have another image's label",
    )
    run.identity(IdentityCheck(f"{name}.pairs", float(wrong), 0.0, formula, detail))


def check_disjoint(run: Run, data: Dataset, training: pipeline.Pair, test: pipeline.Pair) -> None:
    """Hold the images that a run trains and tests on against each other: they share no more than the data set's halves do."""
    pair = (pipeline.to_numpy(part.images) for part in (training, test))
    whole = (np.asarray(part.images) for part in (data.train, data.test))
    run.identity(disjoint(*pair, allowed=shared(*whole), name="split"))


def _sizes(run: Run, stored: list[typing.Any]) -> None:
    """Record what the factors weigh in elements, the source's count, and in the bytes they take."""
    weights = [part.shape[0] for part in stored]
    elements = np.average(
        [pipeline.percent_size(part.k, *part.shape[1:]) for part in stored], weights=weights
    )
    in_bytes = np.average([pipeline.byte_ratio(part) for part in stored], weights=weights)
    run.record("percent_size", elements)
    run.record("saved_share", 1 - elements)
    run.record("byte_ratio", in_bytes)
    run.record("stored.bytes", float(sum(part.nbytes for part in stored)))


def _probabilities(targets: NDArray[np.int64], prediction: pipeline.Prediction) -> NDArray[np.float64]:
    """Turn each image's cross-entropy back into the distribution it came from, (images, 2)."""
    right = np.exp(-prediction.losses.astype(np.float64))  # (images,)
    return np.asarray(np.where(targets[:, None] == np.arange(2), right[:, None], 1 - right[:, None]))


def grid(run: Run, training: pipeline.Pair, test: pipeline.Pair) -> None:
    """Train all settings, store every test prediction, and draw accuracy over the grid."""
    options = run.options
    targets = pipeline.to_numpy(test.targets).astype(np.int64)
    with run.stage("compress", images=len(training.targets) + len(test.targets)):
        stored = [pipeline.compress(part.images, options["k"]) for part in (training, test)]
    _sizes(run, stored)
    check_stored(run, stored, options["k"])
    del stored
    with run.stage("grid") as handle:
        recipe = {name: options[name] for name in ("folds", "epochs", "stopping", "blas_threads")}
        found = {result.setting: result for result in pipeline.grid(training, test, seed=run.seed, **recipe)}
        epochs = sum(int(result.epochs_run.sum()) for result in found.values())
        handle.images = epochs * len(training.targets) * 9 // 10
    for cell, result in found.items():
        name = setting(*cell)
        run.predictions(targets, result.prediction.labels, name=name)
        run.record(f"{name}.validation_accuracy", result.validation_accuracy)
    run.trajectory([result.curves.training[0] for result in found.values()], "grid")
    final, twin = (found[pipeline.Setting(0.1, 32, "z-score", k)] for k in (8, None))
    run.predictions(
        targets, final.prediction.labels, probabilities=_probabilities(targets, final.prediction),
        images=pipeline.to_numpy(test.images),
    )  # fmt: skip
    curves_figure(run, {"with SVD": final.curves, "without SVD": twin.curves})
    _grid_figures(run, found, targets)


def _grid_figures(
    run: Run, found: Mapping[pipeline.Setting, pipeline.SettingResult], targets: NDArray[np.int64]
) -> None:
    rows = [(normalisation, batch) for normalisation in ("z-score", "min-max") for batch in BATCHES]
    columns = [(k, rate) for k in (*RANKS, None) for rate in RATES]
    results = [[found[pipeline.Setting(r, b, n, k)] for k, r in columns] for n, b in rows]
    tables = {
        "validation": [[one.validation_accuracy for one in row] for row in results],
        "test": [[float(np.mean(one.prediction.labels == targets)) for one in row] for row in results],
    }
    for which, table in tables.items():
        run.figure(
            f"grid_{which}", "heatmap", {f"{which} accuracy": table},
            title=f"{which.capitalize()} accuracy over the grid",
            caption="72 settings beside the 18 uncompressed models; the source prints 9 of them per pair "
            "and calls limit 8, rate 0.1, batch 32, z-score best.",
            x="singular value limit, learning rate", y="normalisation, batch size",
            rows=[f"{n}, {b}" for n, b in rows], columns=[f"{'full' if k is None else f'k={k}'}, {r:g}" for k, r in columns],
        )  # fmt: skip


def curves_figure(run: Run, curves: dict[str, pipeline.Curves]) -> None:
    """Draw training and validation loss over epochs with and without SVD, as Figures 3 and 4 do."""
    series = {}
    for name, curve in curves.items():
        for which, values in (("training", curve.training), ("validation", curve.validation)):
            known = ~np.isnan(values)
            series[f"{which}, {name}"] = np.stack([np.nonzero(known)[0] + 1, values[known]])  # (2, epochs)
    run.figure(
        "loss_curves", "lines", series, title="Training and validation loss", x="epoch", y="cross-entropy (nat per image)",
        caption="Mean over the folds still training, with and without SVD, as in the source's Figures 3 and 4.",
    )  # fmt: skip


def samples_figure(run: Run, data: Dataset, classes: tuple[int, int]) -> None:
    """Show ten images of each class and their compressions at k = 3, 8, 13, as Figures 5 to 16 do."""
    for label in classes:
        originals = np.asarray(data.train.images[np.nonzero(np.asarray(data.train.labels) == label)[0][:10]])
        factors = pipeline.compress(originals, 13)
        shown = [originals, *(factors.truncate(k).reconstruct() for k in (3, 8, 13))]
        run.figure(
            f"samples_{label}", "images", {"grey level": np.clip(np.rint(np.stack(shown)), 0, 255).astype(np.uint8)},
            title=f"Class {label} ({data.classes[label]}) compressed",
            caption="Ten training images and their rank-k approximations; the source finds the features human-readable from k = 8 on.",
            rows=["original", "k = 3", "k = 8", "k = 13"], columns=[str(i + 1) for i in range(len(originals))],
        )  # fmt: skip
    sigma = pipeline.to_numpy(pipeline.compress(originals, 28).s)
    energy = np.cumsum(sigma**2, axis=1) / np.sum(sigma**2, axis=1, keepdims=True)  # (10, 28)
    run.figure(
        "spectrum", "lines",
        {"singular value / first": (sigma / sigma[:, :1]).mean(axis=0), "cumulative energy": energy.mean(axis=0)},
        title=f"Singular spectrum of class {classes[1]}", x="index", y="share",
        caption="Mean over the ten images above; cumulative energy is the share of the squared Frobenius norm that rank k keeps.",
    )  # fmt: skip
