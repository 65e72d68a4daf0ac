"""Phases 3, 4 and 7: the network in SVD coordinates, and its comparison with torch's convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.decomposition import decompose_both
from harness.sources.tinyconvnet_svd.pipeline.images import im2col, normalise
from harness.sources.tinyconvnet_svd.pipeline.network import full_float32, network_of
from harness.sources.tinyconvnet_svd.pipeline.results import LayerVerification, Verification

if TYPE_CHECKING:
    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Decomposition, Floats, Weights


class AnalyticalNet:
    """TinyConvNet computed in explicit SVD coordinates with NumPy (the source's 'Analytical Forward Pass').

    Each convolution is ``z = Vt p``, ``s = sigma * z``, ``a = U s`` on every 3x3 patch p; ReLU, pooling and
    the linear layer are as in the network.

    Parameters
    ----------
    weights : Weights
        A trained network.
    """

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.decompositions = decompose_both(weights)

    def features(self, images: Floats) -> tuple[Floats, Floats]:
        """Return the inputs of conv2 (n, 8, 13, 13) and of the linear layer (n, 400) for (n, 1, 28, 28)."""
        first, second = self.decompositions
        pooled = max_pool(np.maximum(analytical_layer(first, images), 0))  # (n, 8, 13, 13)
        flat = max_pool(np.maximum(analytical_layer(second, pooled), 0)).reshape(len(images), -1)  # (n, 400)
        return pooled, flat

    def logits(self, images: Floats) -> Floats:
        """Return the logits (n, C) of normalised images (n, 1, 28, 28)."""
        flat = self.features(images)[1]
        logits: Floats = flat @ self.weights.fc_weight.T + self.weights.fc_bias  # (n, C)
        return logits


def coordinates(part: Decomposition, features: Floats) -> Floats:
    """Return ``s = sigma * (Vt p)`` for every patch of features (n, c, h, w): (n, r, places)."""
    z = part.right_t @ im2col(features)  # (n, r, places)
    scaled: Floats = part.sigma[:, None] * z
    return scaled


def analytical_layer(part: Decomposition, features: Floats) -> Floats:
    """Return ``a = U s`` for features (n, c, h, w): (n, m, h - 2, w - 2)."""
    return _as_images(part.left @ coordinates(part, features), features)  # (n, m, h - 2, w - 2)


def product_layer(part: Decomposition, features: Floats) -> Floats:
    """Return ``W im2col(x)`` for features (n, c, h, w): (n, m, h - 2, w - 2)."""
    return _as_images(part.matrix @ im2col(features), features)  # (n, m, h - 2, w - 2)


def _as_images(places: Floats, features: Floats) -> Floats:
    return places.reshape(*places.shape[:2], features.shape[2] - 2, features.shape[3] - 2)


def max_pool(features: Floats) -> Floats:
    """Return the largest of every 2x2 block of (n, c, h, w), odd edges dropped: (n, c, h // 2, w // 2)."""
    n, c, h, w = features.shape
    blocks = features[:, :, : h // 2 * 2, : w // 2 * 2].reshape(
        n, c, h // 2, 2, w // 2, 2
    )  # (n, c, h/2, 2, w/2, 2)
    pooled: Floats = blocks.max((3, 5))
    return pooled


def verify(weights: Weights, images: Bytes, *, device: str) -> Verification:
    """Compute both layers and the logits of uint8 images (n, 28, 28) by torch and in SVD coordinates.

    conv2 is given the same input on both sides, torch's own; only the logits carry both layers' difference.
    """
    import torch

    net, network = AnalyticalNet(weights), network_of(weights, device)
    pixels = normalise(images)
    with torch.inference_mode(), full_float32():
        x = torch.tensor(pixels).to(network[0].weight.device)
        first = network[0](x)
        pooled = network[1:3](first)
        second = network[3](pooled)
        logits = network[4:](second)
        tensors = (x, first, first.relu(), pooled, second, second.relu(), logits)
        arrays = [np.ascontiguousarray(tensor.cpu().numpy()) for tensor in tensors]
    layers = (
        _compare(net.decompositions[0], arrays[0], arrays[1], arrays[2]),
        _compare(net.decompositions[1], arrays[3], arrays[4], arrays[5]),
    )
    return Verification(layers, arrays[6], net.logits(pixels))


def _compare(part: Decomposition, inputs: Floats, network: Floats, activated: Floats) -> LayerVerification:
    product, analytical = product_layer(part, inputs), analytical_layer(part, inputs)
    return LayerVerification(part.name, inputs, network, product, analytical, activated)
