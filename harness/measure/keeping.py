"""What a long run has finished so far, in files that outlive its process: its next attempt goes on from there.

A run is done anew when it failed or its job was ended. One of hours would lose them, so it may keep arrays under names of its own:
a finished point of a sweep, the state of a training between two epochs. They lie in the run's folder, are used by the next attempt
at the same request with the same code and libraries only, and are removed when the run ends well. Nothing is pickled.
"""

from __future__ import annotations

import hashlib
import shutil
import time
import typing

import numpy as np

from harness.errors import StorageError
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[typing.Any]]

FOLDER = "kept"
"""Folder of kept arrays within a run's own."""
STAMP = "stamp"
"""Array of every file that says which request, code and libraries it belongs to."""


class Kept:
    """Arrays that earlier attempts at this run kept in a folder; without one nothing is kept and nothing found.

    `identity` gives what must be the same for an array to be used again; it is called only if there is something to find or to keep.
    """

    def __init__(self, folder: Path | None = None, identity: Callable[[], str] = str) -> None:
        self.folder = folder
        self._identity = identity
        self._stamp: NDArray[np.uint8] | None = None

    def get(self, name: str) -> dict[str, NDArray[typing.Any]] | None:
        """Return what was kept under a name; None if nothing was, it is damaged, or it belongs to another program."""
        if self.folder is None or not (self.folder / f"{name}.npz").is_file():
            return None
        try:
            arrays = files.read_npz(self.folder / f"{name}.npz")
        except StorageError:
            return None  # computed again: a torn file costs time, never a result
        return arrays if np.array_equal(arrays.pop(STAMP, ()), self._stamped()) else None

    def put(self, name: str, arrays: Arrays) -> None:
        """Keep arrays under a name, in the place of what was there.

        Raises
        ------
        ValueError
            If the name is no plain file name, or an array is called `STAMP`.
        StorageError
            If it cannot be written.
        """
        if not files.is_plain_name(f"{name}.npz") or STAMP in arrays:
            raise ValueError(f"nothing can be kept as '{name}' with arrays {sorted(arrays)}")
        if self.folder is not None:
            files.write_npz(self.folder / f"{name}.npz", {**arrays, STAMP: self._stamped()})

    def discard(self) -> None:
        """Remove everything: the run has ended well."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _stamped(self) -> NDArray[np.uint8]:
        if self._stamp is None:
            self._stamp = np.frombuffer(hashlib.sha256(self._identity().encode()).digest(), np.uint8)
        return self._stamp


class Keeper:
    """One name of `Kept`, as a pipeline sees it.

    So many seconds pass between two writes: what would be done again takes no longer than that. `used` is called when something of an
    earlier attempt is used.
    """

    def __init__(self, kept: Kept, name: str, seconds: float, used: Callable[[], None]) -> None:
        self._kept, self._name, self._seconds, self._used = kept, name, seconds, used
        self._last = time.monotonic()

    def get(self) -> dict[str, NDArray[typing.Any]] | None:
        """Return what an earlier attempt kept, or None."""
        arrays = self._kept.get(self._name)
        if arrays is not None:
            self._used()
        return arrays

    def put(self, arrays: Callable[[], Arrays]) -> None:
        """Keep what the callable gives; it is not called where the last write is too young, nor where nothing is kept.

        A counted run keeps nothing: calls after so many seconds would be work that only a slow machine does.
        """
        old_enough = time.monotonic() - self._last >= self._seconds
        if self._kept.folder is not None and old_enough:
            self._kept.put(self._name, arrays())
            self._last = time.monotonic()
