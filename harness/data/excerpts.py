"""The excerpts of MNIST and KMNIST that travel in the package: which images they hold, and the command that cut them out.

``HARNESS_DATA=FOLDER python -m harness.data.excerpts`` writes the files below `EMBEDDED` anew from the originals.
"""

from __future__ import annotations

import dataclasses
import gzip
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from harness.data import idx, loading
from harness.store import files

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from harness.data.loading import Split


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """Which images of a data set an excerpt holds, in their original order."""

    original: str
    """Data set that it is cut from."""
    train: int
    """Length of the stretch at the beginning of the training set that images are taken from."""
    test: int
    """The same of the test set."""
    labels: tuple[int, ...]
    """Classes that are taken."""

    def taken(self, part: Split, most: int) -> NDArray[np.bool_]:
        """Say of each of the first `most` images of a part whether the excerpt holds it: (most,)."""
        return np.isin(part.labels[:most], self.labels)


EXCERPTS = {
    "mnist-excerpt": Excerpt(original="mnist", train=6_000, test=2_000, labels=tuple(range(10))),
    "kmnist-excerpt": Excerpt(original="kmnist", train=6_284, test=10_000, labels=(0, 2, 6)),
}


def original_rows(name: str, part: Literal["train", "test"]) -> NDArray[np.int64]:
    """Return the position in the original set of each image of an excerpt's part: (n,), ascending.

    Parameters
    ----------
    name : str
        mnist-excerpt or kmnist-excerpt.
    part : str
        train or test.
    """
    with idx.open_idx(loading.EMBEDDED / name / f"{part}-taken-idx1-ubyte.gz", ()) as opened:
        return np.flatnonzero(np.frombuffer(b"".join(opened.blocks), np.uint8))


def write(folder: Path) -> None:
    """Cut all excerpts out of the originals and write their files below `folder`; the same originals give the same bytes.

    Raises
    ------
    DataError
        If an original is not here.
    """
    for name, excerpt in EXCERPTS.items():
        data = loading.load(excerpt.original)
        for part, stem, split, most in (
            ("train", "train", data.train, excerpt.train),
            ("test", "t10k", data.test, excerpt.test),
        ):
            taken = excerpt.taken(split, most)
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
