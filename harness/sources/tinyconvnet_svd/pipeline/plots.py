"""Phase 8: every figure of the source, drawn from the records; scores are computed here only to be shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from harness.sources.tinyconvnet_svd.pipeline.results import Analysis, Bytes, Integers, Training


def figures(training: Training | None, analysis: Analysis, labels: Integers | Bytes) -> dict[str, Figure]:
    """Return name -> figure; the training curves only where there was a training.

    Parameters
    ----------
    training : Training or None
        None for weights that were loaded.
    analysis : Analysis
        From `analyse`.
    labels : numpy.ndarray
        Labels of the analysed images, which are the training's test images, (n,).
    """
    found = {} if training is None else {"curves": training_curves(training, labels)}
    return found | {
        "spectra": spectra(analysis),
        "filters": filters(analysis),
        "verification": verification(analysis),
        "ranks": rank_sweep(analysis, labels),
        "masks": masks(analysis),
        "relu_in_u": relu_in_u(analysis),
        "mixing": mixing(analysis),
        "patch_directions": patch_directions(analysis),
        "class_response": class_response(analysis),
        "class_scatter": class_scatter(analysis),
    }


def save_figures(found: dict[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as ``folder/NAME.png`` and return the paths; the folder is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in found]
    for path, figure in zip(paths, found.values(), strict=True):
        figure.savefig(path, dpi=120)
    return paths


def training_curves(training: Training, labels: Integers | Bytes) -> Figure:
    """Draw losses and test accuracy by epoch."""
    figure, (left, right) = _axes(1, 2)
    epochs = np.arange(1, len(training.train_loss) + 1)
    left.plot(epochs, training.train_loss, "o-", label="train")
    left.plot(epochs, training.test_loss, "o-", label="test")
    left.set(xlabel="epoch", ylabel="cross-entropy, nats")
    left.legend()
    right.plot(epochs, 100 * (training.test_predictions == labels).mean(1), "o-")
    right.set(xlabel="epoch", ylabel="test accuracy, %")
    return figure


def spectra(analysis: Analysis) -> Figure:
    """Draw singular values and cumulative energy of both layers, with the 95% and 99% lines."""
    figure, axes = _axes(1, 2)
    for part, axis in zip(analysis.decompositions, axes, strict=True):
        ranks = np.arange(1, len(part.sigma) + 1)
        axis.bar(ranks, part.sigma, color="0.7")
        axis.set(title=part.name, xlabel="i", ylabel="singular value")
        energy = axis.twinx()
        energy.plot(ranks, part.energy, "o-")
        energy.set(ylabel="cumulative energy", ylim=(0, 1.05))
        for share in (0.95, 0.99):
            energy.axhline(share, linestyle=":", color="0.4")
    return figure


def filters(analysis: Analysis) -> Figure:
    """Draw conv1's kernels above its eigenfilters."""
    part = analysis.decompositions[0]
    figure, axes = _axes(2, len(part.matrix), size=(9, 2.8))
    _tiles(axes[: len(part.matrix)], part.matrix, [f"w{i + 1}" for i in range(len(part.matrix))])
    _tiles(axes[len(part.matrix) :], part.right_t, [f"v{i + 1}, σ={s:.2f}" for i, s in enumerate(part.sigma)])
    return figure


def verification(analysis: Analysis) -> Figure:
    """Draw the first image's first channel by torch and in SVD coordinates, and the difference."""
    figure, axes = _axes(2, 3, size=(8, 5))
    for row, layer in enumerate(analysis.verification.layers):
        panels = (layer.network[0, 0], layer.analytical[0, 0], abs(layer.network - layer.analytical)[0, 0])
        titles = (
            f"{layer.name}, torch",
            "U·(σ∘Vᵀp)",
            f"difference, at most {layer.analytical_difference:.1e}",
        )
        for axis, panel, title in zip(axes[3 * row : 3 * row + 3], panels, titles, strict=True):
            figure.colorbar(axis.imshow(panel, cmap="viridis"))
            axis.set(title=title, xticks=[], yticks=[])
    return figure


def rank_sweep(analysis: Analysis, labels: Integers | Bytes) -> Figure:
    """Draw relative error, energy and accuracy by rank, for both layers."""
    figure, axes = _axes(1, 2)
    for sweep, axis in zip(analysis.sweeps, axes, strict=True):
        axis.plot(sweep.ranks, sweep.relative_error, "o-", label="relative error")
        axis.plot(sweep.ranks, sweep.energy, "s-", label="cumulative energy")
        axis.plot(sweep.ranks, (sweep.predictions == labels).mean(1), "^-", label="accuracy")
        axis.set(title=sweep.name, xlabel="rank k", ylim=(0, 1.05))
        axis.legend()
    return figure


def masks(analysis: Analysis) -> Figure:
    """Draw the different ReLU masks and how many patches have each."""
    regions = analysis.regions
    figure, (left, right) = _axes(1, 2)
    left.imshow(regions.unique_masks, aspect="auto", cmap="gray_r", interpolation="nearest")
    left.set(
        title=f"{len(regions.counts)} of 256 masks", xlabel="channel", ylabel="mask, most frequent first"
    )
    right.bar(np.arange(len(regions.counts)), regions.counts)
    right.set(xlabel="mask", ylabel=f"patches of {len(regions.masks)}", yscale="log")
    return figure


def relu_in_u(analysis: Analysis) -> Figure:
    """Draw the patches' pre-activations and activations on the first two feature directions."""
    figure, axes = _axes(1, 2)
    pairs = ((analysis.regions.before_in_u, "W·p"), (analysis.regions.after_in_u, "ReLU(W·p)"))
    for axis, (points, title) in zip(axes, pairs, strict=True):
        axis.scatter(points[:, 0], points[:, 1], s=6)
        axis.set(title=f"{title} in U", xlabel="u₁", ylabel="u₂")
    return figure


def mixing(analysis: Analysis) -> Figure:
    """Draw how conv2's eigenfilters spread over conv1's feature directions."""
    return _heatmap(analysis.mixing, "conv1 feature direction", "conv2 eigenfilter", "share of energy")


def patch_directions(analysis: Analysis) -> Figure:
    """Draw the data's principal patch directions above the eigenfilters, with the overlap of the first k."""
    part, found = analysis.decompositions[0], analysis.patch_directions
    count = len(part.sigma)
    figure, axes = _axes(2, count, size=(9, 2.8))
    figure.suptitle("overlap of the first k: " + ", ".join(f"{share:.2f}" for share in found.overlap))
    _tiles(axes[:count], found.directions[:count], [f"data {i + 1}" for i in range(count)])
    nearest = [f"v{i + 1}, |cos| {c:.2f}" for i, c in enumerate(np.diag(found.cosines))]
    _tiles(axes[count:], part.right_t, nearest)
    return figure


def class_response(analysis: Analysis) -> Figure:
    """Draw each class's mean energy per eigenfilter of conv1."""
    return _heatmap(analysis.classes.response, "conv1 eigenfilter", "class", "mean (σᵢzᵢ)²")


def class_scatter(analysis: Analysis) -> Figure:
    """Draw every sampled image on the first two feature directions of each layer, coloured by class."""
    figure, axes = _axes(1, 2, size=(10, 4))
    for axis, points in zip(axes, (analysis.classes.scatter1, analysis.classes.scatter2), strict=True):
        drawn = axis.scatter(points[:, 0], points[:, 1], c=analysis.classes.labels, cmap="tab10", s=6)
        axis.set(xlabel="u₁", ylabel="u₂")
    axes[0].set_title("conv1")
    axes[1].set_title("conv2")
    figure.colorbar(drawn, label="class")
    return figure


def _axes(rows: int, columns: int, size: tuple[float, float] = (9, 3.5)) -> tuple[Figure, list[Axes]]:
    """Return a figure without pyplot, which would hold on to it, and its axes row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    return figure, list(grid.ravel())


def _tiles(axes: Iterable[Axes], patterns: NDArray[np.floating], titles: Iterable[str]) -> None:
    """Draw (q, 9) patterns as 3x3 tiles on one colour scale."""
    limit = float(abs(patterns).max())
    for axis, pattern, title in zip(axes, patterns, titles, strict=True):
        axis.imshow(pattern.reshape(3, 3), cmap="RdBu", vmin=-limit, vmax=limit)
        axis.set_title(title, fontsize=7)
        axis.set(xticks=[], yticks=[])


def _heatmap(values: NDArray[np.floating], xlabel: str, ylabel: str, label: str) -> Figure:
    figure, (axis,) = _axes(1, 1, size=(5, 4))
    figure.colorbar(axis.imshow(values, aspect="auto"), label=label)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    return figure
