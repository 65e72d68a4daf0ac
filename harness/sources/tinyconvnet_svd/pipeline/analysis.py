"""Phases 2 to 7 and the dataset-linked analysis in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.sources.tinyconvnet_svd.pipeline.analytical import verify
from harness.sources.tinyconvnet_svd.pipeline.decomposition import decompose_both, mixing_energy, sweep_ranks
from harness.sources.tinyconvnet_svd.pipeline.images import check_images
from harness.sources.tinyconvnet_svd.pipeline.network import check_weights
from harness.sources.tinyconvnet_svd.pipeline.patches import class_structure, patch_directions, relu_regions
from harness.sources.tinyconvnet_svd.pipeline.results import Analysis
from harness.sources.tinyconvnet_svd.pipeline.training import check_counts

if TYPE_CHECKING:
    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Integers, Weights


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
        From `training.train` or `network.load_weights`.
    images, labels : numpy.ndarray
        uint8 (n, 28, 28) and integers (n,) below the network's number of classes; usually the test set.
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
    TypeError, ValueError
        If weights, images, labels, counts or the device are unusable.
    """
    check_weights(weights, "weights")
    check_images(images, labels, len(weights.fc_bias), name="analysis")
    check_counts(patches=patches, verified=verified, sample=sample)
    decompositions = decompose_both(weights)
    return Analysis(
        decompositions=decompositions,
        verification=verify(weights, images[:verified], device=device),
        sweeps=sweep_ranks(weights, images, device=device),
        regions=relu_regions(decompositions[0], images, patches=patches, seed=seed),
        mixing=mixing_energy(*decompositions),
        patch_directions=patch_directions(decompositions[0], images[:sample]),
        classes=class_structure(weights, images, labels, sample=sample, seed=seed),
    )
