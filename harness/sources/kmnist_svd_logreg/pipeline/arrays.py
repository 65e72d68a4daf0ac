"""What the pipeline needs beyond the array API standard: namespaces, moves between libraries, chunks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import array_api_compat
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

Array: TypeAlias = Any
"""An array of any library that follows the array API standard (NumPy, or torch on CPU or CUDA)."""

Namespace: TypeAlias = Any
"""The module of array functions that belongs to an array, as ``array_namespace`` finds it."""

FLOATS = ("float32", "float64")


def namespace(*arrays: Array) -> Namespace:
    """Find the common array library of some arrays; a foreign type raises TypeError naming it."""
    return array_api_compat.array_namespace(*arrays)


def device_of(array: Array) -> Any:  # noqa: ANN401 - each library has a device type of its own
    """Return where an array lives, in its own library's words."""
    return array_api_compat.device(array)


def like(values: Array, reference: Array, dtype: str | None = None) -> Array:
    """Bring host values to the library and device of a reference array, with a dtype given by name."""
    xp = namespace(reference)
    wanted = None if dtype is None else getattr(xp, dtype)
    return xp.asarray(values, dtype=wanted, device=device_of(reference))


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


def float_type(xp: Namespace, dtype: str) -> Any:  # noqa: ANN401 - each library has a dtype type of its own
    """Turn ``'float32'`` or ``'float64'`` into a library's dtype; anything else raises ValueError."""
    if dtype not in FLOATS:
        raise ValueError(f"Unknown dtype '{dtype}'; choose 'float32' or 'float64'.")
    return getattr(xp, dtype)


def chunks(length: int, size: int) -> Iterator[slice]:
    """Cut ``range(length)`` into slices of at most ``size``, so that temporaries stay bounded."""
    if size < 1:
        raise ValueError(f"A chunk needs at least one row, not {size}.")
    for start in range(0, length, size):
        yield slice(start, min(start + size, length))
