"""Reading a run's stored arrays without trusting the file."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def read(folder: Path, name: str) -> dict[str, NDArray[np.generic]]:
    """Read every array of an ``.npz`` file below the job's folder; pickled content is refused.

    Checksums are verified before anything is decoded, so that damage is found here and not as odd content.
    The message names the file relative to the job: a report may travel.

    Parameters
    ----------
    folder : Path
        The job's folder.
    name : str
        Path of the file relative to it.

    Raises
    ------
    StorageError
        If the file lies elsewhere, is missing or damaged, or holds anything but plain arrays.
    """
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise StorageError(f"{name} lies outside the job's folder")
    try:
        return _read_checked(path)
    except FileNotFoundError as error:
        raise StorageError(f"{name} is missing") from error
    except OSError as error:
        raise StorageError(f"{name} cannot be opened: {error.strerror}") from error
    # zipfile raises RuntimeError for encrypted members and, as NotImplementedError, for unknown compression
    except (ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise StorageError(f"{name} is damaged: {error}") from error


def _read_checked(path: Path) -> dict[str, NDArray[np.generic]]:
    with path.open("rb") as file:
        with zipfile.ZipFile(file) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise ValueError(f"the checksum of {damaged} is wrong")
        file.seek(0)
        with np.load(file, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}
