"""The per-user cache: where it lies, its locks, and decoded arrays that are written once and then memory-mapped.

Each array is a ``.npy`` file with a JSON note. The note says what it was decoded from, the hash of its content, and size and time of the
``.npy``; where any of it does not fit, the array is decoded again. So 47 MB are hashed once and not in every run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import tempfile
import typing
from pathlib import Path

import numpy as np

from harness.data import idx
from harness.errors import DataError, StorageError
from harness.store import files, locks

if typing.TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

VARIABLE = "HARNESS_CACHE"
LOCK_SECONDS = 120.0
"""How long to wait for another process that fills the same entry; decoding takes under a second."""


@contextlib.contextmanager
def machine_lock(name: str, seconds: float = -1.0, busy: str = "") -> Iterator[None]:
    """Hold a lock that all processes of this user on this machine share, as `harness.store.locks.held` does.

    Raises
    ------
    filelock.Timeout
        If another process holds it for longer than so many seconds; it names the file.
    StorageError
        In place of `filelock.Timeout` where `busy` says what the other process does; also if the cache folder cannot be made, or has no
        locks.
    """
    import filelock

    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.storage_error(path.parent, error, "create the folder") from error
    with contextlib.ExitStack() as holding:
        try:
            holding.enter_context(locks.held(path, seconds))
        except filelock.Timeout as error:
            if not busy:
                raise
            raise StorageError(busy, f"Wait until it ends; it holds {path}") from error
        yield


def cache_folder() -> Path:
    """Return the per-user cache folder; the environment variable HARNESS_CACHE overrides it.

    A user without a home, or whose home cannot be written (as in a container that was started with some user's number), gets a folder of
    their own among the temporary files.

    Raises
    ------
    StorageError
        If there is no such home, and the temporary folder is another user's.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().resolve()
    import platformdirs

    try:
        folder = platformdirs.user_cache_path("report-harness", appauthor=False)
    except RuntimeError:  # nobody knows the user; older versions leave the home as a tilde
        return _temporary_folder()
    above = next((path for path in (folder, *folder.parents) if os.path.exists(path)), "")  # noqa: PTH110 - no error of a closed folder
    usable = folder.is_absolute() and os.access(above, os.W_OK | os.X_OK)
    return folder if usable else _temporary_folder()


def _temporary_folder() -> Path:
    """Make a folder that only this user can enter; it is left for the next command."""
    # a worker's own temporary folder goes with its run
    folder = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), f"report-harness-{os.getuid()}")  # noqa: S108, PTH112
    what, step = (
        "there is no home folder for the cache, and",
        f"Set {VARIABLE} to a folder that can be written",
    )
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise StorageError(f"{what} {folder} cannot be made: {error.strerror}", step) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StorageError(f"{what} {folder} is open to other users", step)
    return folder


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A decoded array and the hashes of its content."""

    array: NDArray[np.uint8]
    """Read-only and memory-mapped."""
    sha256: str
    """Hash of the unpacked IDX file."""
    gz_md5: str
    """Hash of the gzip file as downloaded; empty if it is no gzip file."""


def decoded(path: Path, name: str, shape: tuple[int, ...], folder: Path) -> Decoded:
    """Return the array of an IDX file from the cache, after filling it where it is missing, outdated or damaged.

    The array has the given shape or fewer items. Its entry in the folder begins with `name`.

    Raises
    ------
    DataError
        If the file cannot be read.
    StorageError
        If the cache cannot be written.
    """
    entry, identity = _entry(path, name, folder), _identity(path)
    if known := _recall(entry, identity):
        return known
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locks.held(entry.with_suffix(".lock"), LOCK_SECONDS):
            return _recall(entry, identity) or _fill(entry, identity, path, shape)
    except OSError as error:
        raise files.storage_error(folder, error) from error


def is_current(path: Path, name: str, folder: Path) -> bool:
    """Whether an array can be mapped from the cache without decoding anything."""
    return _recall(_entry(path, name, folder), _identity(path)) is not None


def _entry(path: Path, name: str, folder: Path) -> Path:
    return folder / f"{name}-{hashlib.sha256(os.fsencode(path)).hexdigest()[:12]}.npy"


def _identity(path: Path) -> dict[str, int]:
    """Return what changes whenever the content of a file may have changed."""
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", idx.LOOK) from error
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _recall(entry: Path, identity: dict[str, int]) -> Decoded | None:
    """Map an entry, or return None if any of it is missing, outdated or damaged: then it is decoded again."""
    try:
        note = json.loads(entry.with_suffix(".json").read_bytes())
        if note["identity"] != identity or note["file"] != _identity(entry):
            return None
        array = np.load(entry, mmap_mode="r", allow_pickle=False)
        return Decoded(array, str(note["sha256"]), str(note["gz_md5"]))
    except (OSError, DataError, ValueError, KeyError, TypeError):
        return None


def _fill(entry: Path, identity: dict[str, int], path: Path, shape: tuple[int, ...]) -> Decoded:
    with idx.open_idx(path, shape[1:], shape[0]) as opened, files.replacing(entry) as target:
        header = {"descr": "|u1", "fortran_order": False, "shape": opened.shape}
        np.lib.format.write_array_header_1_0(target, header)
        sha256 = hashlib.sha256(idx.header(opened.shape))
        for block in opened.blocks:
            sha256.update(block)
            target.write(block)
    hashes = {"sha256": sha256.hexdigest(), "gz_md5": idx.gz_md5(path) if path.suffix == ".gz" else ""}
    note = {"identity": identity, "file": _identity(entry), **hashes}
    files.write_text(entry.with_suffix(".json"), json.dumps(note))
    return Decoded(np.load(entry, mmap_mode="r", allow_pickle=False), **hashes)
