"""What a kernel is, and the data that kernels work on."""

from __future__ import annotations

import dataclasses
import typing

import numpy as np

from harness import data as datasets
from harness.errors import DataError

if typing.TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

Result = typing.Any


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    """Two ways of doing the same."""

    name: str
    """What is done."""
    data: str
    """On which data."""
    fast: Callable[[], Result]
    """The way the harness does it."""
    plain: Callable[[], Result] | None
    """The plain way; None where there is only the harness's."""
    difference: Callable[[], float]
    """Largest difference between both results, at a size where rounding has no steps to grow over; without a plain way, how far
    the result is from what must hold of it."""
    allowed: float = 0.0
    """Largest difference that counts as the same result."""
    work: tuple[float, float] = (1.0, 1.0)
    """How much of the work one call of `fast` and of `plain` does."""
    wanted: float = 1.0
    """Ratio that the project asks for."""
    seconds: float = 0.0
    """Seconds that the project allows for one call of `fast`; 0 if it names none."""

    def way(self, name: str) -> Callable[[], Result] | None:
        """Return the call of a way: ours or plain."""
        return self.fast if name == "ours" else self.plain


@dataclasses.dataclass(frozen=True, slots=True)
class Data:
    """Images and labels that the kernels work on."""

    name: str
    """Data set."""
    images: NDArray[np.uint8]
    """Images of shape (n, 28, 28)."""
    labels: NDArray[np.uint8]
    """Labels of shape (n,)."""


def load(name: str = "mnist") -> Data:
    """Load a data set's training half, or the embedded excerpt of MNIST where it is not here."""
    try:
        data = datasets.load(name)
    except DataError:
        data = datasets.load("mnist-excerpt")
    return Data(data.name, np.asarray(data.train.images), np.asarray(data.train.labels))
