"""Read single image files as the network takes them, and refuse the rest by name.

The source's ``load_img(..., target_size=(28, 28))`` resizes any picture and drops alpha without a word. Here
another size is refused unless resizing is asked for, and a mode that RGB cannot hold unchanged is always
refused.
"""

from __future__ import annotations

import struct
import typing
import warnings
import zlib

import numpy as np

if typing.TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

SIZE = (28, 28)
FORMATS = ("PNG", "JPEG", "BMP")
"""File formats that are read: every other decoder is one more that a hostile file could reach."""
MOST_PIXELS = 1 << 24
"""A larger picture is refused before it is decoded: a few kilobytes can claim any size."""
LOSSLESS_MODES = ("1", "L", "RGB")
"""Pillow modes that become 8-bit RGB without losing anything."""
# a damaged file raises whatever the part of a decoder that it reaches raises
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


def read_picture(path: Path, *, resize: bool = False) -> NDArray[np.uint8]:
    """Read one image file as RGB.

    Parameters
    ----------
    path : Path
    resize : bool
        Bring another size to 28x28 by the nearest pixel, as the source's prediction program does.

    Returns
    -------
    (28, 28, 3) uint8 array, values 0 to 255

    Raises
    ------
    ValueError
        If the file is missing, is no image of `FORMATS`, is damaged, or has another size or mode, or too many pixels.
    """
    from PIL import Image

    if not path.is_file():
        raise ValueError(f"There is no image file '{path}'; check the name.")
    refused, rgb = "", None
    try:
        with warnings.catch_warnings():
            # a size is refused below, with the file's name
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                size = f"{picture.width}x{picture.height} pixels"
                if picture.mode not in LOSSLESS_MODES:
                    refused = f"mode {picture.mode}, which 8-bit RGB cannot hold; save it as grey or RGB"
                elif picture.size != SIZE and not resize:
                    refused = f"{size}, not 28x28; ask for resizing (--resize)"
                elif picture.width * picture.height > MOST_PIXELS:
                    refused = f"{size}, more than the {MOST_PIXELS:,} that are read; make it smaller"
                else:
                    rgb = picture.convert("RGB")
    except (*_DAMAGED, Image.DecompressionBombError) as error:
        raise ValueError(f"'{path}' cannot be read as a PNG, JPEG or BMP image: {error}.") from error
    if rgb is None:
        raise ValueError(f"'{path}' has {refused}.")
    if rgb.size != SIZE:
        rgb = rgb.resize(SIZE, resample=0)  # 0: nearest, load_img's default
    return np.asarray(rgb, dtype=np.uint8)


def read_pictures(paths: Iterable[Path], *, resize: bool = False) -> NDArray[np.uint8]:
    """Read several image files: (n, 28, 28, 3) uint8; errors as in `read_picture`."""
    return np.stack([read_picture(path, resize=resize) for path in paths])
