"""From a name to verified arrays: where the files lie, whether all are there, and what is wrong if not."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from harness.data import idx
from harness.data.cache import Decoded, Original, cache_folder, decoded, is_current
from harness.data.declared import Declared, Part, declared
from harness.data.idx import REPLACE
from harness.errors import DataError, MissingDataError
from harness.records import DatasetUse

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VARIABLE = "HARNESS_DATA"
EMBEDDED = Path(__file__).parent / "embedded"
"""Folder of the excerpts that travel in the package."""
REINSTALL = "Install report-harness anew"
_LOOK = "Look at that file, its folders and their permissions"
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
    warnings: tuple[str, ...] = ()
    """What worked less well than it should, e.g. a cache that cannot be written; names paths."""

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
    """Load a data set: an excerpt as it ships, others from HARNESS_DATA or else from the per-user cache.

    Parameters
    ----------
    name : str
        mnist-excerpt, kmnist-excerpt, mnist or kmnist.

    Returns
    -------
    Dataset
        Usable even if incomplete; `Dataset.complete` and `Dataset.found` say so.

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
    MissingDataError
        If it is nowhere.
    DataError
        If HARNESS_DATA names no folder.
    """
    if not wanted.folder:
        return "embedded", EMBEDDED / wanted.name
    cached = raw_folder(cache_folder(), wanted)
    places: list[tuple[Origin, Path]] = [("cache", cached)]
    if chosen := os.environ.get(VARIABLE):
        root = Path(chosen).expanduser().resolve()
        if not root.is_dir():
            raise DataError(
                f"{VARIABLE} names {root}, which is not a folder", f"Correct {VARIABLE} or unset it"
            )
        places.insert(0, ("HARNESS_DATA", raw_folder(root, wanted)))
    for origin, folder in places:
        if any(part_file(folder, part) for part in wanted.parts):
            return origin, folder
    looked = " and ".join(str(folder) for _, folder in places)
    raise MissingDataError(
        f"the data set '{wanted.name}' is not here: looked in {looked}",
        f"Type: harness data fetch {wanted.name} (or let {VARIABLE} name a folder in torchvision's layout)",
        wanted.name,
    )


def raw_folder(root: Path, wanted: Declared) -> Path:
    """Return the folder of a data set's IDX files in torchvision's layout."""
    return root / wanted.folder / "raw"


def load_from(wanted: Declared, origin: Origin, folder: Path, cache: Path | None = None) -> Dataset:
    """Load a data set from a given folder, decoding into a given cache; see `load`."""
    cache = cache or cache_folder() / "decoded"
    found = [_read(wanted, part, folder, cache) for part in wanted.parts]
    verified = [_verify(wanted, part, array, path) for part, array, path in found]
    problems = list(filter(None, verified))
    train, test = _split(wanted, found[:2]), _split(wanted, found[2:])
    return Dataset(
        name=wanted.name,
        train=train,
        test=test,
        classes=wanted.classes,
        complete=not problems,
        train_share=None if any(verified[2:]) else len(train) / wanted.parts[0].shape[0],
        origin=origin,
        sha256=_combined(found),
        found=_sentence(origin, train, test, problems),
        warnings=tuple(dict.fromkeys(item.array.warning for item in found if item.array.warning)),
    )


def is_decoded(name: str) -> bool:
    """Whether `load` would map every array of a data set from the cache; raises what `find` raises."""
    wanted = declared(name)
    _, folder = find(wanted)
    cache = cache_folder() / "decoded"
    paths = [part_file(folder, part) for part in wanted.parts]
    return all(
        path is not None and is_current(_original(wanted, part, path), cache)
        for part, path in zip(wanted.parts, paths, strict=True)
    )


class _Found(NamedTuple):
    """A part as it was found."""

    part: Part
    array: Decoded
    path: Path
    """Its file."""


def _read(wanted: Declared, part: Part, folder: Path, cache: Path) -> _Found:
    path = part_file(folder, part)
    if path is None:
        raise DataError(
            f"{part.title} are missing: expected {folder / part.file} or {part.file}.gz",
            f"Put the file there or type: harness data fetch {wanted.name}" if wanted.folder else REINSTALL,
        )
    return _Found(part, decoded(_original(wanted, part, path), cache), path)


def part_file(folder: Path, part: Part) -> Path | None:
    """Return a part's file, gzipped before plain: some parts have a known hash only as gzip file."""
    for path in (folder / f"{part.file}.gz", folder / part.file):
        try:
            path.lstat()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}", _LOOK) from error
        return path
    return None


def _original(wanted: Declared, part: Part, path: Path) -> Original:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", _LOOK) from error
    place = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return Original(
        key=f"{wanted.name}-{part.file}-{place}",
        identity={"size": status.st_size, "mtime_ns": status.st_mtime_ns},
        open=lambda: idx.open_idx(path, part.shape[1:], part.shape[0]),
        gz_md5=lambda: idx.gz_md5(path) if path.suffix == ".gz" else "",
    )


def _verify(wanted: Declared, part: Part, decoded: Decoded, path: Path) -> str:
    """Say what keeps a part from being complete, or nothing; raise if it is something else altogether."""
    count, expected = len(decoded.array), part.shape[0]
    if decoded.sha256 == part.sha256 or (part.gz_md5 and decoded.gz_md5 == part.gz_md5):
        return ""
    if count < expected:
        return f"{part.title}: {count:,} of {expected:,}"
    if count == expected and not part.sha256:
        return f"{part.title}: all {count:,}, but unverified: only the original gzip file has a known hash"
    raise DataError(
        f"{path} is foreign: expected {expected:,} items with SHA-256 {part.sha256 or 'unknown'}, "
        f"found {count:,} with {decoded.sha256}",
        REPLACE if wanted.folder else REINSTALL,
    )


def _split(wanted: Declared, found: list[_Found]) -> Split:
    """Pair images with labels and check that they belong together."""
    (images, labels), path = (item.array.array for item in found), found[1].path
    if len(images) != len(labels):
        raise DataError(
            f"{path} does not fit its images: expected {len(images):,} labels, found {len(labels):,}",
            "Take both files from the same download",
        )
    if (highest := int(labels.max())) >= len(wanted.classes):
        raise DataError(
            f"{path} is foreign: expected labels from 0 to {len(wanted.classes) - 1}, found {highest}",
            REPLACE,
        )
    return Split(images=images, labels=labels)


def _combined(found: list[_Found]) -> str:
    return hashlib.sha256(
        "".join(f"{item.array.sha256}  {item.part.file}\n" for item in found).encode()
    ).hexdigest()


def _sentence(origin: Origin, train: Split, test: Split, problems: list[str]) -> str:
    where = {"embedded": "that travel in the package", "cache": "from the per-user cache"}.get(
        origin, f"from {origin}"
    )
    counts = f"{len(train):,} train and {len(test):,} test images {where}"
    return (
        f"{counts}; incomplete: {'; '.join(problems)}"
        if problems
        else f"{counts}; complete, verified by hash"
    )
