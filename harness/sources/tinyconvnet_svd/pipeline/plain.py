"""The plain way to train the same network: torchvision's MNIST class and transforms, and a DataLoader.

A reference for tests and benchmarks. From one seed it draws the same weights and batches as `training.train`,
and ends at the same bits as that with ``channels_last=False``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.images import CLASSES, MEAN, STD
from harness.sources.tinyconvnet_svd.pipeline.training import epoch_orders, fit, initial_weights, to_device

if TYPE_CHECKING:
    import torch

    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Integers, Training, Weights


def train_plain(
    train_images: Bytes,
    train_labels: Integers | Bytes,
    test_images: Bytes,
    test_labels: Integers | Bytes,
    *,
    epochs: int,
    seed: int,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
) -> Training:
    """Train on the CPU, one Python call an image; parameters and result are those of `training.train`."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    network = textbook_network(initial_weights(generator))
    orders = epoch_orders(len(train_images), epochs, generator)
    loaders = (data_loader(train_images, train_labels, order, batch_size) for order in orders)
    tests = to_device(test_images, test_labels, torch.device("cpu"))
    return fit(network, loaders, tests, learning_rate=learning_rate, on_epoch=None)


def textbook_network(weights: Weights) -> torch.nn.Sequential:
    """Return the network in the source's order, ReLU before pooling, contiguous, with `weights`."""
    import torch
    from torch import nn

    network = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2)),  # (n, 8, 13, 13)
        *(nn.Conv2d(8, 16, 3, bias=False), nn.ReLU(), nn.MaxPool2d(2)),  # (n, 16, 5, 5)
        *(nn.Flatten(), nn.Linear(400, CLASSES)),  # (n, 10)
    )
    arrays = (weights.conv1, weights.conv2, weights.fc_weight, weights.fc_bias)
    with torch.no_grad():
        for parameter, array in zip(network.parameters(), arrays, strict=True):
            parameter.copy_(torch.tensor(array))
    return network


def data_loader(
    images: Bytes, labels: Integers | Bytes, order: torch.Tensor, batch_size: int
) -> torch.utils.data.DataLoader[tuple[torch.Tensor, torch.Tensor]]:
    """Return a DataLoader over torchvision's MNIST class, holding these images, in the given order."""
    import torch
    from torchvision import datasets, transforms

    class InMemory(datasets.MNIST):  # type: ignore[misc]
        """torchvision's MNIST without its files: `__getitem__` is inherited."""

        def __init__(self) -> None:
            steps = [transforms.ToTensor(), transforms.Normalize((MEAN,), (STD,))]
            datasets.VisionDataset.__init__(self, root="", transform=transforms.Compose(steps))
            self.data, self.targets = torch.tensor(images), torch.tensor(labels.astype(np.int64))

    return torch.utils.data.DataLoader(InMemory(), batch_size=batch_size, sampler=order.tolist())
