"""Reading a run's stored arrays without trusting the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness import files
from harness.errors import StorageError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray


def read(folder: Path, name: str) -> dict[str, NDArray[np.generic]]:
    """Read every array of an ``.npz`` file below the job's folder; pickled content is refused.

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
    return files.read_npz(path, name)
