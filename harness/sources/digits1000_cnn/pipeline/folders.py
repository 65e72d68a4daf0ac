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

PER_CLASS = 100
TRAIN_PER_CLASS = 70
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


def draw(
    labels: NDArray[np.integer], *, seed: int, per_class: int = PER_CLASS, train: int = TRAIN_PER_CLASS
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw images of each class without replacement.

    Returns
    -------
    training and test indices
        (10, train) and (10, per_class - train): one row a class.

    Raises
    ------
    ValueError
        If a class has too few images, or one of the parts would be empty.
    """
    if not 0 < train < per_class:
        raise ValueError(f"{train} of {per_class} images a class leave one of the two parts empty.")
    rng = np.random.default_rng(seed)
    rows = []
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        if len(members) < per_class:
            raise ValueError(f"Class {digit} has {len(members)} images, fewer than the {per_class} to draw.")
        rows.append(rng.permutation(members)[:per_class])
    drawn = np.stack(rows)  # (10, per_class)
    return drawn[:, :train], drawn[:, train:]


def write_folders(
    images: NDArray[np.uint8],
    labels: NDArray[np.integer],
    cache: Path,
    *,
    seed: int,
    per_class: int = PER_CLASS,
    train: int = TRAIN_PER_CLASS,
) -> Path:
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
    check_digits(images, labels)
    training, testing = draw(labels, seed=seed, per_class=per_class, train=train)
    parts = {"train": training, "test": testing}
    target = cache / f"digits-{_content_key(images, parts)}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    filling = Path(tempfile.mkdtemp(prefix=".filling-", dir=cache))
    try:
        for part, indices in parts.items():
            _write_part(filling / part, images, indices)
        _publish(filling, target)
    finally:
        shutil.rmtree(filling, ignore_errors=True)
    return target


def _content_key(images: NDArray[np.uint8], parts: dict[str, NDArray[np.int64]]) -> str:
    digest = hashlib.sha256()
    for indices in parts.values():
        digest.update(str(indices.shape).encode() + indices.tobytes() + images[indices].tobytes())
    return digest.hexdigest()[:16]


def _write_part(folder: Path, images: NDArray[np.uint8], indices: NDArray[np.int64]) -> None:
    from PIL import Image

    for digit, row in enumerate(indices):
        (folder / str(digit)).mkdir(parents=True)
        for index in row:
            Image.fromarray(images[index]).save(folder / str(digit) / f"{index:05d}.png")


def _publish(filling: Path, target: Path) -> None:
    try:
        filling.rename(target)
    except OSError:
        # renaming onto a folder that is not empty fails: another process was first, with the same content
        if not target.is_dir():
            raise


def read_folder(folder: Path) -> Part:
    """Read ``0 ... 9`` under `folder` as RGB, ordered as Keras's unshuffled iterator orders them.

    Raises
    ------
    ValueError
        If a class is missing or empty, or anything but an image of 28x28 lies there; each is named.
    """
    if not folder.is_dir():
        raise ValueError(f"There is no folder '{folder}' with the classes 0 to 9.")
    strays = sorted(entry for entry in folder.iterdir() if not entry.is_dir() or entry.name not in CLASSES)
    if strays:
        raise ValueError(f"'{strays[0]}' is no class folder 0 to 9; move it away.")
    files = [_class_files(folder / name) for name in CLASSES]
    paths = tuple(path for members in files for path in members)
    labels = np.repeat(np.arange(10), [len(members) for members in files])  # (n,)
    return Part(read_pictures(paths), labels, paths)


def _class_files(folder: Path) -> list[Path]:
    members = sorted(folder.iterdir()) if folder.is_dir() else []
    if not members:
        raise ValueError(f"Class folder '{folder}' is missing or empty; every class needs an image.")
    for path in members:
        if not path.is_file() or path.suffix.lower() != ".png":
            raise ValueError(f"'{path}' is a stray entry among PNG images; move it away.")
    return members
