"""Phase 1: train TinyConvNet on tensors held on the device.

All images stay on the device as uint8 (47 MB for MNIST); a batch is one index and three in-place operations,
with no Python per image. The source prints neither optimiser nor batch size: Adam 1e-3 and 64 are ours.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.images import MEAN, STD, check_images
from harness.sources.tinyconvnet_svd.pipeline.network import (
    build_network,
    check_weights,
    full_float32,
    get_weights,
    initial_weights,
    network_of,
    resolve_device,
    set_weights,
)
from harness.sources.tinyconvnet_svd.pipeline.results import Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Doubles, Integers, Weights

    Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]

FIRST_LOSSES = 8
"""Losses of an epoch's first steps that are kept."""
EVALUATION_BATCH = 128
"""Images per forward pass where no gradient is taken: small enough for a CPU's cache."""


def train(
    train_images: Bytes,
    train_labels: Integers | Bytes,
    test_images: Bytes,
    test_labels: Integers | Bytes,
    *,
    epochs: int,
    seed: int,
    device: str,
    classes: int = 10,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    channels_last: bool = True,
    on_epoch: Callable[[int, float], None] | None = None,
) -> Training:
    """Train for `epochs` and predict the test images after each.

    Parameters
    ----------
    train_images, test_images : numpy.ndarray of uint8
        (n, 28, 28), pixels 0 to 255.
    train_labels, test_labels : numpy.ndarray of integers
        (n,), 0 to ``classes - 1``.
    epochs : int
        Passes over the training images; the source's result is for 20.
    seed : int
        For the initial weights and every epoch's order, both drawn on the CPU: the same on every device.
    device : str
        ``"cpu"`` or ``"cuda"``.
    classes, batch_size : int
        C, and images per step (the last step of an epoch may have fewer).
    learning_rate : float
        Adam's; its other settings are torch's defaults.
    channels_last : bool
        Memory layout of the convolutions; see `build_network`.
    on_epoch : callable, optional
        Called after each epoch with its number from 1 and its training loss.

    Returns
    -------
    Training
        Weights, losses and test predictions per epoch; no score.

    Raises
    ------
    TypeError, ValueError
        If images, labels, counts or the device are unusable.
    """
    check_images(train_images, train_labels, classes, name="training")
    check_images(test_images, test_labels, classes, name="test")
    check_counts(epochs=epochs, batch_size=batch_size, classes=classes)
    where = resolve_device(device)
    network, generator = start(classes, seed, where, channels_last=channels_last)
    images, labels = to_device(train_images, train_labels, where)

    def batches(order: torch.Tensor) -> Batches:
        for chosen in order.to(where).split(batch_size):
            yield normalised(images[chosen]), labels[chosen]  # (batch, 1, 28, 28), (batch,)

    orders = epoch_orders(len(images), epochs, generator)
    tests = to_device(test_images, test_labels, where)
    return fit(network, map(batches, orders), tests, learning_rate=learning_rate, on_epoch=on_epoch)


def predict(weights: Weights, images: Bytes, *, device: str, channels_last: bool = True) -> Bytes:
    """Return the classes, (n,) uint8, that a network with given weights predicts for uint8 images (n, 28, 28)."""
    import torch

    network = network_of(weights, device, channels_last=channels_last)
    pixels = torch.tensor(images).unsqueeze(1).to(resolve_device(device))  # (n, 1, 28, 28)
    labels: Bytes = predict_logits(network, pixels).argmax(1).to(torch.uint8).cpu().numpy()
    return labels


def start(
    classes: int, seed: int, where: torch.device, *, channels_last: bool
) -> tuple[torch.nn.Sequential, torch.Generator]:
    """Return the network with the seed's initial weights, and the generator that draws the orders next."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    network = build_network(classes, where, channels_last=channels_last)
    set_weights(network, initial_weights(classes, generator))
    return network, generator


def epoch_orders(count: int, epochs: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    """Yield each epoch's permutation of `count` images, (count,) int64 on the CPU."""
    import torch

    for _ in range(epochs):
        yield torch.randperm(count, generator=generator)


def fit(
    network: torch.nn.Module,
    epochs: Iterable[Batches],
    tests: tuple[torch.Tensor, torch.Tensor],
    *,
    learning_rate: float,
    on_epoch: Callable[[int, float], None] | None,
) -> Training:
    """Train on every epoch's batches and evaluate after each; how batches are made is the caller's affair."""
    import torch

    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    train_loss, test_loss, predictions = [], [], []
    first: Epoch | None = None
    for number, batches in enumerate(epochs, 1):
        epoch = train_epoch(network, optimiser, batches)
        first = first or epoch
        train_loss.append(epoch.loss)
        logits = predict_logits(network, tests[0])
        test_loss.append(float(torch.nn.functional.cross_entropy(logits, tests[1])))
        predictions.append(logits.argmax(1).to(torch.uint8).cpu().numpy())
        if on_epoch is not None:
            on_epoch(number, train_loss[-1])
    weights = get_weights(network)
    check_weights(weights, "training")
    begun = (
        (first.first_seconds, first.later_seconds, first.first_losses) if first else (0.0, None, np.empty(0))
    )
    return Training(
        weights,
        np.array(train_loss),
        np.array(test_loss),
        np.stack(predictions),
        logits.cpu().numpy(),
        *begun,
    )


@dataclasses.dataclass(frozen=True, slots=True)
class Epoch:
    """What one pass over the training images left."""

    loss: float
    """Mean over the images, nats."""
    first_seconds: float
    """Wall time of the first step, from fetching its batch until the device was done."""
    later_seconds: float | None
    """Mean wall time of the other steps; None if there was none."""
    first_losses: Doubles
    """Losses of the first batches, (at most `FIRST_LOSSES`,), nats."""


def train_epoch(network: torch.nn.Module, optimiser: torch.optim.Optimizer, batches: Batches) -> Epoch:
    """Take one optimiser step a batch; the device is read twice, after the first step and at the end."""
    import torch

    total, count, steps, first_seconds, begin = 0.0, 0, 0, 0.0, time.perf_counter()
    losses: list[torch.Tensor] = []
    with full_float32():
        for images, labels in batches:
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(network(images), labels)
            loss.backward()
            optimiser.step()
            total = total + loss.detach() * len(labels)
            losses += [loss.detach()] if steps < FIRST_LOSSES else []
            count += len(labels)
            steps += 1
            if steps == 1:
                float(total)  # waits for the device
                first_seconds = time.perf_counter() - begin
    mean = float(total) / count
    rest = time.perf_counter() - begin - first_seconds
    later = rest / (steps - 1) if steps > 1 else None
    return Epoch(mean, first_seconds, later, np.array([float(loss) for loss in losses]))


def predict_logits(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits (n, C) of uint8 images (n, 1, 28, 28) on the network's device."""
    import torch

    with torch.inference_mode(), full_float32():
        return torch.cat([network(normalised(batch)) for batch in images.split(EVALUATION_BATCH)])


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Return ``(x / 255 - mean) / std`` as float32, bit for bit what ToTensor and Normalize give."""
    return images.float().div_(255).sub_(MEAN).div_(STD)


def to_device(
    images: Bytes, labels: Integers | Bytes, where: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return uint8 images (n, 1, 28, 28) and int64 labels (n,) on the device; arrays are copied once."""
    import torch

    pixels = torch.tensor(images).unsqueeze(1).to(where)  # (n, 1, 28, 28)
    return pixels, torch.tensor(labels.astype(np.int64)).to(where)


def check_counts(**counts: int) -> None:
    """Raise `ValueError` naming the first argument below 1."""
    for name, value in counts.items():
        if value < 1:
            msg = f"'{name}' must be at least 1, not {value}."
            raise ValueError(msg)
