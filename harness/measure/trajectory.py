"""The first losses of a training, as a counting run keeps them: no clock, no noise; docs/work.md says how they are judged."""

from __future__ import annotations

import math
import typing

import numpy as np

from harness.records import PRECISIONS, Trajectory

if typing.TYPE_CHECKING:
    from numpy.typing import ArrayLike

FIRST = 8
"""Losses that are kept of each training: later ones depend on the rounding of all steps before."""


class Trajectories:
    """Losses of the trainings of one run, by name."""

    def __init__(self) -> None:
        self.kept: dict[str, Trajectory] = {}
        self._diverged = set[str]()

    def add(self, name: str, loss: ArrayLike, dtype: str) -> str:
        """Append losses until `FIRST` are kept, or one is not finite.

        Parameters
        ----------
        name : str
            The training.
        loss : number or (n,) array
            Next losses; a framework's tensor on any device too.
        dtype : str
            Precision that the training is meant to compute in.

        Returns
        -------
        str
            What went wrong, the first time that a loss is not finite; else empty.

        Raises
        ------
        ValueError
            If the losses have more than one dimension, or `dtype` is unknown or another one than before.
        """
        if dtype not in PRECISIONS:
            message = f"trajectory '{name}' has dtype '{dtype}'; it must be one of {', '.join(PRECISIONS)}"
            raise ValueError(message)
        before = self.kept.get(name, Trajectory(values=(), dtype=dtype))
        if before.dtype != dtype:
            raise ValueError(f"trajectory '{name}' began in {before.dtype}; it cannot go on in {dtype}")
        if name in self._diverged or len(before.values) >= FIRST:
            return ""
        # a tensor's own list works on every device, and for bfloat16, which NumPy has not
        plain: typing.Any = loss.detach() if hasattr(loss, "detach") else loss
        losses = np.asarray(plain.tolist() if hasattr(plain, "tolist") else plain, np.float64)
        if losses.ndim > 1:
            message = f"the losses of trajectory '{name}' have shape {losses.shape}; give one number a step"
            raise ValueError(message)
        values = np.atleast_1d(losses)[: FIRST - len(before.values)].tolist()
        finite = next((i for i, value in enumerate(values) if not math.isfinite(value)), len(values))
        self.kept[name] = Trajectory(values=(*before.values, *values[:finite]), dtype=dtype)
        if finite == len(values):
            return ""
        self._diverged.add(name)
        return f"loss {len(self.kept[name].values) + 1} of training '{name}' is not finite"
