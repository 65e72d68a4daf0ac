"""Random flips, turns and shifts on NumPy arrays, so that every backend sees the same augmented images.

Keras 3 has no ``ImageDataGenerator``. The source names the kinds (horizontal flip, rotation, width and height
shift, rescale) and prints no range: `ASSUMED` declares them. As in that class, values between pixels are
interpolated linearly, and what enters from outside repeats the nearest edge pixel.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass

import numpy as np

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Ranges:
    """How far an image may be changed."""

    flip: bool
    """Mirror left and right with probability one half."""
    degrees: float
    """Turn by up to this angle, either way."""
    shift: float
    """Shift rows and columns by up to this share of the side, either way."""


ASSUMED = Ranges(flip=True, degrees=10.0, shift=0.1)
"""Not printed by the source: an assumption."""


def augment(
    images: NDArray[np.floating], rng: np.random.Generator, ranges: Ranges = ASSUMED
) -> NDArray[np.float32]:
    """Change each image at random.

    Parameters
    ----------
    images : (n, side, side, channels) array
    rng : numpy.random.Generator
    ranges : Ranges

    Returns
    -------
    (n, side, side, channels) float32 array, within the range of values of each image
    """
    count, side = images.shape[:2]
    angles = np.deg2rad(rng.uniform(-ranges.degrees, ranges.degrees, count))
    shifts = rng.uniform(-ranges.shift, ranges.shift, (count, 2)) * side
    mirrored = np.logical_and(rng.random(count) < 0.5, ranges.flip)  # (n,)
    changed = np.empty(images.shape, np.float32)
    for row, image in enumerate(images):
        changed[row] = _move(image[:, ::-1] if mirrored[row] else image, angles[row], shifts[row])
    return changed


def _move(image: NDArray[np.floating], angle: float, shift: NDArray[np.floating]) -> NDArray[np.floating]:
    from scipy.ndimage import affine_transform

    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = (np.array(image.shape[:2]) - 1) / 2
    offset = centre - turn @ centre + shift
    layers = np.moveaxis(image, -1, 0)  # (channels, side, side)
    channels = [affine_transform(layer, turn, offset, order=1, mode="nearest") for layer in layers]
    return np.stack(channels, axis=-1)  # (side, side, channels)
