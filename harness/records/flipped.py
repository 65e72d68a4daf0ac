"""Which images two classifiers told apart: right in one, wrong in the other."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple


class Flip(NamedTuple):
    """One image that changed sides; a row of four numbers in JSON."""

    image: int
    """Position of the image in its prediction set."""
    label: int
    """True class."""
    before: int
    """Class that the reference predicted."""
    after: int
    """Class that the run predicted."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Flips:
    """Predictions of one run, image by image, beside those of the reference's run of the same seed."""

    seed: int
    """Seed of both runs."""
    set: str
    against: str
    """What the run was held against: the baseline file, or ``base REF``."""
    images: int
    """Images compared; 0 if they could not be."""
    problem: str = ""
    """Why they could not be compared, in one sentence; empty if they were."""
    same_weights: bool = False
    """Whether both runs predicted with the same weights, by their hash: only then flips may decide anything."""
    worse: tuple[Flip, ...] = ()
    """Images that were right and are wrong: the first of them."""
    better: tuple[Flip, ...] = ()
    """Images that were wrong and are right: the first of them."""
    worse_count: int = 0
    """How many were right and are wrong."""
    better_count: int = 0
    """How many were wrong and are right."""
    changed: int = 0
    """How many were wrong and are wrong in another way."""
    folder: str = ""
    """Folder of the run, relative to the job's: there lie the images it got wrong."""
    base_folder: str = ""
    """Folder of the base run, relative to the job's; empty for a stored baseline, which keeps no images."""
