"""The `digits` data: scikit-learn's 1,797 handwritten digits, 8x8 in 17 grey levels, brought to 28x28 in 256.

1. Grey levels 0 to 16 become ``round(255 g / 16)``.
2. Pillow's bilinear ``resize`` brings each image to 28x28, in fixed point on bytes: alike on every platform.
3. ``train_test_split(test_size=360, stratify=labels, random_state=0)`` picks the test images; both halves
   keep the original order.

The hashes of the result are declared, so a library that came to do any of it differently is noticed.
"""

from __future__ import annotations

import contextlib
import functools
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np

from harness.datasets.cache import Original
from harness.datasets.declared import SIDE
from harness.datasets.idx import Opened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from harness.datasets.declared import Part

TEST_IMAGES = 360
RECIPE = 1
"""Raised when the steps above change."""


def original(part: Part) -> Original:
    """Describe one array of the digits to the cache.

    Parameters
    ----------
    part : Part
        Which of the four.
    """

    @contextlib.contextmanager
    def opened() -> Iterator[Opened]:
        array = make()[part.file]
        yield Opened(array.shape, iter([array.tobytes()]))

    versions = f"scikit-learn {metadata.version('scikit-learn')}, Pillow {metadata.version('pillow')}"
    identity: dict[str, int | str] = {"recipe": RECIPE, "made_by": versions}
    return Original(key=f"digits-{part.file}", identity=identity, open=opened, gz_md5=lambda: "")


@functools.lru_cache(maxsize=1)  # the four arrays are asked for one after the other
def make() -> dict[str, NDArray[np.uint8]]:
    """Make the four uint8 arrays by IDX file name: images (n, 28, 28) and labels (n,), n = 1437 or 360."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    small = load_digits()
    images = enlarge(np.rint(small.images * 255 / 16).astype(np.uint8))  # (1797, 28, 28)
    labels = small.target.astype(np.uint8)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=TEST_IMAGES, stratify=labels, random_state=0
    )
    made = {}
    for stem, chosen in (("train", np.sort(train)), ("t10k", np.sort(test))):
        made[f"{stem}-images-idx3-ubyte"] = images[chosen]
        made[f"{stem}-labels-idx1-ubyte"] = labels[chosen]
    return made


def enlarge(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Bring images to 28x28 by Pillow's bilinear interpolation.

    Parameters
    ----------
    images : uint8 array of shape (n, h, w)

    Returns
    -------
    uint8 array of shape (n, 28, 28)
    """
    from PIL import Image

    def one(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR))

    return np.stack([one(image) for image in images])
