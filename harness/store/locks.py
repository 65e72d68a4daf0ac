"""Lock files: one way to hold them, and one error where a file system has none, as network file systems without a lock service."""

from __future__ import annotations

import contextlib
import errno
import os
import typing

from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def held(path: Path, seconds: float = -1.0) -> Iterator[None]:
    """Hold a lock file in a folder that exists; the file stays, and the system frees it when this process dies.

    It waits so many seconds for another process that holds it; below 0 for ever.

    Raises
    ------
    filelock.Timeout
        If another process holds it for too long.
    StorageError
        If the file cannot be written, or its file system has no locks.
    """
    import filelock

    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=seconds)
    except filelock.Timeout:  # an OSError too
        raise
    except OSError as error:
        raise files.storage_error(path, error, "lock") from error
    except NotImplementedError as error:
        raise files.storage_error(path, OSError(errno.ENOLCK, os.strerror(errno.ENOLCK)), "lock") from error
    try:
        yield
    finally:
        lock.release()
