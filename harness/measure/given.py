"""The weights of one run, kept so that a run on another backend or device predicts with them too.

Two trainings are two classifiers. Only where both sides predict with the same weights does a changed label come from how they compute.
"""

from __future__ import annotations

import glob
import typing
from pathlib import Path

import numpy as np

from harness.errors import HarnessError, StorageError
from harness.records import GIVEN
from harness.store import files

if typing.TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

    from harness.records import RunRequest

    Arrays = list[NDArray[typing.Any]]

FILE = "weights.npz"
"""What a run is asked to keep: the arrays of each prediction set as ``set/0000``, ``set/0001``, in order."""


def find(folder: str, request: RunRequest) -> str:
    """Return the file in which a job keeps the weights of the run of the same scenario, variant, tier and seed.

    Raises
    ------
    HarnessError
        If there is none, or several backends or devices left one each.
    """
    name, tier, seed = f"{request.scenario}:{request.variant}", request.tier, request.seed
    ours = glob.escape(f"{request.scenario}--{request.variant}--{tier}--")
    paths = list(Path(folder, "runs").glob(f"{ours}*--seed{seed}/{FILE}"))
    if not paths:
        command = f"harness run {name} --tier {tier} --first-seed {seed} --keep-weights --out DIR"
        message = f"'{folder}' keeps no weights of {name}, tier {tier}, seed {seed}"
        raise HarnessError(message, f"Type: {command}, then name DIR with --weights")
    if len(paths) > 1:
        message = f"'{folder}' keeps weights of {name} from several backends or devices"
        raise HarnessError(message, "Give each a folder of its own")
    return str(paths[0].resolve())


class Weights:
    """What a run keeps of its weights, and what it was given of another's: the request says whether, and which file."""

    def __init__(self, request: RunRequest) -> None:
        self._keeps, self._file = request.keep_weights, request.weights
        self._kept: dict[str, NDArray[typing.Any]] = {}

    def keep(self, name: str, weights: Iterable[ArrayLike]) -> Iterable[ArrayLike]:
        """Copy the weights of a set if they are to be kept; return them."""
        if not self._keeps or name.endswith(GIVEN):
            return weights
        copied = [np.array(array) for array in weights]
        self._kept |= {f"{name}/{index:04}": array for index, array in enumerate(copied)}
        return copied

    def given(self, name: str) -> Arrays | None:
        """Return the weights with which the other run predicted a set; None if no file was given.

        Raises
        ------
        StorageError
            If the file is damaged or holds none for the set.
        """
        if not self._file:
            return None
        stored = files.read_npz(self._file)
        arrays = [stored[key] for key in sorted(stored) if key.rpartition("/")[0] == name]
        if not arrays:
            message = f"{self._file} holds no weights of set '{name}'"
            raise StorageError(message, "Run the other job again with --keep-weights")
        return arrays

    def write(self, folder: Path) -> None:
        """Write what was kept into a run's folder, if anything was."""
        if self._kept:
            files.write_npz(folder / FILE, self._kept)
