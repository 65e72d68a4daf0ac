"""Phases 2 to 7 and the dataset-linked analysis: a trained network taken apart by SVD."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.images import CLASSES, SIDE, check_images, im2col, normalise
from harness.sources.tinyconvnet_svd.pipeline.results import (
    Analysis,
    ClassStructure,
    Decomposition,
    LayerVerification,
    RankSweep,
    Regions,
    Verification,
)
from harness.sources.tinyconvnet_svd.pipeline.training import (
    EVALUATION_BATCH,
    full_float32,
    network_of,
    normalised,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Doubles, Floats, Integers, Weights

CHUNK = 200
"""Images whose patches are held at once; bounds memory, changes no result beyond rounding."""


def analyse(
    weights: Weights,
    images: Bytes,
    labels: Integers | Bytes,
    *,
    seed: int,
    device: str,
    patches: int = 500,
    verified: int = 64,
    sample: int = 1000,
) -> Analysis:
    """Take a trained network apart on held-out images.

    Parameters
    ----------
    weights : Weights
        From `training.train`.
    images, labels : numpy.ndarray
        uint8 (n, 28, 28) and integers (n,) from 0 to 9; usually the test set.
    seed : int
        For the patches and the class sample.
    device : str
        Where torch's side of the comparison and the rank sweep run; the analytical side is NumPy.
    patches : int
        Random patches for the ReLU regions; the source: 500.
    verified : int
        First images on which network and analytical network are compared.
    sample : int
        Images for the dataset-linked analysis.

    Raises
    ------
    ValueError
        If weights, images, labels or the device are unusable.
    """
    check_images(images, labels, name="analysis")
    decompositions = decompose_both(weights)
    return Analysis(
        decompositions=decompositions,
        verification=verify(weights, images[:verified], device=device),
        sweeps=sweep_ranks(weights, images, device=device),
        regions=relu_regions(decompositions[0], images, patches=patches, seed=seed),
        mixing=mixing_energy(*decompositions),
        cosines=patch_cosines(decompositions[0], images[:sample]),
        classes=class_structure(weights, images, labels, sample=sample, seed=seed),
    )


# -- phases 2 and 5: the SVD of both convolutions, every rank ---------------------------------


def decompose(kernels: Floats, *, name: str) -> Decomposition:
    """Return the thin SVD of kernels (o, c, kh, kw) as the matrix (o, c kh kw), in their dtype.

    Raises
    ------
    ValueError
        If a kernel is not finite.
    """
    matrix = kernels.reshape(len(kernels), -1)  # (m, n)
    if not np.isfinite(matrix).all():
        msg = f"The kernels of '{name}' are not finite, so they have no SVD; train again."
        raise ValueError(msg)
    left, sigma, right_t = np.linalg.svd(matrix, full_matrices=False)
    squares = np.cumsum(sigma.astype(np.float64) ** 2)
    energy = squares / squares[-1] if squares[-1] > 0 else np.ones_like(squares)
    return Decomposition(name, matrix, left, sigma, right_t, energy)


def decompose_both(weights: Weights) -> tuple[Decomposition, Decomposition]:
    """Return the decompositions of conv1 (8, 9) and conv2 (16, 72)."""
    return decompose(weights.conv1, name="conv1"), decompose(weights.conv2, name="conv2")


def sweep_ranks(weights: Weights, images: Bytes, *, device: str) -> tuple[RankSweep, RankSweep]:
    """Return errors and predictions of uint8 images (n, 28, 28) with one layer at every rank, the other layers unchanged."""
    import torch

    network = network_of(weights, device, channels_last=True)
    pixels = torch.tensor(images).unsqueeze(1).to(network[0].weight.device)  # (n, 1, 28, 28)

    def sweep(position: int, part: Decomposition) -> RankSweep:
        ranks = np.arange(1, len(part.sigma) + 1)
        cuts = [part.truncated(rank) for rank in ranks.tolist()]
        shape = network[position].weight.shape
        kernels = [torch.from_numpy(cut).to(pixels.device).reshape(shape) for cut in cuts]
        found = []
        with torch.inference_mode(), full_float32():
            for batch in pixels.split(EVALUATION_BATCH):
                features = network[:position](normalised(batch))  # runs once, not once a rank
                reduced = (torch.nn.functional.conv2d(features, kernel) for kernel in kernels)
                rows = [network[position + 1 :](each).argmax(1) for each in reduced]
                found.append(torch.stack(rows).to(torch.uint8).cpu().numpy())  # (r, batch)
        norm = float(np.linalg.norm(part.matrix.astype(np.float64)))
        gaps = np.array([np.linalg.norm(part.matrix.astype(np.float64) - cut) for cut in cuts])
        return RankSweep(part.name, ranks, gaps / norm if norm > 0 else gaps, np.concatenate(found, axis=1))

    first, second = decompose_both(weights)
    return sweep(0, first), sweep(3, second)


# -- phases 3, 4 and 7: the network in SVD coordinates, against torch's convolutions -----------


def coordinates(part: Decomposition, features: Floats) -> Floats:
    """Return ``s = sigma * (Vt p)`` for every patch of features (n, c, h, w): (n, r, places)."""
    scaled: Floats = part.sigma[:, None] * (part.right_t @ im2col(features))
    return scaled


def analytical_layer(part: Decomposition, features: Floats) -> Floats:
    """Return ``a = U s`` for features (n, c, h, w): (n, m, h - 2, w - 2)."""
    return _as_images(part.left @ coordinates(part, features), features)


def _as_images(places: Floats, features: Floats) -> Floats:
    return places.reshape(*places.shape[:2], features.shape[2] - 2, features.shape[3] - 2)


def max_pool(features: NDArray[Any]) -> NDArray[Any]:
    """Return the largest of every 2x2 block of (n, c, h, w), odd edges dropped: (n, c, h // 2, w // 2)."""
    n, c, h, w = features.shape
    blocks = features[:, :, : h // 2 * 2, : w // 2 * 2].reshape(n, c, h // 2, 2, w // 2, 2)
    return np.asarray(blocks.max((3, 5)))


def analytical_features(weights: Weights, images: Floats) -> tuple[Floats, Floats]:
    """Return the inputs of conv2 (n, 8, 13, 13) and of the linear layer (n, 400), for normalised images (n, 1, 28, 28).

    The source's 'Analytical Forward Pass': each convolution is ``z = Vt p``, ``s = sigma * z``, ``a = U s`` on every 3x3 patch p; ReLU,
    pooling and the linear layer are as in the network.
    """
    first, second = decompose_both(weights)
    pooled = max_pool(np.maximum(analytical_layer(first, images), 0))  # (n, 8, 13, 13)
    return pooled, max_pool(np.maximum(analytical_layer(second, pooled), 0)).reshape(len(images), -1)


def analytical_logits(weights: Weights, images: Floats) -> Floats:
    """Return the logits (n, 10) of normalised images (n, 1, 28, 28), computed in SVD coordinates."""
    logits: Floats = analytical_features(weights, images)[1] @ weights.fc_weight.T + weights.fc_bias
    return logits


def verify(weights: Weights, images: Bytes, *, device: str) -> Verification:
    """Compute both layers and the logits of uint8 images (n, 28, 28) by torch and in SVD coordinates.

    conv2 is given the same input on both sides, torch's own; only the logits carry both layers' difference.
    """
    import torch

    network, pixels = network_of(weights, device), normalise(images)
    with torch.inference_mode(), full_float32():
        x = torch.tensor(pixels).to(network[0].weight.device)
        first = network[0](x)
        pooled = network[1:3](first)
        second = network[3](pooled)
        tensors = (x, first, first.relu(), pooled, second, second.relu(), network[4:](second))
        arrays = [np.ascontiguousarray(tensor.cpu().numpy()) for tensor in tensors]

    def compare(
        part: Decomposition, inputs: Floats, convolved: Floats, activated: Floats
    ) -> LayerVerification:
        product = _as_images(part.matrix @ im2col(inputs), inputs)
        analytical = analytical_layer(part, inputs)
        return LayerVerification(part.name, inputs, convolved, product, analytical, activated)

    parts = decompose_both(weights)
    layers = compare(parts[0], *arrays[:3]), compare(parts[1], *arrays[3:6])
    return Verification(layers, arrays[6], analytical_logits(weights, pixels))


def mixing_energy(first: Decomposition, second: Decomposition) -> Doubles:
    """Return the share of each conv2 eigenfilter's energy on each conv1 feature direction, (r2, r1).

    A row of Vt2 holds a 3x3 pattern per channel of conv1. Seen in conv1's feature basis U1 (ReLU and pooling
    between them set aside), its patterns are ``C[j, i, q] = sum_c Vt2[j, c, q] U1[c, i]``; this is
    ``sum_q C**2``. U1 is square and orthogonal, so each row sums to 1.
    """
    channels = first.left.shape[0]
    patterns = second.right_t.astype(np.float64).reshape(-1, channels, 9)  # (r2, c, 9)
    mixed = np.einsum("jcq,ci->jiq", patterns, first.left.astype(np.float64))  # (r2, r1, 9)
    return np.asarray((mixed**2).sum(2))


# -- phase 6 and the dataset-linked analysis --------------------------------------------------


def relu_regions(part: Decomposition, images: Bytes, *, patches: int, seed: int) -> Regions:
    """Draw random patches of uint8 images (n, 28, 28) and return conv1's ReLU mask and the U coordinates of each.

    The source analyses 500 patches and does not print how it drew them. Here an image and a place are drawn
    uniformly, with replacement, so many patches are plain background and share one mask.
    """
    rng = np.random.default_rng(seed)
    places = rng.integers(0, [len(images), SIDE - 2, SIDE - 2], (patches, 3))  # (p, 3)
    pixels = normalise(images[places[:, 0]])[:, 0]
    windows = np.lib.stride_tricks.sliding_window_view(pixels, (3, 3), axis=(1, 2))  # (p, 26, 26, 3, 3)
    drawn = windows[np.arange(patches), places[:, 1], places[:, 2]].reshape(patches, 9)  # (p, 9)
    before: Floats = drawn @ part.matrix.T  # (p, 8)
    masks = before > 0
    after: Floats = np.maximum(before, 0)
    unique, counts = np.unique(masks, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Regions(
        places, drawn, masks, after, before @ part.left, after @ part.left, unique[order], counts[order]
    )


def patch_cosines(part: Decomposition, images: Bytes) -> Doubles:
    """Compare conv1's eigenfilters with the principal directions of all 3x3 patches of uint8 images (n, 28, 28).

    Returns
    -------
    numpy.ndarray, (r, 9)
        ``|cos|`` between eigenfilter and direction. Directions are eigenvectors of the covariance of the normalised pixels, mean removed,
        largest variance first.
    """
    total, squares, count = np.zeros(9), np.zeros((9, 9)), 0
    for begin in range(0, len(images), CHUNK):
        columns = im2col(normalise(images[begin : begin + CHUNK])).astype(np.float64)  # (n, 9, places)
        total += columns.sum((0, 2))
        squares += np.einsum("nip,njp->ij", columns, columns, optimize=True)  # (9, 9)
        count += columns.shape[0] * columns.shape[2]
    mean = total / count
    _, vectors = np.linalg.eigh(squares / count - np.outer(mean, mean))
    cosines: Doubles = np.abs(part.right_t.astype(np.float64) @ vectors[:, ::-1])
    return cosines


def class_structure(
    weights: Weights, images: Bytes, labels: Integers | Bytes, *, sample: int, seed: int
) -> ClassStructure:
    """Return each class's response per eigenfilter and each image's U coordinates, on a random sample.

    Images are uint8 (n, 28, 28) and labels integers (n,); `sample` of them are drawn without replacement, all if there are no more.
    """
    chosen = np.random.default_rng(seed).permutation(len(images))[:sample]
    parts, found = decompose_both(weights), []
    for rows in np.split(chosen, range(CHUNK, len(chosen), CHUNK)):
        pixels = normalise(images[rows])
        energy = (coordinates(parts[0], pixels) ** 2).mean(2)  # (n, 8)
        inputs = (pixels, analytical_features(weights, pixels)[0])
        scatter = [
            np.maximum(analytical_layer(part, features), 0).mean((2, 3)) @ part.left  # (n, m)
            for part, features in zip(parts, inputs, strict=True)
        ]
        found.append((energy, *scatter))
    energy, scatter1, scatter2 = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    drawn = labels[chosen].astype(np.uint8)
    response = np.full((CLASSES, energy.shape[1]), np.nan)
    for label in np.unique(drawn):
        response[label] = energy[drawn == label].mean(0, dtype=np.float64)
    return ClassStructure(drawn, response, scatter1, scatter2)
