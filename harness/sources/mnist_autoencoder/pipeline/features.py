"""What the frozen encoder makes of each image, computed once and kept in memory or in a file."""

from __future__ import annotations

import typing

import numpy as np

from harness.sources.keras import steps
from harness.sources.mnist_autoencoder.pipeline.network import FEATURES

if typing.TYPE_CHECKING:
    from pathlib import Path

    import keras
    from numpy.typing import NDArray

DTYPES = ("float32", "float16")


def normalise(images: NDArray[np.generic]) -> NDArray[np.float32]:
    """Bring uint8 images (n, 28, 28) to [0, 1]: (n, 28, 28, 1) float32 (section 3.1.2, step 3)."""
    return (images.astype(np.float32) / 255.0)[..., np.newaxis]  # (n, 28, 28, 1)


def feature_bytes(images: int, dtype: str = "float32") -> int:
    """Bytes that the features of `images` images take: 12,544 values each."""
    return images * int(np.prod(FEATURES)) * np.dtype(dtype).itemsize


def encode(
    encoder: keras.Model,
    images: NDArray[np.uint8],
    dtype: str = "float32",
    *,
    path: Path | None = None,
    batch_size: int = 256,
) -> NDArray[np.floating]:
    """Run the encoder once over all images, chunk by chunk, batch normalisation in inference mode.

    Parameters
    ----------
    encoder : keras.Model
    images : (n, 28, 28) uint8 array
    dtype : str
        ``"float32"``, or ``"float16"`` for half the bytes.
    path : Path, optional
        Keep the features in this ``.npy`` file and return them memory-mapped; it appears whole or not at all.
    batch_size : int

    Returns
    -------
    (n, 7, 7, 256) array of `dtype`; its ``nbytes`` are `feature_bytes(n, dtype)`

    Raises
    ------
    ValueError
        If `dtype` is another word, or a feature is too large for it.
    """
    if dtype not in DTYPES:
        raise ValueError(f"Features are kept as {' or '.join(DTYPES)}, not '{dtype}'.")
    shape = (len(images), *FEATURES)
    if path is None:
        return _fill(encoder, images, np.empty(shape, dtype), batch_size)
    partial = path.with_name(f".{path.name}.partial")
    try:
        _fill(encoder, images, np.lib.format.open_memmap(partial, "w+", np.dtype(dtype), shape), batch_size)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    stored: NDArray[np.floating] = np.load(path, mmap_mode="r")
    return stored


def _fill(
    encoder: keras.Model, images: NDArray[np.uint8], features: NDArray[np.floating], batch_size: int
) -> NDArray[np.floating]:
    if not encoder.compiled:
        # an uncompiled model would pick its own compiler for prediction
        encoder.compile(jit_compile=steps.compile_jit())
    try:
        with np.errstate(over="raise"):
            return steps.predict(encoder, images, batch_size=batch_size, prepare=normalise, out=features)
    except FloatingPointError as error:
        raise ValueError(f"A feature is too large for {features.dtype}; keep features as float32.") from error
