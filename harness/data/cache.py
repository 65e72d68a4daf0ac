"""Decoded arrays on disk: written once, checked by size and time, then memory-mapped.

Each array is a ``.npy`` file with a JSON note beside it. The note says what it was decoded from, the hash of
its content, and size and time of the ``.npy``; where any of it does not fit, the array is decoded again. So
47 MB are hashed once and not in every run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.data import idx
from harness.errors import StorageError
from harness.store import files, locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

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


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """Something that decodes to an array."""

    key: str
    """Name of the cache entry."""
    identity: dict[str, int | str]
    """Changes whenever the content may have changed."""
    open: Callable[[], AbstractContextManager[idx.Opened]]
    """Start to decode."""
    gz_md5: Callable[[], str]
    """Hash of the file as downloaded, or empty if it is no gzip file."""


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """A decoded array and the hashes of its content."""

    array: NDArray[np.uint8]
    """Read-only; memory-mapped unless the cache could not be written."""
    sha256: str
    """Hash of the unpacked IDX file."""
    gz_md5: str
    """Hash of the gzip file, or empty."""
    warning: str = ""
    """Why it is not cached, if it is not."""


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
    step = f"Set {VARIABLE} to a folder that can be written"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise StorageError(
            f"there is no home folder for the cache, and {folder} cannot be made: {error.strerror}", step
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise StorageError(
            f"there is no home folder for the cache, and {folder} is open to other users", step
        )
    return folder


def decoded(original: Original, folder: Path) -> Decoded:
    """Return an array from the cache, after filling it where it is missing, outdated or damaged.

    Parameters
    ----------
    original : Original
        What to decode.
    folder : Path
        Folder of the cache entries.

    Returns
    -------
    Decoded
        Held in memory, with a warning, if the cache cannot be written.

    Raises
    ------
    DataError
        If the original cannot be decoded.
    """
    entry = folder / f"{original.key}.npy"
    if found := _recall(entry, original.identity):
        return found
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locks.held(entry.with_suffix(".lock"), LOCK_SECONDS):
            return _recall(entry, original.identity) or _fill(entry, original)
    except StorageError as error:
        reason = error.what
    except OSError as error:
        reason = files.storage_error(folder, error).what
    return _in_memory(original, f"decoded data are not cached: {reason}")


def is_current(original: Original, folder: Path) -> bool:
    """Whether an array can be mapped from the cache without decoding anything."""
    return _recall(folder / f"{original.key}.npy", original.identity) is not None


def _recall(entry: Path, identity: dict[str, int | str]) -> Decoded | None:
    """Map an entry, or return None if any of it is missing, outdated or damaged: then it is decoded again."""
    try:
        note = json.loads(entry.with_suffix(".json").read_bytes())
        if note["identity"] != identity or note["file"] != _file_identity(entry):
            return None
        array = np.load(entry, mmap_mode="r", allow_pickle=False)
        return Decoded(array, str(note["sha256"]), str(note["gz_md5"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _fill(entry: Path, original: Original) -> Decoded:
    with original.open() as opened, files.replacing(entry) as target:
        np.lib.format.write_array_header_1_0(target, _npy_header(opened.shape))
        sha256 = _stream(opened, target.write)
    note: dict[str, Any] = {"identity": original.identity, "file": _file_identity(entry)}
    note |= {"sha256": sha256, "gz_md5": original.gz_md5()}
    files.write_text(entry.with_suffix(".json"), json.dumps(note))
    array = np.load(entry, mmap_mode="r", allow_pickle=False)
    return Decoded(array, sha256, note["gz_md5"])


def _in_memory(original: Original, warning: str) -> Decoded:
    content = bytearray()
    with original.open() as opened:
        sha256 = _stream(opened, content.extend)
    array = np.frombuffer(content, np.uint8).reshape(opened.shape)
    array.flags.writeable = False
    return Decoded(array, sha256, original.gz_md5(), warning)


def _stream(opened: idx.Opened, write: Callable[[bytes], object]) -> str:
    """Pass every block on and return the SHA-256 of the IDX file they make up."""
    content_hash = hashlib.sha256(idx.header(opened.shape))
    for block in opened.blocks:
        content_hash.update(block)
        write(block)
    return content_hash.hexdigest()


def _npy_header(shape: tuple[int, ...]) -> dict[str, Any]:
    return {"descr": "|u1", "fortran_order": False, "shape": shape}


def _file_identity(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
