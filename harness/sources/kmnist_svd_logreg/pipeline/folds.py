"""Folds, orders and windows: which image each model sees at which step, from an explicit seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

Ints: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
Bools: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Split:
    """A k-fold split: equal parts, each the validation set of one fold."""

    parts: Ints
    """Image indices, (folds, width); row f is validated by fold f and unseen in its training."""
    rest: Ints
    """Indices left over if the folds do not divide the images, (n mod folds,); every fold trains on them."""

    @property
    def folds(self) -> int:
        """Number of folds."""
        return int(self.parts.shape[0])

    @property
    def width(self) -> int:
        """Validation images per fold."""
        return int(self.parts.shape[1])

    @property
    def size(self) -> int:
        """All images."""
        return int(self.parts.size + self.rest.size)

    @property
    def training_size(self) -> int:
        """Training images per fold, the same for every fold."""
        return self.size - self.width

    @property
    def rows(self) -> Ints:
        """All indices part by part, the rest last, (n,); a *position* below is an index into this."""
        return np.concatenate([self.parts.reshape(-1), self.rest])

    def part_of(self, positions: Ints) -> Ints:
        """Return the part each position lies in; for the rest, ``folds`` or more: no fold leaves it out."""
        return positions // self.width


def split_folds(n: int, folds: int, *, seed: int) -> Split:
    """Split n images into equal random parts as the authors' code does: plain, not stratified by class.

    The width of a part is ``n // folds``; the up to ``folds - 1`` images left over are never validated.

    Raises
    ------
    ValueError
        Fewer than 2 folds, or more folds than images.
    """
    if not 2 <= folds <= n:
        raise ValueError(f"Cannot cut {n} images into {folds} folds; choose 2 to {n}.")
    order = np.random.default_rng((seed, 0)).permutation(n)
    width = n // folds
    return Split(order[: folds * width].reshape(folds, width), order[folds * width :])


class Windows(NamedTuple):
    """One epoch: step j looks at ``positions[j]``, and fold f learns from those in ``member[j, :, f]``."""

    positions: Ints
    """Positions, (steps, window)."""
    member: Bools
    """Which rows belong to the mini-batch of which fold, (steps, window, folds)."""
    sizes: Ints
    """Images in each fold's mini-batch, (steps,); only the last may be smaller."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The order in which every fold sees its images, epoch by epoch.

    One permutation of all images is drawn per epoch; fold f walks through it and skips its own part, batch
    after batch. So each fold sees each of its training images once an epoch in mini-batches of exactly
    `batch`, and the mini-batches of all folds at one step lie in one short window of the permutation. That is
    what lets a single product serve all folds.

    Each part is permuted on its own, and one image of each part at a time is dealt in random turn: every image
    is equally likely at every place, each mini-batch draws evenly from the (random) parts, and the windows
    stay within a few rows of the batch.
    """

    split: Split
    batch: int
    """Mini-batch size."""
    seed: int
    """Of the orders."""
    _memo: dict[int, Windows] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise ValueError(f"A mini-batch needs at least one image, not {self.batch}.")

    @property
    def steps(self) -> int:
        """Optimiser steps of one fold in one epoch."""
        return -(-self.split.training_size // self.batch)

    def order(self, epoch: int) -> Ints:
        """Return the epoch's permutation of all positions, (n,)."""
        split, rng = self.split, np.random.default_rng((self.seed, 1, epoch))
        dealt = np.arange(split.parts.size).reshape(split.folds, split.width)
        dealt = rng.permuted(dealt, axis=1).T  # (width, folds)
        order = rng.permuted(dealt, axis=1).reshape(-1)  # (folds * width,)
        rest = np.arange(split.parts.size, split.size)
        places = rng.integers(0, order.size + 1, rest.size)
        return np.asarray(np.insert(order, places, rng.permutation(rest)))

    def windows(self, epoch: int) -> Windows:
        """Return the epoch's windows; remembered, since every setting of a grid walks the same ones."""
        if epoch not in self._memo:
            self._memo[epoch] = _windows(self.order(epoch), self)
        return self._memo[epoch]

    def training_rows(self, epoch: int, fold: int) -> Ints:
        """Return the image indices that one fold trains on, in its order, (training images,)."""
        order = self.order(epoch)
        return np.asarray(self.split.rows[order[self.split.part_of(order) != fold]])


def _windows(order: Ints, schedule: Schedule) -> Windows:
    """Find, step by step, the shortest window that holds every fold's mini-batch; pad all to the widest."""
    split, batch, steps = schedule.split, schedule.batch, schedule.steps
    trains = split.part_of(order)[:, None] != np.arange(split.folds)  # (n, folds)
    step = np.where(trains, (np.cumsum(trains, axis=0) - 1) // batch, -1)  # (n, folds)
    places = np.nonzero(trains.T)[1].reshape(split.folds, -1)  # (folds, training images)
    starts = np.arange(steps) * batch
    ends = np.minimum(starts + batch, split.training_size)
    low = places[:, starts].min(axis=0)
    width = int((places[:, ends - 1].max(axis=0) + 1 - low).max())
    rows = np.minimum(low, order.size - width)[:, None] + np.arange(width)  # (steps, window)
    member = step[rows] == np.arange(steps)[:, None, None]  # (steps, window, folds)
    return Windows(order[rows], member, ends - starts)
