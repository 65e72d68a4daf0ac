"""From a name to verified arrays: where the files lie, whether all are there, and what is wrong if not."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from harness.data import idx
from harness.data.cache import Decoded, cache_folder, decoded, is_current
from harness.data.declared import DECLARED, Declared, Part, declared
from harness.errors import DataError, StorageError
from harness.records import DatasetUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VARIABLE = "HARNESS_DATA"
EMBEDDED = Path(__file__).parent / "embedded"
"""Folder of the excerpts that travel in the package."""
REINSTALL = "Install report-harness anew"
Origin = Literal["embedded", "HARNESS_DATA", "cache"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Split:
    """Train or test half of a data set."""

    images: NDArray[np.uint8]
    """uint8 (n, 28, 28), read-only."""
    labels: NDArray[np.uint8]
    """uint8 (n,), read-only, from 0."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Dataset:
    """A data set as it was found."""

    name: str
    """mnist-excerpt, kmnist-excerpt, mnist or kmnist."""
    train: Split
    """Training images and labels."""
    test: Split
    """Test images and labels."""
    classes: tuple[str, ...]
    """What the labels 0, 1, ... stand for."""
    complete: bool
    """Whether every image is there and the content is verified by hash."""
    train_share: float | None
    """Share of the training images that is here, if the test part is whole and verified; None otherwise."""
    origin: Origin
    """Where it comes from; never a path, so that results compare across machines."""
    sha256: str
    """Hash of what ``sha256sum`` prints for the unpacked IDX files: train images, train labels, then test."""
    found: str
    """One sentence: counts, origin, what is missing or unverified."""

    @property
    def use(self) -> DatasetUse:
        """What results record of it."""
        return DatasetUse(
            name=self.name,
            sha256=self.sha256,
            complete=self.complete,
            found=self.found,
            train_share=self.train_share,
        )


def load(name: str) -> Dataset:
    """Load a data set: mnist-excerpt and kmnist-excerpt as they ship, mnist and kmnist from HARNESS_DATA or else from the per-user cache.

    It is usable even if incomplete; `Dataset.complete` and `Dataset.found` say so.

    Raises
    ------
    UnknownNameError
        If nothing is declared under that name.
    DataError
        If it is not there, or a file is missing, unreadable, truncated or foreign.
    """
    wanted = declared(name)
    origin, folder = find(wanted)
    return load_from(wanted, origin, folder)


def find(wanted: Declared) -> tuple[Origin, Path]:
    """Say where a data set lies: its origin and the folder of its files.

    Raises
    ------
    DataError
        If it is nowhere, or HARNESS_DATA names no folder.
    """
    if not wanted.folder:
        return "embedded", EMBEDDED / wanted.name
    places: list[tuple[Origin, Path]] = [("cache", raw_folder(cache_folder(), wanted))]
    if chosen := os.environ.get(VARIABLE):
        root = Path(chosen).expanduser().resolve()
        if not root.is_dir():
            message = f"{VARIABLE} names {root}, which is not a folder"
            raise DataError(message, f"Correct {VARIABLE} or unset it")
        places.insert(0, ("HARNESS_DATA", raw_folder(root, wanted)))
    for origin, folder in places:
        if any(part_file(folder, part) for part in wanted.parts):
            return origin, folder
    looked = " and ".join(str(folder) for _, folder in places)
    raise DataError(
        f"the data set '{wanted.name}' is not here: looked in {looked}",
        f"Type: harness data fetch {wanted.name} (or let {VARIABLE} name a folder in torchvision's layout)",
    )


def raw_folder(root: Path, wanted: Declared) -> Path:
    """Return the folder of a data set's IDX files in torchvision's layout."""
    return root / wanted.folder / "raw"


def part_file(folder: Path, part: Part) -> Path | None:
    """Return a part's file, gzipped before plain: some parts have a known hash only as gzip file."""
    for path in (folder / f"{part.file}.gz", folder / part.file):
        try:
            path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}", idx.LOOK) from error
        return path
    return None


def is_decoded(name: str) -> bool:
    """Whether `load` would map every array of a data set from the cache; raises what `find` raises."""
    wanted = declared(name)
    _, folder = find(wanted)
    cache = cache_folder() / "decoded"
    paths = {part: part_file(folder, part) for part in wanted.parts}
    return all(path and is_current(path, f"{name}-{part.file}", cache) for part, path in paths.items())


def load_from(wanted: Declared, origin: Origin, folder: Path, cache: Path | None = None) -> Dataset:
    """Load a data set from a given folder, decoding into a given cache; see `load`."""
    cache = cache or cache_folder() / "decoded"
    paths, arrays = [], []
    for part in wanted.parts:
        path = part_file(folder, part)
        if path is None:
            message = f"{part.title} are missing: expected {folder / part.file} or {part.file}.gz"
            step = f"Put the file there or type: harness data fetch {wanted.name}"
            raise DataError(message, step if wanted.folder else REINSTALL)
        paths.append(path)
        arrays.append(decoded(path, f"{wanted.name}-{part.file}", part.shape, cache))
    checked = list(zip(wanted.parts, arrays, paths, strict=True))
    verified = [_verify(wanted, part, array, path) for part, array, path in checked]
    train = _split(wanted, arrays[0], arrays[1], paths[1])
    test = _split(wanted, arrays[2], arrays[3], paths[3])
    hashes = "".join(f"{array.sha256}  {part.file}\n" for part, array, _ in checked)
    where = {"embedded": "that travel in the package", "cache": "from the per-user cache"}
    counts = f"{len(train):,} train and {len(test):,} test images {where.get(origin, f'from {origin}')}"
    problems = "; ".join(filter(None, verified))
    return Dataset(
        name=wanted.name,
        train=train,
        test=test,
        classes=wanted.classes,
        complete=not problems,
        train_share=None if any(verified[2:]) else len(train) / wanted.parts[0].shape[0],
        origin=origin,
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        found=f"{counts}; incomplete: {problems}" if problems else f"{counts}; complete, verified by hash",
    )


def _verify(wanted: Declared, part: Part, array: Decoded, path: Path) -> str:
    """Say what keeps a part from being complete, or nothing; raise if it is something else altogether."""
    count, expected = len(array.array), part.shape[0]
    if array.sha256 == part.sha256 or (part.gz_md5 and array.gz_md5 == part.gz_md5):
        return ""
    if count < expected:
        return f"{part.title}: {count:,} of {expected:,}"
    if count == expected and not part.sha256:
        return f"{part.title}: all {count:,}, but unverified: only the original gzip file has a known hash"
    raise DataError(
        f"{path} is foreign: expected {expected:,} items with SHA-256 {part.sha256 or 'unknown'}, "
        f"found {count:,} with {array.sha256}",
        idx.REPLACE if wanted.folder else REINSTALL,
    )


def _split(wanted: Declared, images: Decoded, labels: Decoded, path: Path) -> Split:
    """Pair images with labels, whose file is named, and check that they belong together."""
    if len(images.array) != len(labels.array):
        counts = f"expected {len(images.array):,} labels, found {len(labels.array):,}"
        raise DataError(f"{path} does not fit its images: {counts}", "Take both files from the same download")
    if (highest := int(labels.array.max())) >= len(wanted.classes):
        message = f"{path} is foreign: expected labels from 0 to {len(wanted.classes) - 1}, found {highest}"
        raise DataError(message, idx.REPLACE)
    return Split(images=images.array, labels=labels.array)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What `harness data status` shows of a data set."""

    name: str
    """Data set name."""
    where: str = ""
    """Folder of its files, ``travels in the package``, or empty if it is nowhere."""
    complete: bool = False
    """Whether every image is there and verified."""
    train: int = 0
    """Training images found."""
    test: int = 0
    """Test images found."""
    bytes: int = 0
    """Size of the files found."""
    problem: str = ""
    """What is wrong, or empty."""
    next_step: str = ""
    """What to do about it, or empty."""


def status() -> list[Status]:
    """Look at every declared data set, in order; decodes and verifies what was not decoded before.

    A data set that is missing or damaged, or that the cache cannot hold, is a row and no error.
    """
    return [_status(wanted) for wanted in DECLARED.values()]


def _status(wanted: Declared) -> Status:
    row = Status(name=wanted.name)
    try:
        origin, folder = find(wanted)
        sizes = (path.stat().st_size for part in wanted.parts if (path := part_file(folder, part)))
        where = str(folder) if wanted.folder else "travels in the package"
        row = dataclasses.replace(row, where=where, bytes=sum(sizes))
        dataset = load_from(wanted, origin, folder)
    except (DataError, StorageError) as error:
        return dataclasses.replace(row, problem=error.what, next_step=error.next_step)
    row = dataclasses.replace(
        row, complete=dataset.complete, train=len(dataset.train), test=len(dataset.test)
    )
    if dataset.complete:
        return row
    step = f"Type: harness data fetch {wanted.name}" if wanted.folder else REINSTALL
    aside = f", then unset {VARIABLE}" if origin == VARIABLE else ""
    return dataclasses.replace(row, problem=dataset.found, next_step=step + aside)
