"""Metrics, identities and figures of the scenario `tinyconvnet_svd`; imported in the worker only."""

from __future__ import annotations

import typing

import numpy as np

from harness.measure import identities as checks
from harness.measure.bounds import SAFETY, gamma
from harness.records import IdentityCheck
from harness.sources.tinyconvnet_svd import pipeline
from harness.sources.tinyconvnet_svd.pipeline.results import Weights

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.data import Dataset, Split
    from harness.measure.run import Run
    from harness.sources.tinyconvnet_svd.pipeline.results import Analysis, Training

    Labels = NDArray[np.uint8]


def predictions(run: Run, trained: Training, analysis: Analysis, test: Split) -> None:
    """Store what the network predicts, in full and with each convolution at every rank."""
    logits = trained.test_logits.astype(np.float64)
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)  # (n, classes)
    weights, labels = trained.weights, test.labels
    run.predictions(
        labels, trained.test_predictions[-1], probabilities=probabilities, images=test.images,
        weights=(weights.conv1, weights.conv2, weights.fc_weight, weights.fc_bias),
    )  # fmt: skip
    run.predict_given(lambda given: pipeline.predict(Weights(*given), test.images, device=run.device))
    for sweep in analysis.sweeps:
        for rank, predicted in zip(sweep.ranks, sweep.predictions, strict=True):
            run.predictions(labels, predicted, name=f"{sweep.name}-rank{rank}")


def numbers(run: Run, data: Dataset, analysis: Analysis) -> None:
    """Record what the source's tables print of spectra, ranks, norms, masks, differences and shapes."""
    for index, (part, layer) in enumerate(
        zip(analysis.decompositions, analysis.verification.layers, strict=True), start=1
    ):
        prefix = f"layer{index}"
        run.record(f"{prefix}.singular_values", part.sigma)
        run.record(f"{prefix}.singular_count", float(len(part.sigma)))
        run.record(f"{prefix}.energy", part.squared_norm)
        for share in (95, 99):
            run.record(f"{prefix}.rank{share}", float(part.effective_rank(share / 100)))
        run.record(f"{prefix}.reconstruction_error", part.reconstruction_error)
        run.record(f"{prefix}.im2col_difference", layer.product_difference)
        run.record(f"{prefix}.forward_difference", layer.analytical_difference)
        run.record(f"shapes.conv{index}", layer.network.shape[1:])
        run.record(f"shapes.weight{index}", part.matrix.shape)
    run.record("layer2.singular_values4", analysis.decompositions[1].sigma[:4])
    run.record("logit_difference", analysis.verification.logit_difference)
    run.record("relu.masks", float(len(analysis.regions.unique_masks)))
    run.record("relu.masks_possible", 2.0 ** analysis.regions.masks.shape[1])
    run.record("relu.patches", float(len(analysis.regions.masks)))
    _shapes(run, analysis)
    counted = {"train_images": len(data.train), "test_images": len(data.test), "classes": len(data.classes)}
    for name, value in counted.items():
        run.record(f"data.{name}", float(value))
    run.record("epochs_run", float(run.options["epochs"]))


def first_step(run: Run, trained: Training) -> None:
    """Record how long the very first training step took, and how long a later one does (mean of the first epoch)."""
    run.record("train.first_step_seconds", trained.first_step_seconds)
    if trained.step_seconds is not None:
        run.record("train.step_seconds", trained.step_seconds)


def _shapes(run: Run, analysis: Analysis) -> None:
    """Record the shapes of the source's network table that no layer comparison shows."""
    second = analysis.verification.layers[1]
    channels, height, width = second.network.shape[1:]
    logits = analysis.verification.network_logits.shape[1]
    pooled = (channels, height // 2, width // 2)
    run.record("shapes.pool1", second.inputs.shape[1:])
    run.record("shapes.pool2", pooled)
    run.record("shapes.logits", (logits,))
    run.record("shapes.weight_fc", (logits, int(np.prod(pooled))))


def identities(run: Run, trained: Training, analysis: Analysis) -> None:
    """Check every identity of the source on both layers, and ReLU's mask on the sampled patches."""
    kernels = (trained.weights.conv1, trained.weights.conv2)
    layers = analysis.verification.layers
    for part, layer, kernel in zip(analysis.decompositions, layers, kernels, strict=True):
        name = part.name
        run.identity(*checks.svd_checks(part.matrix, part.left, part.sigma, part.right_t, name=name))
        for rank in range(1, len(part.sigma) + 1):
            run.identity(
                checks.eckart_young(
                    part.matrix, part.truncated(rank), part.sigma, rank=rank, name=f"{name} k={rank}"
                )
            )
        run.identity(checks.im2col_convolution(layer.inputs, kernel, layer.network, name=name))
        patches = checks.im2col(layer.inputs, *kernel.shape[2:])  # (n, c*9, places)
        output = layer.analytical.reshape(*layer.analytical.shape[:2], -1)  # (n, m, places)
        matrices = np.broadcast_to(part.matrix, (len(patches), *part.matrix.shape))
        run.identity(checks.forward_pass(matrices, patches, output, rank=len(part.sigma), name=name))
    run.identity(_same_logits(trained, analysis))
    regions = analysis.regions
    first = analysis.decompositions[0]
    run.identity(
        checks.relu_mask(first.matrix, regions.patches.T, regions.masks.T, regions.after.T, name=first.name)
    )


def _same_logits(trained: Training, analysis: Analysis) -> IdentityCheck:
    """Hold the logits that training left for the first test images against the analysis's network on the same images.

    Both normalise the images and run the network, each in its own code; only the order of sums may differ.
    """
    expected = analysis.verification.network_logits  # (n, C)
    gap = np.abs(trained.test_logits[: len(expected)].astype(np.float64) - expected)
    allowed = _logit_bound(trained, analysis)  # (n, C)
    worst = np.unravel_index(int(np.argmax(gap / allowed)), gap.shape)
    detail = f"{len(expected)} images, float32, worst at image {worst[0]}; bound propagated layer by layer"
    return IdentityCheck(
        "logits.recomputed", float(gap[worst]), float(allowed[worst]), "test logits[i] = network(normalised image i)", detail
    )  # fmt: skip


def _logit_bound(trained: Training, analysis: Analysis) -> NDArray[np.float64]:
    """Bound the rounding of each logit, (n, C): every layer adds gamma |W| |x| and passes on |W| times the error it got."""
    roundoff, weights = float(np.finfo(np.float32).eps) / 2, trained.weights
    layers = analysis.verification.layers
    error = 4 * roundoff * np.abs(layers[0].inputs.astype(np.float64))  # the normalisation's three operations
    for layer, kernel in zip(layers, (weights.conv1, weights.conv2), strict=True):
        matrix = np.abs(kernel.reshape(len(kernel), -1).astype(np.float64))  # (m, 9 c)
        own = gamma(matrix.shape[1], roundoff) * np.abs(layer.inputs)
        spread = matrix @ checks.im2col(own + error, 3, 3)  # (n, m, places)
        error = _pooled(spread.reshape(layer.network.shape))
    flat = _pooled(layers[1].activated.astype(np.float64)).reshape(len(error), -1)  # (n, 400)
    matrix = np.abs(weights.fc_weight.astype(np.float64))  # (C, 400)
    terms = gamma(matrix.shape[1] + 1, roundoff)
    bound = (terms * flat + error.reshape(flat.shape)) @ matrix.T + terms * np.abs(weights.fc_bias)  # (n, C)
    return np.asarray(SAFETY * bound)


def _pooled(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the largest of every 2x2 block of (n, c, h, w), as the network's pooling takes it: (n, c, h // 2, w // 2)."""
    height, width = (size // 2 * 2 for size in features.shape[2:])
    even = features[:, :, :height, :width]
    rows = np.maximum(even[:, :, ::2], even[:, :, 1::2])  # (n, c, h // 2, w)
    return np.asarray(np.maximum(rows[..., ::2], rows[..., 1::2]))  # (n, c, h // 2, w // 2)


def figures(run: Run, trained: Training, analysis: Analysis, labels: Labels) -> None:
    """Store the arrays of the source's phase 8 and of the dataset-linked analysis."""
    _training_figures(run, trained, labels)
    for part in analysis.decompositions:
        _spectrum(run, part.name, part.sigma, part.energy)
    _filters(run, analysis)
    _ranks(run, analysis, labels)
    _regions(run, analysis)
    _data_linked(run, analysis)


def _training_figures(run: Run, trained: Training, labels: Labels) -> None:
    epochs = np.arange(1, len(trained.train_loss) + 1)
    losses = {
        "training": np.stack([epochs, trained.train_loss]),
        "test": np.stack([epochs, trained.test_loss]),
    }
    run.figure(
        "loss", "lines", losses, title="Loss over epochs", x="epoch", y="cross-entropy (nat per image)",
        caption="Phase 1. Training loss as seen while training, test loss after each epoch.",
    )  # fmt: skip
    accuracy = (trained.test_predictions == labels).mean(axis=1)  # (epochs,)
    run.figure(
        "accuracy", "lines", {"test": np.stack([epochs, accuracy])}, title="Test accuracy over epochs", x="epoch",
        y="share of test images", caption="Phase 1. The source prints 98.71% after 20 epochs on MNIST.",
    )  # fmt: skip


def _spectrum(run: Run, name: str, sigma: NDArray[np.float32], energy: NDArray[np.float64]) -> None:
    run.figure(
        f"spectrum_{name}", "bars", {"singular value": sigma}, title=f"Singular values of {name}", x="index", y="singular value",
        caption="Phase 2. Thin SVD of the layer's weight matrix.",
    )  # fmt: skip
    run.figure(
        f"energy_{name}", "lines", {"cumulative energy": np.stack([np.arange(1, len(energy) + 1), energy])},
        title=f"Cumulative energy of {name}", x="rank", y="share of squared Frobenius norm",
        caption="Phase 2. The source reads its effective ranks at 0.95 and 0.99.",
    )  # fmt: skip


def _filters(run: Run, analysis: Analysis) -> None:
    first, second = analysis.decompositions
    shown = np.stack([first.matrix, first.right_t]).reshape(2, -1, 3, 3)  # (rows, filters, 3, 3)
    run.figure(
        "filters_conv1", "images", {"weight": shown}, title="Filters and eigenfilters of conv1",
        caption="Above the eight learned filters, below the eight right singular vectors, by falling singular value.",
        rows=["filter", "eigenfilter"], columns=[str(i + 1) for i in range(shown.shape[1])],
    )  # fmt: skip
    leading = second.right_t[:8].reshape(8, -1, 3, 3)  # (eigenfilters, channels, 3, 3)
    run.figure(
        "filters_conv2", "images", {"weight": leading}, title="Leading eigenfilters of conv2",
        caption="Each row is one right singular vector of the second layer over its eight input channels.",
        rows=[f"v{i + 1}" for i in range(len(leading))], columns=[f"channel {i + 1}" for i in range(leading.shape[1])],
    )  # fmt: skip
    run.figure(
        "composition", "heatmap", {"share of energy": analysis.mixing}, title="Composition of the two layers",
        caption="Phase 7. Share of each conv2 eigenfilter's energy on each conv1 feature direction.",
        x="conv1 feature direction", y="conv2 eigenfilter",
        rows=[str(i + 1) for i in range(analysis.mixing.shape[0])], columns=[str(i + 1) for i in range(analysis.mixing.shape[1])],
    )  # fmt: skip


def _ranks(run: Run, analysis: Analysis, labels: Labels) -> None:
    accuracy = {s.name: np.stack([s.ranks, (s.predictions == labels).mean(axis=1)]) for s in analysis.sweeps}
    errors = {s.name: np.stack([s.ranks, s.relative_error]) for s in analysis.sweeps}
    run.figure(
        "rank_accuracy", "lines", accuracy, title="Test accuracy by rank", x="rank kept", y="share of test images",
        caption="Phase 5. One layer at rank k, the rest of the network unchanged.",
    )  # fmt: skip
    run.figure(
        "rank_error", "lines", errors, title="Reconstruction error by rank", x="rank kept", y="relative error (Frobenius)",
        caption="Phase 5. Norm of W minus its rank-k approximation over the norm of W.",
    )  # fmt: skip


def _regions(run: Run, analysis: Analysis) -> None:
    regions = analysis.regions
    run.figure(
        "relu_masks", "heatmap", {"active": regions.unique_masks[:40].astype(float)}, title="ReLU masks of conv1",
        caption="Phase 6. The most frequent activation masks over 500 patches, one a row; each is a linear map of its own.",
        x="unit", y="mask, most frequent first",
        rows=[str(int(count)) for count in regions.counts[:40]], columns=[str(i + 1) for i in range(regions.masks.shape[1])],
    )  # fmt: skip
    run.figure(
        "relu_plane", "scatter", {"before ReLU": regions.before_in_u[:, :2], "after ReLU": regions.after_in_u[:, :2]},
        title="Activations in U coordinates", x="first direction", y="second direction",
        caption="Phase 6. ReLU contracts the plane of the two leading feature directions.",
    )  # fmt: skip


def _data_linked(run: Run, analysis: Analysis) -> None:
    cosines, classes = analysis.cosines, analysis.classes
    run.figure(
        "directions", "heatmap", {"|cos|": cosines}, title="Eigenfilters against the data's own directions",
        caption="Absolute cosine between conv1's eigenfilters and the principal directions of the test images' 3x3 patches.",
        x="principal direction of patches", y="eigenfilter",
        rows=[str(i + 1) for i in range(cosines.shape[0])], columns=[str(i + 1) for i in range(cosines.shape[1])],
    )  # fmt: skip
    run.figure(
        "class_response", "heatmap", {"mean squared response": np.nan_to_num(classes.response)}, title="Class response per eigenfilter",
        caption="Mean squared response of conv1's eigenfilters over each class's patches; 0 for a class that the sample lacks.",
        x="eigenfilter", y="class",
        rows=[str(i) for i in range(classes.response.shape[0])], columns=[str(i + 1) for i in range(classes.response.shape[1])],
    )  # fmt: skip
    for layer, points in (("conv1", classes.scatter1), ("conv2", classes.scatter2)):
        series = {str(label): points[classes.labels == label, :2] for label in np.unique(classes.labels)}
        run.figure(
            f"scatter_{layer}", "scatter", series, title=f"Classes in {layer}'s feature directions", x="first direction",
            y="second direction", caption="Activations averaged over places, projected on the two leading left singular vectors.",
        )  # fmt: skip
