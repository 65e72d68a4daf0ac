"""TinyConvNet as a torch module, its seeded start, and its weights as NumPy arrays and files.

conv 1->8 3x3, ReLU, pool 2; conv 8->16 3x3, ReLU, pool 2; linear 400->C; no bias in the convolutions (the
source's table 'The Network: TinyConvNet').
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.sources.tinyconvnet_svd.pipeline.results import Weights

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import torch

KEYS = {"conv1": "0.weight", "conv2": "3.weight", "fc_weight": "7.weight", "fc_bias": "7.bias"}
"""`Weights` field -> key in the module's state."""


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


def build_network(classes: int, device: torch.device, *, channels_last: bool) -> torch.nn.Sequential:
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
            *(nn.Flatten(), nn.Linear(400, classes)),  # (n, C)
        )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    return network.to(device, memory_format=layout)


def initial_weights(classes: int, generator: torch.Generator) -> Weights:
    """Draw torch's default start, uniform within ``1 / sqrt(fan_in)``, from an explicit CPU generator."""
    import torch

    def uniform(*shape: int, fan_in: int) -> Any:  # noqa: ANN401 - torch is untyped here
        bound = 1 / math.sqrt(fan_in)
        return torch.empty(shape).uniform_(-bound, bound, generator=generator).numpy()

    return Weights(
        conv1=uniform(8, 1, 3, 3, fan_in=9),
        conv2=uniform(16, 8, 3, 3, fan_in=72),
        fc_weight=uniform(classes, 400, fan_in=400),
        fc_bias=uniform(classes, fan_in=400),
    )


def set_weights(network: torch.nn.Module, weights: Weights) -> None:
    """Copy `weights` into the network, whatever its device and layout."""
    import torch

    state = {key: torch.from_numpy(np.array(getattr(weights, field))) for field, key in KEYS.items()}
    network.load_state_dict(state)


def get_weights(network: torch.nn.Module) -> Weights:
    """Return a copy of the network's weights as contiguous float32 arrays."""
    state = network.state_dict()
    return Weights(**{field: np.array(state[key].cpu().numpy(), order="C") for field, key in KEYS.items()})


def network_of(weights: Weights, device: str, *, channels_last: bool = False) -> torch.nn.Sequential:
    """Return a network with `weights` on `device`."""
    network = build_network(len(weights.fc_bias), resolve_device(device), channels_last=channels_last)
    set_weights(network, weights)
    return network


def save_weights(path: Path, weights: Weights) -> None:
    """Write `weights` as an uncompressed .npz without pickled objects."""
    with path.open("wb") as file:
        np.savez(file, **{field: getattr(weights, field) for field in KEYS})


def load_weights(path: Path) -> Weights:
    """Read what `save_weights` wrote.

    Raises
    ------
    ValueError
        If the file is no such archive, or an array is missing, of another shape or dtype, or not finite.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            weights = Weights(**{field: archive[field] for field in KEYS})
    except (KeyError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        msg = f"'{path}' holds no TinyConvNet weights ({error}); write it with save_weights."
        raise ValueError(msg) from error
    check_weights(weights, str(path))
    return weights


def check_weights(weights: Weights, name: str) -> None:
    """Raise `ValueError` naming the array unless shapes, dtype and values are those of a TinyConvNet."""
    classes = len(np.atleast_1d(weights.fc_bias))
    shapes = {
        "conv1": (8, 1, 3, 3),
        "conv2": (16, 8, 3, 3),
        "fc_weight": (classes, 400),
        "fc_bias": (classes,),
    }
    for field, array in ((item.name, getattr(weights, item.name)) for item in dataclasses.fields(weights)):
        if array.shape != shapes[field] or array.dtype != np.float32:
            msg = f"'{field}' in '{name}' is {array.dtype} {array.shape}; float32 {shapes[field]} is needed."
            raise ValueError(msg)
        if not np.isfinite(array).all():
            msg = f"'{field}' in '{name}' is not finite; train again with a smaller learning rate."
            raise ValueError(msg)
