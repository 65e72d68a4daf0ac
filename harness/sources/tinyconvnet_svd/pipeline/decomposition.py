"""Phases 2, 5 and 7: the SVD of both convolutions, every rank, and how the layers' coordinates meet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.network import full_float32, network_of
from harness.sources.tinyconvnet_svd.pipeline.results import Decomposition, RankSweep
from harness.sources.tinyconvnet_svd.pipeline.training import EVALUATION_BATCH, normalised

if TYPE_CHECKING:
    import torch

    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Doubles, Floats, Weights


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
    return Decomposition(name, matrix, left, sigma, right_t, cumulative_energy(sigma))


def decompose_both(weights: Weights) -> tuple[Decomposition, Decomposition]:
    """Return the decompositions of conv1 (8, 9) and conv2 (16, 72)."""
    return decompose(weights.conv1, name="conv1"), decompose(weights.conv2, name="conv2")


def cumulative_energy(sigma: Floats) -> Doubles:
    """Return the cumulative share of ``sigma**2``, (r,); all ones for a zero matrix."""
    squares = np.cumsum(sigma.astype(np.float64) ** 2)
    return squares / squares[-1] if squares[-1] > 0 else np.ones_like(squares)


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


def sweep_ranks(weights: Weights, images: Bytes, *, device: str) -> tuple[RankSweep, RankSweep]:
    """Return errors, energies and predictions with one layer at every rank and the other layers unchanged.

    Parameters
    ----------
    weights : Weights
        A trained network.
    images : numpy.ndarray of uint8
        (n, 28, 28).
    device : str
        Where the forward passes run.
    """
    import torch

    decompositions = decompose_both(weights)
    network = network_of(weights, device, channels_last=True)
    pixels = torch.tensor(images).unsqueeze(1).to(network[0].weight.device)  # (n, 1, 28, 28)
    with torch.inference_mode(), full_float32():
        found = [
            [
                _predictions_by_rank(network, position, part, normalised(batch))
                for batch in pixels.split(EVALUATION_BATCH)
            ]
            for position, part in zip((0, 3), decompositions, strict=True)
        ]
    first, second = (
        _sweep(part, np.concatenate(predictions, axis=1))
        for part, predictions in zip(decompositions, found, strict=True)
    )
    return first, second


def _predictions_by_rank(
    network: torch.nn.Sequential, position: int, part: Decomposition, batch: torch.Tensor
) -> Bytes:
    """Return (r, batch) classes; the layers before the changed one run once, not once a rank."""
    import torch

    features = network[:position](batch)
    rows = []
    for rank in range(1, len(part.sigma) + 1):
        kernels = torch.from_numpy(part.truncated(rank)).to(batch.device)
        reduced = torch.nn.functional.conv2d(features, kernels.reshape(network[position].weight.shape))
        rows.append(network[position + 1 :](reduced).argmax(1))
    return np.asarray(torch.stack(rows).to(torch.uint8).cpu().numpy())


def _sweep(part: Decomposition, predictions: Bytes) -> RankSweep:
    ranks = np.arange(1, len(part.sigma) + 1)
    norm = float(np.linalg.norm(part.matrix.astype(np.float64)))
    gaps = [np.linalg.norm(part.matrix.astype(np.float64) - part.truncated(rank)) for rank in ranks.tolist()]
    relative = np.array(gaps) / norm if norm > 0 else np.zeros(len(ranks))
    return RankSweep(
        part.name, ranks, relative, part.energy, ranks * (1 + sum(part.matrix.shape)), predictions
    )
