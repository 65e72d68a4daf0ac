"""Download of the originals into the per-user cache."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from harness.data.cache import cache_folder
from harness.data.declared import Declared, declared
from harness.data.loading import Dataset, load, load_from, part_file, raw_folder
from harness.errors import DataError
from harness.store import files, locks

if TYPE_CHECKING:
    from pathlib import Path

LOCK_SECONDS = 1800.0
"""How long to wait for another process that fetches the same data."""
NETWORK_SECONDS = 30.0
"""How long a silent connection is waited for."""
MOST_BYTES = 64 << 20
"""Longer answers are refused: no original is larger than 20 MB."""


def fetch(name: str) -> Dataset:
    """Download a data set into the per-user cache unless it is there and complete, and load it from there.

    Nothing is used, or takes its final name, before its content is verified. Two processes that fetch at once
    download once. Of an excerpt nothing is downloaded.

    Raises
    ------
    UnknownNameError
        If nothing is declared under that name.
    DataError
        If the network does not give the files, or gives others.
    StorageError
        If the cache cannot be written.
    """
    from filelock import Timeout

    wanted = declared(name)
    if not wanted.folder:
        return load(name)
    root = cache_folder()
    try:
        root.mkdir(parents=True, exist_ok=True)
        with locks.held(root / f"fetch-{name}.lock", LOCK_SECONDS):
            return _cached(wanted, root) or _download(wanted, root)
    except Timeout as error:
        message = f"another process has been fetching {name} for {LOCK_SECONDS / 60:.0f} minutes"
        raise DataError(message, "Wait for it or end it") from error
    except OSError as error:
        raise files.storage_error(root, error, "fill the cache folder") from error


def _cached(wanted: Declared, root: Path) -> Dataset | None:
    """Load what an earlier fetch left if it is complete; anything less is fetched again."""
    folder = raw_folder(root, wanted)
    try:
        if not all(part_file(folder, part) for part in wanted.parts):
            return None
        dataset = load_from(wanted, "cache", folder)
    except DataError:
        return None
    return dataset if dataset.complete else None


def _download(wanted: Declared, root: Path) -> Dataset:
    """Fill a staging folder, check what came, and put it into its place in one step."""
    staging, final = root / f"fetch-{wanted.name}.staging", raw_folder(root, wanted)
    shutil.rmtree(staging, ignore_errors=True)  # left by a process that was killed
    try:
        raw = raw_folder(staging, wanted)
        for part in wanted.parts:
            files.write_bytes(raw / f"{part.file}.gz", _content(wanted, f"{part.file}.gz"))
        # what is decoded for the check goes with the staging folder
        came = load_from(wanted, "cache", raw, staging / "decoded")
        if not came.complete:
            message = f"the download of {wanted.name} is not the original: {came.found}"
            raise DataError(message, "Try again later or from another network")
        shutil.rmtree(final, ignore_errors=True)
        final.parent.mkdir(exist_ok=True)
        raw.rename(final)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load_from(wanted, "cache", final)


def _content(wanted: Declared, file: str) -> bytes:
    """Download one file."""
    # they take longer to import than the rest of a command's start
    import http.client
    import urllib.request

    try:
        with urllib.request.urlopen(wanted.address + file, timeout=NETWORK_SECONDS) as answer:  # noqa: S310 - a declared address
            content: bytes = answer.read(MOST_BYTES + 1)
        if len(content) <= MOST_BYTES:
            return content
        reason = f"the answer is longer than {MOST_BYTES:,} bytes"
    except (OSError, http.client.HTTPException) as error:
        reason = str(error)
    message = f"{wanted.name} could not be downloaded: {wanted.address + file}: {reason}"
    step = f"Check the network and type again: harness data fetch {wanted.name} (or let HARNESS_DATA name a folder that has it)"
    raise DataError(message, step)
