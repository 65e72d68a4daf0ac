"""Metrics, identities and figures of the scenario `tinyconvnet_svd`; imported in the worker only."""

from __future__ import annotations

import typing

import numpy as np

from harness.measure import identities as checks
from harness.measure.bounds import SAFETY, gamma
from harness.records import IdentityCheck
from harness.sources.tinyconvnet_svd import pipeline
from harness.sources.tinyconvnet_svd.pipeline.analysis import max_pool
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


def numbers(run: Run, data: Dataset, trained: Training, analysis: Analysis) -> None:
    """Record what the source's tables print of spectra, ranks, norms, masks, differences and shapes, and times of steps."""
    layers, regions = analysis.verification.layers, analysis.regions
    for index, (part, layer) in enumerate(zip(analysis.decompositions, layers, strict=True), start=1):
        values: dict[str, typing.Any] = {
            "singular_values": part.sigma,
            "singular_count": float(len(part.sigma)),
            "energy": part.squared_norm,
            "rank95": float(part.effective_rank(0.95)),
            "rank99": float(part.effective_rank(0.99)),
            "reconstruction_error": part.reconstruction_error,
            "im2col_difference": layer.product_difference,
            "forward_difference": layer.analytical_difference,
        }
        for name, value in values.items():
            run.record(f"layer{index}.{name}", value)
        run.record(f"shapes.conv{index}", layer.network.shape[1:])
        run.record(f"shapes.weight{index}", part.matrix.shape)
    run.record("layer2.singular_values4", analysis.decompositions[1].sigma[:4])
    run.record("logit_difference", analysis.verification.logit_difference)
    run.record("relu.masks", float(len(regions.unique_masks)))
    run.record("relu.masks_possible", 2.0 ** regions.masks.shape[1])
    run.record("relu.patches", float(len(regions.masks)))
    channels, height, width = layers[1].network.shape[1:]
    pooled, logits = (channels, height // 2, width // 2), analysis.verification.network_logits.shape[1]
    run.record("shapes.pool1", layers[1].inputs.shape[1:])
    run.record("shapes.pool2", pooled)
    run.record("shapes.logits", (logits,))
    run.record("shapes.weight_fc", (logits, int(np.prod(pooled))))
    run.record("data.train_images", float(len(data.train)))
    run.record("data.test_images", float(len(data.test)))
    run.record("data.classes", float(len(data.classes)))
    run.record("epochs_run", float(run.options["epochs"]))
    run.record("train.first_step_seconds", trained.first_step_seconds)
    if trained.step_seconds is not None:
        run.record("train.step_seconds", trained.step_seconds)


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
        error = max_pool(spread.reshape(layer.network.shape))
    flat = max_pool(layers[1].activated.astype(np.float64)).reshape(len(error), -1)  # (n, 400)
    matrix = np.abs(weights.fc_weight.astype(np.float64))  # (C, 400)
    terms = gamma(matrix.shape[1] + 1, roundoff)
    bound = (terms * flat + error.reshape(flat.shape)) @ matrix.T + terms * np.abs(weights.fc_bias)  # (n, C)
    return np.asarray(SAFETY * bound)


def figures(run: Run, trained: Training, analysis: Analysis, labels: Labels) -> None:
    """Store the arrays of the source's phase 8 and of the dataset-linked analysis."""
    mixing, regions, cosines, classes = analysis.mixing, analysis.regions, analysis.cosines, analysis.classes
    response = classes.response
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
    for part in analysis.decompositions:
        run.figure(
            f"spectrum_{part.name}", "bars", {"singular value": part.sigma}, title=f"Singular values of {part.name}", x="index",
            y="singular value", caption="Phase 2. Thin SVD of the layer's weight matrix.",
        )  # fmt: skip
        energy = np.stack([np.arange(1, len(part.energy) + 1), part.energy])
        run.figure(
            f"energy_{part.name}", "lines", {"cumulative energy": energy}, title=f"Cumulative energy of {part.name}", x="rank",
            y="share of squared Frobenius norm", caption="Phase 2. The source reads its effective ranks at 0.95 and 0.99.",
        )  # fmt: skip
    first, second = analysis.decompositions
    shown = np.stack([first.matrix, first.right_t]).reshape(2, -1, 3, 3)  # (rows, filters, 3, 3)
    run.figure(
        "filters_conv1", "images", {"weight": shown}, title="Filters and eigenfilters of conv1",
        caption="Above the eight learned filters, below the eight right singular vectors, by falling singular value.",
        rows=["filter", "eigenfilter"], columns=_numbered(shown.shape[1]),
    )  # fmt: skip
    leading = second.right_t[:8].reshape(8, -1, 3, 3)  # (eigenfilters, channels, 3, 3)
    run.figure(
        "filters_conv2", "images", {"weight": leading}, title="Leading eigenfilters of conv2",
        caption="Each row is one right singular vector of the second layer over its eight input channels.",
        rows=[f"v{row}" for row in _numbered(8)], columns=[f"channel {column}" for column in _numbered(leading.shape[1])],
    )  # fmt: skip
    run.figure(
        "composition", "heatmap", {"share of energy": mixing}, title="Composition of the two layers",
        caption="Phase 7. Share of each conv2 eigenfilter's energy on each conv1 feature direction.",
        x="conv1 feature direction", y="conv2 eigenfilter", rows=_numbered(mixing.shape[0]), columns=_numbered(mixing.shape[1]),
    )  # fmt: skip
    sweeps = analysis.sweeps
    run.figure(
        "rank_accuracy", "lines", {s.name: np.stack([s.ranks, (s.predictions == labels).mean(axis=1)]) for s in sweeps},
        title="Test accuracy by rank", x="rank kept", y="share of test images",
        caption="Phase 5. One layer at rank k, the rest of the network unchanged.",
    )  # fmt: skip
    run.figure(
        "rank_error", "lines", {s.name: np.stack([s.ranks, s.relative_error]) for s in sweeps}, title="Reconstruction error by rank",
        x="rank kept", y="relative error (Frobenius)", caption="Phase 5. Norm of W minus its rank-k approximation over the norm of W.",
    )  # fmt: skip
    run.figure(
        "relu_masks", "heatmap", {"active": regions.unique_masks[:40].astype(float)}, title="ReLU masks of conv1",
        caption="Phase 6. The most frequent activation masks over 500 patches, one a row; each is a linear map of its own.",
        x="unit", y="mask, most frequent first",
        rows=[str(int(count)) for count in regions.counts[:40]], columns=_numbered(regions.masks.shape[1]),
    )  # fmt: skip
    run.figure(
        "relu_plane", "scatter", {"before ReLU": regions.before_in_u[:, :2], "after ReLU": regions.after_in_u[:, :2]},
        title="Activations in U coordinates", x="first direction", y="second direction",
        caption="Phase 6. ReLU contracts the plane of the two leading feature directions.",
    )  # fmt: skip
    run.figure(
        "directions", "heatmap", {"|cos|": cosines}, title="Eigenfilters against the data's own directions",
        caption="Absolute cosine between conv1's eigenfilters and the principal directions of the test images' 3x3 patches.",
        x="principal direction of patches", y="eigenfilter", rows=_numbered(cosines.shape[0]), columns=_numbered(cosines.shape[1]),
    )  # fmt: skip
    run.figure(
        "class_response", "heatmap", {"mean squared response": np.nan_to_num(response)}, title="Class response per eigenfilter",
        caption="Mean squared response of conv1's eigenfilters over each class's patches; 0 for a class that the sample lacks.",
        x="eigenfilter", y="class", rows=[str(i) for i in range(response.shape[0])], columns=_numbered(response.shape[1]),
    )  # fmt: skip
    for layer, points in (("conv1", classes.scatter1), ("conv2", classes.scatter2)):
        series = {str(label): points[classes.labels == label, :2] for label in np.unique(classes.labels)}
        run.figure(
            f"scatter_{layer}", "scatter", series, title=f"Classes in {layer}'s feature directions", x="first direction",
            y="second direction", caption="Activations averaged over places, projected on the two leading left singular vectors.",
        )  # fmt: skip


def _numbered(count: int) -> list[str]:
    return [str(index + 1) for index in range(count)]
