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
    from PIL import Image

SIDE = 28
FORMATS = ("PNG", "JPEG", "BMP")
"""File formats that are read: every other decoder is one more that a hostile file could reach."""
MOST_PIXELS = 1 << 24
"""A larger picture is refused before it is decoded: a few kilobytes can claim any size."""
LOSSLESS_MODES = ("1", "L", "RGB")
"""Pillow modes that become 8-bit RGB without losing anything."""


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
    from PIL import Image, UnidentifiedImageError

    if path.is_dir():
        raise ValueError(f"'{path}' is a folder; give the image files in it.")
    if not path.is_file():
        raise ValueError(f"There is no image file '{path}'; check the name.")
    try:
        with warnings.catch_warnings():
            # its size is told below, with the file's name
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as picture:
                return _as_rgb(picture, path, resize=resize)
    except _PictureError:
        raise
    except UnidentifiedImageError as error:
        raise ValueError(
            f"'{path}' is not an image that Pillow can read; give a PNG, JPEG or BMP file."
        ) from error
    # a damaged file raises whatever the part of a decoder that it reaches raises
    except (*_DECODERS_RAISE, Image.DecompressionBombError) as error:
        raise ValueError(f"'{path}' cannot be read as an image: {error}. Write the file again.") from error


class _PictureError(ValueError):
    """A sound picture that is none the network takes."""


_DECODERS_RAISE = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, MemoryError, struct.error, zlib.error,
)  # fmt: skip


def _as_rgb(picture: Image.Image, path: Path, *, resize: bool) -> NDArray[np.uint8]:
    if picture.mode not in LOSSLESS_MODES:
        raise _PictureError(
            f"'{path}' has mode {picture.mode}, which 8-bit RGB cannot hold; save it as grey or RGB."
        )
    if picture.size != (SIDE, SIDE) and not resize:
        width, height = picture.size
        raise _PictureError(
            f"'{path}' has {width}x{height} pixels, not {SIDE}x{SIDE}; ask for resizing (--resize)."
        )
    if picture.width * picture.height > MOST_PIXELS:
        told = f"{picture.width}x{picture.height} pixels, more than the {MOST_PIXELS:,} that are read"
        raise _PictureError(f"'{path}' has {told}; make it smaller.")
    rgb = picture.convert("RGB")
    if rgb.size != (SIDE, SIDE):
        rgb = rgb.resize((SIDE, SIDE), resample=0)  # 0: nearest, load_img's default
    return np.asarray(rgb, dtype=np.uint8)


def read_pictures(paths: Iterable[Path], *, resize: bool = False) -> NDArray[np.uint8]:
    """Read several image files: (n, 28, 28, 3) uint8; errors as in `read_picture`."""
    return np.stack([read_picture(path, resize=resize) for path in paths])
