"""Phase 6 and the dataset-linked analysis: what patches and classes look like in SVD coordinates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.analytical import AnalyticalNet, analytical_layer, coordinates
from harness.sources.tinyconvnet_svd.pipeline.images import SIDE, im2col, normalise
from harness.sources.tinyconvnet_svd.pipeline.results import ClassStructure, PatchDirections, Regions

if TYPE_CHECKING:
    from harness.sources.tinyconvnet_svd.pipeline.results import (
        Bytes,
        Decomposition,
        Floats,
        Integers,
        Weights,
    )

CHUNK = 200
"""Images whose patches are held at once; bounds memory, changes no result beyond rounding."""


def relu_regions(part: Decomposition, images: Bytes, *, patches: int, seed: int) -> Regions:
    """Draw random patches and return the ReLU mask and the U coordinates of each.

    The source analyses 500 patches and does not print how it drew them. Here an image and a place are drawn
    uniformly, with replacement, so many patches are plain background and share one mask.

    Parameters
    ----------
    part : Decomposition
        conv1's.
    images : numpy.ndarray of uint8
        (n, 28, 28).
    patches : int
        How many, p; the source: 500.
    seed : int
        For the draw.
    """
    rng = np.random.default_rng(seed)
    places = rng.integers(0, [len(images), SIDE - 2, SIDE - 2], (patches, 3))  # (p, 3)
    drawn = _patches_at(normalise(images[places[:, 0]]), places)
    before: Floats = drawn @ part.matrix.T  # (p, 8)
    masks = before > 0
    after: Floats = np.maximum(before, 0)
    unique, counts = np.unique(masks, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    before_in_u, after_in_u = before @ part.left, after @ part.left  # (p, 8) each
    return Regions(places, drawn, before, masks, after, before_in_u, after_in_u, unique[order], counts[order])


def _patches_at(images: Floats, places: Integers) -> Floats:
    """Return the 3x3 patch of each (p, 1, 28, 28) image at its place, (p, 9)."""
    windows = np.lib.stride_tricks.sliding_window_view(images[:, 0], (3, 3), axis=(1, 2))  # (p, 26, 26, 3, 3)
    return windows[np.arange(len(places)), places[:, 1], places[:, 2]].reshape(len(places), 9)  # (p, 9)


def patch_directions(part: Decomposition, images: Bytes) -> PatchDirections:
    """Compare conv1's eigenfilters with the principal directions of the images' own 3x3 patches.

    Images are uint8 (n, 28, 28) and every patch counts. Directions are eigenvectors of the covariance of the
    normalised pixels, mean removed.
    """
    total, squares, count = np.zeros(9), np.zeros((9, 9)), 0
    for begin in range(0, len(images), CHUNK):
        columns = im2col(normalise(images[begin : begin + CHUNK])).astype(np.float64)  # (n, 9, places)
        total += columns.sum((0, 2))
        squares += np.einsum("nip,njp->ij", columns, columns, optimize=True)  # (9, 9)
        count += columns.shape[0] * columns.shape[2]
    mean = total / count
    variances, vectors = np.linalg.eigh(squares / count - np.outer(mean, mean))
    directions = vectors[:, ::-1].T  # (9, 9)
    cosines = np.abs(part.right_t.astype(np.float64) @ directions.T)  # (r, 9)
    shares = [(cosines[:k, :k] ** 2).sum() / k for k in range(1, len(cosines) + 1)]
    return PatchDirections(directions, np.maximum(variances[::-1], 0), cosines, np.array(shares))


def class_structure(
    weights: Weights, images: Bytes, labels: Integers | Bytes, *, sample: int, seed: int
) -> ClassStructure:
    """Return each class's response per eigenfilter and each image's U coordinates, on a random sample.

    Parameters
    ----------
    weights : Weights
        A trained network.
    images, labels : numpy.ndarray
        uint8 (n, 28, 28) and integers (n,).
    sample : int
        Images to draw without replacement; all of them if there are no more.
    seed : int
        For the draw.
    """
    chosen = np.random.default_rng(seed).permutation(len(images))[:sample]
    net, classes = AnalyticalNet(weights), len(weights.fc_bias)
    parts = [
        _structure(net, normalise(images[part]))
        for part in np.split(chosen, range(CHUNK, len(chosen), CHUNK))
    ]
    energy, scatter1, scatter2 = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    found = labels[chosen].astype(np.uint8)
    response = np.full((classes, energy.shape[1]), np.nan)
    for label in np.unique(found):
        response[label] = energy[found == label].mean(0, dtype=np.float64)
    return ClassStructure(found, response, scatter1, scatter2)


def _structure(net: AnalyticalNet, images: Floats) -> tuple[Floats, Floats, Floats]:
    """Return conv1's energy per eigenfilter (n, 8) and both layers' mean activations in U."""
    energy = (coordinates(net.decompositions[0], images) ** 2).mean(2)  # (n, 8)
    pooled, _ = net.features(images)
    first, second = (
        np.maximum(analytical_layer(part, inputs), 0).mean((2, 3)) @ part.left  # (n, m)
        for part, inputs in zip(net.decompositions, (images, pooled), strict=True)
    )
    return energy, first, second
