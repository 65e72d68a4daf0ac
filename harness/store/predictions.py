"""What runs predicted, image by image, as they stored it beside their results."""

from __future__ import annotations

import dataclasses
import functools
import typing

import numpy as np

from harness.errors import StorageError
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from harness.records import RunResult

    Classes = NDArray[np.uint8]
    Sets = Mapping[str, "Predictions"]
    Reader = Callable[[RunResult, Iterable[str]], Sets]


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """One prediction set."""

    labels: Classes
    """(n,) true classes."""
    predicted: Classes
    """(n,) predicted classes of the same images."""
    weights: str = ""
    """Hash of the weights that predicted; empty if the scenario gave none."""


def reader(out: Path) -> Reader:
    """Return a function that reads named sets of a run below the job's folder `out`; what was read is kept.

    It leaves out a set that the run does not have, and raises `StorageError` if the file lies elsewhere, is missing or damaged.
    """

    @functools.cache
    def arrays(folder: str, names: tuple[str, ...]) -> dict[str, tuple[Classes, Classes]]:
        place = f"{folder}/predictions.npz"
        stored = files.read_npz_below(out, place)
        return {name: _pair(stored, name, place) for name in names}

    def read(run: RunResult, names: Iterable[str]) -> Sets:
        if run.measurement is None:
            return {}
        wanted = tuple(name for name in names if name in run.measurement.predictions)
        hashes = run.measurement.weights
        found = arrays(run.folder, wanted) if wanted else {}
        return {name: Predictions(*pair, hashes.get(name, "")) for name, pair in found.items()}

    return read


def _pair(stored: Mapping[str, NDArray[typing.Any]], name: str, place: str) -> tuple[Classes, Classes]:
    """Return labels and predictions of a set, (n,) each."""
    found = [stored.get(f"{name}/{part}") for part in ("labels", "predicted")]
    usable = [array for array in found if array is not None and array.dtype == np.uint8 and array.ndim == 1]
    if len(usable) < 2 or len(usable[0]) != len(usable[1]):
        what = f"{place} is damaged: it holds no labels and predictions of set '{name}' that pair up"
        raise StorageError(what, "Run again to write it anew")
    return usable[0], usable[1]
