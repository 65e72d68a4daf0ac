"""Download of the originals into the per-user cache, through torchvision."""

from __future__ import annotations

import contextlib
import errno
from typing import TYPE_CHECKING

from harness.data.cache import cache_folder
from harness.data.declared import Declared, declared
from harness.data.loading import Dataset, load, load_from, part_file, raw_folder
from harness.errors import DataError, MissingExtraError
from harness.store import files, locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK_SECONDS = 1800.0
"""How long to wait for another process that fetches the same data."""
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM}


def fetch(name: str) -> Dataset:
    """Download a data set into the per-user cache unless it is there and complete, and load it from there.

    Nothing is used, or takes its final name, before its content is verified. Two processes that fetch at once
    download once.

    Parameters
    ----------
    name : str
        mnist or kmnist; of an excerpt nothing is downloaded.

    Raises
    ------
    UnknownNameError
        If nothing is declared under that name.
    MissingExtraError
        If torchvision is not installed.
    DataError
        If the network does not give the files, or gives others.
    StorageError
        If the cache cannot be written.
    """
    wanted = declared(name)
    if not wanted.folder:
        return load(name)
    with filling(wanted) as root:
        return _cached(wanted, root) or _download(wanted, root)


@contextlib.contextmanager
def filling(wanted: Declared) -> Iterator[Path]:
    """Hold a data set's place in the cache, and give the cache's folder.

    Raises
    ------
    DataError
        If another process holds it for too long.
    StorageError
        If the cache cannot be written.
    """
    from filelock import Timeout

    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locks.held(root / f"fetch-{wanted.name}.lock", LOCK_SECONDS):
            yield root
    except Timeout as error:
        raise DataError(
            f"another process has been fetching {wanted.name} for {LOCK_SECONDS / 60:.0f} minutes",
            "Wait for it or end it",
        ) from error
    except OSError as error:
        raise files.storage_error(root, error, "fill the cache folder") from error


def _cached(wanted: Declared, root: Path) -> Dataset | None:
    """Load what an earlier fetch left if it is complete; anything less is fetched again."""
    folder = raw_folder(root, wanted)
    if not all(part_file(folder, part) for part in wanted.parts):
        return None
    try:
        dataset = load_from(wanted, "cache", folder)
    except DataError:
        return None
    return dataset if dataset.complete else None


def _download(wanted: Declared, root: Path) -> Dataset:
    def fill(staging: Path) -> None:
        _torchvision(wanted, staging)
        for part in wanted.parts:  # keep the originals: only they have known hashes for every part
            (raw_folder(staging, wanted) / part.file).unlink()

    return install(wanted, root, fill, lambda raw: _check(wanted, raw))


def install(
    wanted: Declared, root: Path, fill: Callable[[Path], None], check: Callable[[Path], None]
) -> Dataset:
    """Put a data set into the cache in one step, once what fills a staging folder has passed a check.

    Parameters
    ----------
    wanted : Declared
        What it is.
    root : Path
        The cache, held by `filling`.
    fill : callable
        Puts the files into a staging folder, in torchvision's layout.
    check : callable
        Looks at the folder of the files, and raises if they are not what they should be.
    """
    import shutil

    staging = root / f"fetch-{wanted.name}.staging"
    shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
    try:
        fill(staging)
        raw = raw_folder(staging, wanted)
        check(raw)
        final = raw_folder(root, wanted)
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(exist_ok=True)
        raw.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load_from(wanted, "cache", final)


def _check(wanted: Declared, raw: Path) -> None:
    decoded = raw.parent / "decoded"  # goes with the staging folder
    dataset = load_from(wanted, "cache", raw, decoded)
    if not dataset.complete:
        raise DataError(
            f"the download of {wanted.name} is not the original: {dataset.found}",
            "Try again later or from another network",
        )


def _torchvision(wanted: Declared, staging: Path) -> None:
    """Let torchvision download and unpack into `staging`; it compares each file with its published MD5."""
    import http.client

    from harness.data import (
        guarding,  # urllib's parts take longer to import than the rest of a command's start
    )

    try:
        from torchvision import datasets
    except ImportError as error:
        raise MissingExtraError(
            f"fetching {wanted.name} needs torchvision, which is not installed",
            "Type: pip install 'report-harness[torch]'",
        ) from error
    try:
        original = getattr(datasets, wanted.folder)
        # torchvision names the folder after the class, and asks some mirrors without encryption
        asked = type(original.__name__, (original,), {"mirrors": guarding.encrypted(original.mirrors)})
        with guarding.guarded():
            asked(root=str(staging), download=True)
    except (RuntimeError, EOFError, OSError, http.client.HTTPException) as error:
        if isinstance(error, OSError) and error.errno in _STORAGE:
            raise
        raise DataError(
            f"{wanted.name} could not be downloaded: {' '.join(str(error).split())}",
            f"Check the network and type again: harness data fetch {wanted.name} "
            "(or let HARNESS_DATA name a folder that has it)",
        ) from error
