"""What the pipeline needs beyond the array API standard: moves between libraries, chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import array_api_compat
import numpy as np
from array_api_compat import array_namespace as namespace
from array_api_compat import device as device_of

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Array", "chunks", "device_of", "float_type", "like", "namespace", "to_backend", "to_numpy"]

Array: TypeAlias = Any
"""An array of any library that follows the array API standard (NumPy, or torch on CPU or CUDA)."""


def like(values: Array, reference: Array) -> Array:
    """Bring host values to the library and device of a reference array."""
    return namespace(reference).asarray(values, device=device_of(reference))


def to_numpy(array: Array) -> np.ndarray[Any, Any]:
    """Copy an array to the host as NumPy; waits for a device that still computes it."""
    return np.asarray(array_api_compat.to_device(array, "cpu"))


def to_backend(array: Array, *, backend: str, device: str = "cpu") -> Array:
    """Bring a host array to a backend and device, keeping its dtype.

    Parameters
    ----------
    array : array_like
        Values on the host.
    backend : {'numpy', 'torch'}
        Which library computes from here on.
    device : str
        ``'cpu'``, or for torch any device string such as ``'cuda'``.

    Raises
    ------
    ValueError
        Unknown backend, or NumPy asked for a device that is not the CPU.
    """
    if backend == "numpy":
        if device != "cpu":
            raise ValueError(f"NumPy computes on the CPU only, not on '{device}'; choose backend='torch'.")
        return np.asarray(array)
    if backend != "torch":
        raise ValueError(f"Unknown backend '{backend}'; choose 'numpy' or 'torch'.")
    import torch

    return torch.tensor(np.asarray(array), device=device)


def float_type(array: Array, dtype: str) -> Any:  # noqa: ANN401 - each library has a dtype type of its own
    """Return the dtype called ``'float32'`` or ``'float64'`` of an array's library; anything else raises ValueError."""
    if dtype not in {"float32", "float64"}:
        raise ValueError(f"Unknown dtype '{dtype}'; choose 'float32' or 'float64'.")
    return getattr(namespace(array), dtype)


def chunks(length: int, size: int) -> Iterator[slice]:
    """Cut ``range(length)`` into slices of at most ``size``, so that temporaries stay bounded."""
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
