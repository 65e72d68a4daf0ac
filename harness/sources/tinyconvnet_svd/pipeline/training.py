"""Phase 1: TinyConvNet as a torch module, trained on tensors held on the device.

conv 1->8 3x3, ReLU, pool 2; conv 8->16 3x3, ReLU, pool 2; linear 400->10; no bias in the convolutions (the source's table 'The Network:
TinyConvNet'). All images stay on the device as uint8 (47 MB for MNIST); a batch is one index and three in-place operations, with no
Python per image. The source prints neither optimiser nor batch size: Adam 1e-3 and 64 are ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.images import CLASSES, MEAN, STD, check_images
from harness.sources.tinyconvnet_svd.pipeline.results import Training, Weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import torch

    from harness.sources.tinyconvnet_svd.pipeline.results import Bytes, Integers

    Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]

KEYS = {"conv1": "0.weight", "conv2": "3.weight", "fc_weight": "7.weight", "fc_bias": "7.bias"}
"""`Weights` field -> key in the module's state."""
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
        (n,), 0 to 9.
    epochs : int
        Passes over the training images; the source's result is for 20.
    seed : int
        For the initial weights and every epoch's order, both drawn on the CPU: the same on every device.
    device : str
        ``"cpu"`` or ``"cuda"``.
    batch_size : int
        Images per step (the last step of an epoch may have fewer).
    learning_rate : float
        Adam's; its other settings are torch's defaults.
    channels_last : bool
        Memory layout of the convolutions; see `build_network`.
    on_epoch : callable, optional
        Called after each epoch with its number from 1 and its training loss.

    Raises
    ------
    ValueError
        If images, labels, counts, the device or the learning rate are unusable.
    """
    import torch

    check_images(train_images, train_labels, name="training")
    check_images(test_images, test_labels, name="test")
    if min(epochs, batch_size) < 1:
        msg = f"'epochs' and 'batch_size' must be at least 1, not {epochs} and {batch_size}."
        raise ValueError(msg)
    where, generator = resolve_device(device), torch.Generator().manual_seed(seed)
    network = build_network(where, channels_last=channels_last)
    set_weights(network, initial_weights(generator))
    images, labels = to_device(train_images, train_labels, where)

    def batches(order: torch.Tensor) -> Batches:
        for chosen in order.to(where).split(batch_size):
            yield normalised(images[chosen]), labels[chosen]  # (batch, 1, 28, 28), (batch,)

    orders = epoch_orders(len(images), epochs, generator)
    tests = to_device(test_images, test_labels, where)
    return fit(network, map(batches, orders), tests, learning_rate=learning_rate, on_epoch=on_epoch)


def predict(weights: Weights, images: Bytes, *, device: str) -> Bytes:
    """Return the classes, (n,) uint8, that a network with given weights predicts for uint8 images (n, 28, 28)."""
    import torch

    network = network_of(weights, device, channels_last=True)
    pixels = torch.tensor(images).unsqueeze(1).to(resolve_device(device))  # (n, 1, 28, 28)
    labels: Bytes = predict_logits(network, pixels).argmax(1).to(torch.uint8).cpu().numpy()
    return labels


def resolve_device(device: str) -> torch.device:
    """Return the torch device, or raise `ValueError` if the name is unknown or nothing answers to it."""
    import torch

    try:
        found = torch.device(device)
    except RuntimeError as error:
        msg = f"'{device}' is no torch device; give 'cpu' or 'cuda'."
        raise ValueError(msg) from error
    if found.type == "cuda" and not torch.cuda.is_available():
        msg = f"Device '{device}' was asked for, but torch finds no CUDA device here; give 'cpu'."
        raise ValueError(msg)
    return found


@contextlib.contextmanager
def full_float32() -> Iterator[None]:
    """Switch off TF32, cuDNN's default for convolutions: its 10-bit mantissa breaks the identities."""
    import torch

    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def build_network(device: torch.device, *, channels_last: bool) -> torch.nn.Sequential:
    """Return the network; its weights mean nothing until `set_weights`.

    Pooling comes before ReLU: both orders give the same bits, forward and backward (ReLU is monotone), and
    this one has a quarter of the ReLUs. `channels_last` runs faster on a CPU, but sums in another order, so
    that weights drift away from the contiguous layout's as training goes on.
    """
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):  # layers draw weights of their own; the caller's stream stays put
        network = nn.Sequential(
            *(nn.Conv2d(1, 8, 3, bias=False), nn.MaxPool2d(2), nn.ReLU()),  # (n, 8, 13, 13)
            *(nn.Conv2d(8, 16, 3, bias=False), nn.MaxPool2d(2), nn.ReLU()),  # (n, 16, 5, 5)
            *(nn.Flatten(), nn.Linear(400, CLASSES)),  # (n, 10)
        )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(device, memory_format=layout)


def initial_weights(generator: torch.Generator) -> Weights:
    """Draw torch's default start, uniform within ``1 / sqrt(fan_in)``, from an explicit CPU generator."""
    import torch

    def uniform(*shape: int, fan_in: int) -> Any:  # noqa: ANN401 - torch is untyped here
        bound = 1 / math.sqrt(fan_in)
        return torch.empty(shape).uniform_(-bound, bound, generator=generator).numpy()

    return Weights(
        conv1=uniform(8, 1, 3, 3, fan_in=9),
        conv2=uniform(16, 8, 3, 3, fan_in=72),
        fc_weight=uniform(CLASSES, 400, fan_in=400),
        fc_bias=uniform(CLASSES, fan_in=400),
    )


def set_weights(network: torch.nn.Module, weights: Weights) -> None:
    """Copy `weights` into the network, whatever its device and layout."""
    import torch

    state = {key: torch.from_numpy(np.array(getattr(weights, field))) for field, key in KEYS.items()}
    network.load_state_dict(state)


def network_of(weights: Weights, device: str, *, channels_last: bool = False) -> torch.nn.Sequential:
    """Return a network with `weights` on `device`."""
    network = build_network(resolve_device(device), channels_last=channels_last)
    set_weights(network, weights)
    return network


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
    done: list[Epoch] = []
    test_loss, predictions = [], []
    for number, batches in enumerate(epochs, 1):
        done.append(train_epoch(network, optimiser, batches))
        logits = predict_logits(network, tests[0])
        test_loss.append(float(torch.nn.functional.cross_entropy(logits, tests[1])))
        predictions.append(logits.argmax(1).to(torch.uint8).cpu().numpy())
        if on_epoch is not None:
            on_epoch(number, done[-1].loss)
    state = network.state_dict()
    arrays = {field: np.array(state[key].cpu().numpy(), order="C") for field, key in KEYS.items()}
    if not all(np.isfinite(array).all() for array in arrays.values()):
        msg = "The trained weights are not finite; train again with a smaller learning rate."
        raise ValueError(msg)
    return Training(
        weights=Weights(**arrays),
        train_loss=np.array([epoch.loss for epoch in done]),
        test_loss=np.array(test_loss),
        test_predictions=np.stack(predictions),
        test_logits=logits.cpu().numpy(),
        first_step_seconds=done[0].first_seconds,
        step_seconds=done[0].later_seconds,
        first_losses=np.array(done[0].first_losses),
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
    first_losses: list[float]
    """Losses of the first batches, at most `FIRST_LOSSES`, nats."""


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
    return Epoch(
        mean, first_seconds, rest / (steps - 1) if steps > 1 else None, [float(loss) for loss in losses]
    )


def predict_logits(network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    """Return the logits (n, 10) of uint8 images (n, 1, 28, 28) on the network's device."""
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
