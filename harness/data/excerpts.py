"""The excerpts of MNIST and KMNIST that travel in the package: which images they hold, and the command that cut them out.

``HARNESS_DATA=FOLDER python -m harness.data.excerpts`` writes the files below `EMBEDDED` anew from the originals.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import numpy as np

from harness.data import idx, loading
from harness.store import files

EXCERPTS = {
    "mnist-excerpt": ("mnist", {"train": 6_000, "test": 2_000}, range(10)),
    "kmnist-excerpt": ("kmnist", {"train": 6_284, "test": 10_000}, (0, 2, 6)),
}
"""Original of each excerpt, how many of its first images are looked at in each part, and the classes that are taken."""


def write(folder: Path) -> None:
    """Cut all excerpts out of the originals and write their files below `folder`; the same originals give the same bytes.

    Raises
    ------
    DataError
        If an original is not here.
    """
    for name, (original, counts, classes) in EXCERPTS.items():
        data = loading.load(original)
        for part, split in (("train", data.train), ("test", data.test)):
            stem, most = {"train": "train", "test": "t10k"}[part], counts[part]
            taken = np.isin(split.labels[:most], classes)  # (most,)
            arrays = {
                f"{stem}-images-idx3-ubyte": split.images[:most][taken],
                f"{stem}-labels-idx1-ubyte": split.labels[:most][taken],
                f"{part}-taken-idx1-ubyte": taken.astype(np.uint8),
            }
            for file, array in arrays.items():
                content = idx.header(array.shape) + array.tobytes()
                files.write_bytes(folder / name / f"{file}.gz", gzip.compress(content, 9, mtime=0))


if __name__ == "__main__":
    write(Path(sys.argv[1]) if sys.argv[1:] else loading.EMBEDDED)
