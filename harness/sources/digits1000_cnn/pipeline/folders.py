"""Class folders of image files: 100 a class, 70 to train and 30 to test (section 2, tables 3 and 4)."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import typing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.sources.digits1000_cnn.pipeline.pictures import read_pictures
from harness.sources.keras.steps import check_digits

if typing.TYPE_CHECKING:
    from numpy.typing import NDArray

PER_CLASS, TRAIN_PER_CLASS = 100, 70
CLASSES = tuple("0123456789")


@dataclass(frozen=True, slots=True)
class Part:
    """The images of one folder in file order: by class, then by file name."""

    images: NDArray[np.uint8]
    """(n, 28, 28, 3) RGB, 0 to 255."""
    labels: NDArray[np.int64]
    """(n,) class of each image, from its folder."""
    paths: tuple[Path, ...]
    """n files in the same order."""


def draw(labels: NDArray[np.integer], *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw images of each class without replacement.

    Returns
    -------
    training and test indices
        (10, 70) and (10, 30): one row a class.

    Raises
    ------
    ValueError
        If a class has too few images.
    """
    rng = np.random.default_rng(seed)
    rows = []
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        if len(members) < PER_CLASS:
            raise ValueError(f"Class {digit} has {len(members)} images, fewer than the {PER_CLASS} to draw.")
        rows.append(rng.permutation(members)[:PER_CLASS])
    drawn = np.stack(rows)  # (10, 100)
    return drawn[:, :TRAIN_PER_CLASS], drawn[:, TRAIN_PER_CLASS:]


def write_folders(images: NDArray[np.uint8], labels: NDArray[np.integer], cache: Path, *, seed: int) -> Path:
    """Write the drawn images once, as PNG in ``train/0 ... test/9``, and return their folder.

    The folder's name follows from the content, and it appears whole or not at all: it is filled under another
    name and renamed. When two processes fill it at once, the first to finish wins and the other discards its
    copy.

    Parameters
    ----------
    images : (n, 28, 28) uint8 array
    labels : (n,) integer array
    cache : Path
        Made if it does not exist.
    seed : int
        Decides which images are drawn and which of them are for training.

    Raises
    ------
    TypeError, ValueError
        If images or labels are not 28x28 uint8 digits, or a class has too few.
    """
    from PIL import Image

    check_digits(images, labels)
    parts = dict(zip(("train", "test"), draw(labels, seed=seed), strict=True))
    digest = hashlib.sha256()
    for indices in parts.values():
        digest.update(str(indices.shape).encode() + indices.tobytes() + images[indices].tobytes())
    target = cache / f"digits-{digest.hexdigest()[:16]}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    filling = Path(tempfile.mkdtemp(prefix=".filling-", dir=cache))
    try:
        for part, indices in parts.items():
            for digit, row in enumerate(indices):
                folder = filling / part / str(digit)
                folder.mkdir(parents=True)
                for index in row:
                    Image.fromarray(images[index]).save(folder / f"{index:05d}.png")
        filling.rename(target)
    except OSError:
        # renaming onto a folder that is not empty fails: another process was first, with the same content
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(filling, ignore_errors=True)
    return target


def read_folder(folder: Path) -> Part:
    """Read ``0 ... 9`` under `folder` as RGB, ordered as Keras's unshuffled iterator orders them.

    Raises
    ------
    ValueError
        If a class is missing or empty, or anything but an image of 28x28 lies there; each is named.
    """
    paths: list[Path] = []
    counts = []
    for name in CLASSES:
        members = sorted((folder / name).iterdir()) if (folder / name).is_dir() else []
        if not members:
            raise ValueError(
                f"Class folder '{folder / name}' is missing or empty; every class needs an image."
            )
        paths += members
        counts.append(len(members))
    stray = [entry for entry in folder.iterdir() if not entry.is_dir() or entry.name not in CLASSES]
    stray += [path for path in paths if not path.is_file() or path.suffix.lower() != ".png"]
    if stray:
        raise ValueError(
            f"'{min(stray)}' is a stray entry among PNG images in class folders 0 to 9; move it away."
        )
    return Part(read_pictures(paths), np.repeat(np.arange(10), counts), tuple(paths))
